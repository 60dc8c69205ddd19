"""Can the functions of the attachment chain run: do they exist, are they active, are they as they were deployed?"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import SIGN_IN_PARTS, DeployedFunction, Part
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.restoring import RESTORE
from pubsub_cli.finding import AwsCommand, Finding, failed, not_applicable, passed, warning
from pubsub_client.outputs import Output

# What CloudFormation's template and Lambda call the same.
_CONFIGURED = ("Handler", "MemorySize", "Runtime", "Timeout")
_OTHER_PARTS = frozenset({Part.WORKER, Part.SWEEP, Part.DETACH_ALL, Part.DRIFT_DETECTOR})


class SignInFunctionsCanRun(Check):
    """The trigger and the challenge function exist, are active, and are not throttled to zero.

    Lambda refuses to invoke a function in state `Failed`, and one whose reserved concurrency is 0; the first invocation
    of an `Inactive` one fails. Cognito then fails the sign-in. Not applicable with the setting `attachment:
    self-attach`.
    """

    id = "PS127"
    group = Group.PROVISIONING
    title = "the sign-in functions can run"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Read the state of the functions."""
        if not context.attaches_at_sign_in:
            return not_applicable("attachment is self-attach: there is no trigger")
        functions = await asyncio.to_thread(context.functions_of, SIGN_IN_PARTS)
        wrong = (why_it_cannot_run(each) for each in functions)
        found = _missing(context, SIGN_IN_PARTS, functions) or next(filter(None, wrong), None)
        return found or passed(f"{len(functions)} functions")


class OtherFunctionsCanRun(Check):
    """The worker, the sweep and the bulk detachment exist, are active, and are as they were deployed.

    As PS127 and PS119 for the functions that no sign-in waits for: without the worker, pending attachments stay in the
    retry queue; without the sweep, users who were missed stay without the policy. Covers the drift detector of adopted
    pools as well. The function of self-attach is part of PS129.
    """

    id = "PS606"
    group = Group.OPERATIONS
    title = "the worker, sweep and bulk detachment functions can run"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Read the state of the functions, and compare them with the stack's template."""
        functions = await asyncio.to_thread(context.functions_of, _OTHER_PARTS)
        outputs = {
            Part.WORKER: Output.RETRY_QUEUE_URL,
            Part.SWEEP: Output.SWEEP_STATE_MACHINE_ARN,
            Part.DETACH_ALL: Output.DETACH_ALL_STATE_MACHINE_ARN,
        }
        expected = {part for part, output in outputs.items() if output in context.outputs}
        if missing := _missing(context, expected, functions):
            return missing
        for function in functions:
            if wrong := why_it_cannot_run(function) or changed_since_deployed(context, function):
                return wrong
        return passed(f"{len(functions)} functions")


def _missing(context: Context, parts: Collection[Part], functions: Sequence[DeployedFunction]) -> Finding | None:
    """Return which functions the stack's template lacks; None if it has them all."""
    missing = set(parts) - {each.part for each in functions}
    if not missing:
        return None
    return failed(
        f"The template of stack {context.stack} has no function with the handler {', '.join(sorted(missing))}.",
        resource=context.stack,
        fix="Deploy it again with this version: cdk deploy",
    )


def why_it_cannot_run(function: DeployedFunction) -> Finding | None:
    """Return why Lambda does not run a function; None if it does.

    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    """
    name, now = function.name, function.configuration
    if now is None:
        return failed(f"The function {name} was deleted: {function.without}.", resource=name, fix=RESTORE)
    if function.reserved_concurrency == 0:
        return failed(
            f"The reserved concurrency of {name} is 0, so Lambda throttles every invocation: {function.without}.",
            resource=name,
            fix=AwsCommand("lambda", "DeleteFunctionConcurrency", {"FunctionName": name}),
        )
    state, updated = now.get("State", "Active"), now.get("LastUpdateStatus", "Successful")
    if state == "Failed":
        return failed(
            f"Lambda cannot run {name} ({now.get('StateReasonCode')}: {now.get('StateReason')}): {function.without}.",
            resource=name,
            fix=["Remove the reason that Lambda gives, then let Lambda set the function up again:", _set_up(function)],
        )
    if state != "Active":
        return warning(
            f"The function {name} is {state}, not Active: its next invocation fails ({now.get('StateReason')}).",
            resource=name,
            fix=["Let Lambda set the function up again, and wait until it is Active:", _set_up(function)],
        )
    if updated == "Failed":
        return warning(
            f"The last update of {name} failed ({now.get('LastUpdateStatusReasonCode')}: "
            f"{now.get('LastUpdateStatusReason')}): Lambda runs it as it was before.",
            resource=name,
            fix=["Remove the reason that Lambda gives, then repeat the update:", _set_up(function)],
        )
    return None


def _set_up(function: DeployedFunction) -> AwsCommand:
    parameters = {"FunctionName": function.name, "Handler": function.template["Handler"]}
    return AwsCommand("lambda", "UpdateFunctionConfiguration", parameters)


def changed_since_deployed(context: Context, function: DeployedFunction) -> Finding | None:
    """Return what of a function's configuration was changed for the worse; None if nothing was."""
    now: Mapping[str, Any] = {**(function.configuration or {})}
    changed = _changed(function)
    harmful = {key: value for key, (is_now, value) in changed.items() if key == "Handler" or _is_less(is_now, value)}
    told = [f"{key} {now.get(key)} instead of {value}" for key, value in harmful.items()]
    lost = _lost_variables(context, function)
    told += [f"{name} {function.environment.get(name, 'missing')} instead of {value}" for name, value in lost.items()]
    if not told:
        return None
    variables = {"Environment": {"Variables": {**function.environment, **lost}}} if lost else {}
    return failed(
        f"{function.name} was changed since it was deployed ({', '.join(told)}). It may fail, or run out of time: "
        f"{function.without}.",
        resource=function.name,
        fix=AwsCommand(
            "lambda", "UpdateFunctionConfiguration", {"FunctionName": function.name, **harmful, **variables}, safe=True
        ),
    )


def harmless_changes(function: DeployedFunction) -> list[str]:
    """Return the other changes of a function's configuration, such as more memory, in words."""
    return [f"{function.name}: {key} {now} instead of {was}" for key, (now, was) in _changed(function).items()]


def _changed(function: DeployedFunction) -> dict[str, tuple[object, object]]:
    """Return what differs from the template, with what it is now and what it was deployed as."""
    now: Mapping[str, Any] = {**(function.configuration or {})}
    deployed = function.template
    return {
        key: (now.get(key), deployed[key]) for key in _CONFIGURED if key in deployed and now.get(key) != deployed[key]
    }


def _lost_variables(context: Context, function: DeployedFunction) -> dict[str, str]:
    """Return the environment variables that were removed or changed, as the template has them.

    Left out are those whose value CloudFormation computes from attributes. Variables that were added change nothing.
    """
    physical = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in context.resources}
    deployed = function.template.get("Environment", {}).get("Variables", {})
    values = {
        name: value if isinstance(value, str) else physical.get(str(value.get("Ref")))
        for name, value in deployed.items()
    }
    return {name: value for name, value in values.items() if value and function.environment.get(name) != value}


def _is_less(now: object, deployed: object) -> bool:
    return isinstance(now, int) and isinstance(deployed, int) and now < deployed
