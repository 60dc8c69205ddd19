"""Can the functions of the attachment chain write their logs?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pubsub_cli.checks.check import Check, Group, Severity
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import Part
from pubsub_cli.checks.options import Requirement
from pubsub_cli.finding import AwsCommand, Finding, failed, passed, skipped

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import LogGroupTypeDef


class LogGroupsExist(Check):
    """The log groups of the functions exist, and keep their records as long as they were deployed to.

    A warning only: PubSub works without. But the functions may write to their own log group and may not make it, so all
    that they would report is lost: the reason why an attachment failed, and the metrics behind the alarms.
    """

    id = "PS128"
    group = Group.PROVISIONING
    title = "the functions' log groups exist"
    severity = Severity.WARNING
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Look for the log groups that the functions' configurations name."""
        return await asyncio.to_thread(_look, context)


def _look(context: Context) -> Finding:
    functions = context.functions_of(frozenset(Part))
    names = {each.configuration["LoggingConfig"]["LogGroup"]: each for each in functions if each.configuration}
    if not names:
        return skipped("the stack has no function of the chain that exists")
    found = _log_groups(context, list(names))
    for name, function in names.items():
        properties = _template_of(context, name)
        days = properties.get("RetentionInDays")
        keep = AwsCommand("logs", "PutRetentionPolicy", {"logGroupName": name, "retentionInDays": days}, safe=True)
        if name not in found:
            key = properties.get("KmsKeyId")
            options = {"kmsKeyId": key} if isinstance(key, str) else {}
            return failed(
                f"The log group {name} does not exist: {function.name} can log nothing, and its alarms see nothing.",
                resource=name,
                fix=[
                    AwsCommand("logs", "CreateLogGroup", {"logGroupName": name, **options}, safe=True),
                    *([keep] if days else []),
                ],
            )
        kept = found[name].get("retentionInDays")
        if days and kept != days:
            return failed(
                f"The log group {name} keeps its records {f'{kept} days' if kept else 'for ever'}, not {days} days.",
                resource=name,
                fix=keep,
            )
    return passed(f"{len(names)} log groups")


def _log_groups(context: Context, names: list[str]) -> Mapping[str, LogGroupTypeDef]:
    """Return the log groups that exist, by name: in one call if the names begin alike, as those of a stack do."""
    prefix = os.path.commonprefix(names)  # noqa: RUF071 - of names, not of paths
    describe = context.aws.logs.get_paginator("describe_log_groups")
    pages = describe.paginate(logGroupNamePrefix=prefix) if prefix else describe.paginate()  # an empty one is refused
    return {each["logGroupName"]: each for page in pages for each in page["logGroups"]}


def _template_of(context: Context, log_group: str) -> Mapping[str, Any]:
    """Return a log group's properties in the template; none if the stack has no such log group."""
    logical = (each["LogicalResourceId"] for each in context.resources if each.get("PhysicalResourceId") == log_group)
    properties: Mapping[str, Any] = context.template["Resources"].get(next(logical, ""), {}).get("Properties", {})
    return properties
