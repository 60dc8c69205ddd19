"""Is what a sign-in could not attach taken care of?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from pubsub_cli.checks.arn import arn_prefix
from pubsub_cli.checks.check import Check, Group, Severity
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import Part
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.queue import messages_in
from pubsub_cli.checks.restoring import RESTORE
from pubsub_cli.finding import AwsCommand, Finding, PubSubCommand, failed, not_applicable, passed
from pubsub_client.outputs import Output

_NO_QUEUE = "attachment is self-attach: there is no retry queue"
# By their names in CloudFormation; numbers and booleans are words in the answers of SQS.
_ATTRIBUTES = ("MessageRetentionPeriod", "SqsManagedSseEnabled", "VisibilityTimeout")
_REPORTS_FAILURES = "ReportBatchItemFailures"


class QueuesAreThere(Check):
    """The retry queue and the dead-letter queue exist, and the first hands over to the second.

    The trigger sends to the retry queue what it cannot attach in time. Without the queue these attachments are lost;
    without the redrive policy they are lost 14 days later. A deleted queue can be created again after a minute. Not
    applicable with the setting `attachment: self-attach`.
    """

    id = "PS603"
    group = Group.OPERATIONS
    title = "both queues exist and the redrive policy is set"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Read the attributes of both queues."""
        if not context.attaches_at_sign_in:
            return not_applicable(_NO_QUEUE)
        return await asyncio.to_thread(_look_at_queues, context)


def _look_at_queues(context: Context) -> Finding:
    dead_letters, retries = (context.output(each) for each in (Output.DEAD_LETTER_QUEUE_URL, Output.RETRY_QUEUE_URL))
    for url, so in (
        (dead_letters, "an attachment that keeps failing is lost after 14 days, without an alarm"),
        (retries, "what a sign-in cannot attach in time is lost"),
    ):
        attributes = _attributes(context, url)
        wanted = _wanted(context, url)
        if attributes is None:
            return failed(
                f"The queue {_name(url)} does not exist: {so}.",
                resource=url,
                fix=AwsCommand(
                    "sqs",
                    "CreateQueue",
                    {"QueueName": _name(url), "Attributes": wanted | _only_tls(context, url)},
                    safe=True,
                ),
            )
        redrive, is_now = wanted.get("RedrivePolicy"), attributes.get("RedrivePolicy")
        if redrive and _redrive(is_now) != _redrive(redrive):
            return failed(
                f"The redrive policy of {_name(url)} is {is_now or 'missing'}, not {redrive}: an attachment that keeps "
                "failing is tried for ever, or given up too early.",
                resource=url,
                fix=AwsCommand(
                    "sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": {"RedrivePolicy": redrive}}, safe=True
                ),
            )
    return passed()


def _attributes(context: Context, url: str) -> Mapping[str, str] | None:
    """Return a queue's attributes; None if there is no such queue."""
    sqs = context.aws.queues
    try:
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    except sqs.exceptions.QueueDoesNotExist:
        return None
    return {str(name): value for name, value in attributes.items()}


def _wanted(context: Context, url: str) -> dict[str, str]:
    """Return the attributes of a queue as the template has them."""
    logical_ids = (each["LogicalResourceId"] for each in context.resources if each.get("PhysicalResourceId") == url)
    properties: Mapping[str, Any] = context.template["Resources"].get(next(logical_ids, ""), {}).get("Properties", {})
    wanted = {name: str(properties[name]).lower() for name in _ATTRIBUTES if name in properties}
    if "RedrivePolicy" in properties:
        policy = {
            "deadLetterTargetArn": _arn(context, context.output(Output.DEAD_LETTER_QUEUE_URL)),
            "maxReceiveCount": properties["RedrivePolicy"]["maxReceiveCount"],
        }
        wanted["RedrivePolicy"] = json.dumps(policy)
    return wanted


def _redrive(policy: str | None) -> tuple[str, str]:
    """Return the target and the receive count of a redrive policy; SQS takes the count as number or string."""
    values = json.loads(policy or "{}")
    return str(values.get("deadLetterTargetArn")), str(values.get("maxReceiveCount"))


def _only_tls(context: Context, url: str) -> dict[str, str]:
    """Return the policy that denies requests without TLS, as the stack's queues have it."""
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:*",
        "Resource": _arn(context, url),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


class NoDeadLetters(Check):
    """No attachment was given up.

    A warning only: the users whose attachments are among the dead letters are refused until somebody mends the cause
    and `pubsub redrive` lets the worker try again, or until they sign in or self-attach. Needless where the setting
    `attachment` is `self-attach`.
    """

    id = "PS601"
    group = Group.OPERATIONS
    title = "the dead-letter queue is empty"
    severity = Severity.WARNING
    depends_on = (OutputsAreComplete, QueuesAreThere)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Count the dead letters, those that somebody just looks at too."""
        if not context.attaches_at_sign_in:
            return not_applicable(_NO_QUEUE)
        queue_url = context.output(Output.DEAD_LETTER_QUEUE_URL)
        count = await asyncio.to_thread(messages_in, context.aws.queues, queue_url)
        if not count:
            return passed()
        return failed(
            f"{count} attachment(s) that sign-ins owed were given up: until these are made, the users are refused.",
            resource=queue_url,
            fix=[
                "See why, mend it, and have them tried again:",
                PubSubCommand(("redrive", "--stack", context.stack, "--dry-run")),
                PubSubCommand(("redrive", "--stack", context.stack, "--yes")),
            ],
        )


class WorkerIsFed(Check):
    """The retry queue's messages reach its worker.

    With its event source mapping disabled, in the console or by Lambda, what sign-ins owe waits until somebody enables
    it, and is lost after 14 days. One that does not report batch item failures loses what the worker could not attach.
    Needless where the setting `attachment` is `self-attach`.
    """

    id = "PS602"
    group = Group.OPERATIONS
    title = "the retry queue's event source is enabled"
    depends_on = (OutputsAreComplete, QueuesAreThere)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Look for an event source mapping of the queue that is enabled."""
        if not context.attaches_at_sign_in:
            return not_applicable(_NO_QUEUE)
        queue_url = context.output(Output.RETRY_QUEUE_URL)
        answer = await asyncio.to_thread(
            context.aws.functions.list_event_source_mappings, EventSourceArn=_arn(context, queue_url)
        )
        worker = next(iter(await asyncio.to_thread(context.functions_of, {Part.WORKER})), None)
        mappings = [
            each for each in answer["EventSourceMappings"] if worker and f":{worker.name}" in each["FunctionArn"]
        ]
        if not mappings:
            return failed(
                "The worker does not take the retry queue's messages: what sign-ins owe is never attached.",
                resource=queue_url,
                fix=_map(context, queue_url, worker.name) if worker else RESTORE,
            )
        stopped = [each for each in mappings if each["State"] in {"Disabled", "Disabling"}]
        if stopped == mappings:
            return failed(
                "The event source mapping of the retry queue is disabled: what sign-ins owe is not attached.",
                resource=mappings[0]["UUID"],
                fix=AwsCommand(
                    "lambda", "UpdateEventSourceMapping", {"UUID": mappings[0]["UUID"], "Enabled": True}, safe=True
                ),
            )
        running = next(each for each in mappings if each not in stopped)
        if _REPORTS_FAILURES not in running.get("FunctionResponseTypes", []):
            return failed(
                "The event source mapping of the retry queue does not report batch item failures: SQS deletes a "
                "message whose attachment failed as if it were done.",
                resource=running["UUID"],
                fix=AwsCommand(
                    "lambda",
                    "UpdateEventSourceMapping",
                    {"UUID": running["UUID"], "FunctionResponseTypes": [_REPORTS_FAILURES]},
                    safe=True,
                ),
            )
        return passed(running["State"].lower())


def _map(context: Context, queue_url: str, worker: str) -> AwsCommand:
    """Return the command that maps the queue to its worker as the template does."""
    scalings = (
        each["Properties"].get("ScalingConfig")
        for each in context.template["Resources"].values()
        if each["Type"] == "AWS::Lambda::EventSourceMapping"
    )
    scaling = next(filter(None, scalings), {"MaximumConcurrency": 2})
    return AwsCommand(
        "lambda",
        "CreateEventSourceMapping",
        {
            "EventSourceArn": _arn(context, queue_url),
            "FunctionName": worker,
            "FunctionResponseTypes": [_REPORTS_FAILURES],
            "ScalingConfig": scaling,
        },
        safe=True,
    )


def _arn(context: Context, queue_url: str) -> str:
    """Return the ARN of one of the stack's queues, which is of the account of its roles."""
    return f"{arn_prefix(context, 'sqs')}:{_name(queue_url)}"


def _name(queue_url: str) -> str:
    return queue_url.rpartition("/")[2]
