"""Do the retry queue, its event source and the dead-letter queue work?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pubsub_cli.checks.check import Check, Group, Severity
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import Function
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.stack_resources import RESTORE, arn_prefix, template_properties
from pubsub_cli.finding import AwsCommand, Finding, PubSubCommand, failed, not_applicable, passed
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_NO_QUEUE = "attachment is self-attach: there is no retry queue"
_ATTRIBUTES = ("MessageRetentionPeriod", "SqsManagedSseEnabled", "VisibilityTimeout")
"""By their names in CloudFormation; SQS takes numbers and booleans as strings."""
_REPORTS_FAILURES = "ReportBatchItemFailures"


def messages_in(sqs: SQSClient, queue_url: str) -> int:
    """Return about how many messages a queue holds, including delayed ones and those in flight.

    Raises:
        botocore.exceptions.ClientError: GetQueueAttributes failed.
    """
    answer = sqs.get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(int(count) for count in answer["Attributes"].values())


class QueuesExist(Check):
    """The retry queue and the dead-letter queue exist, and the redrive policy connects them.

    The trigger sends attachments that it cannot complete in time to the retry queue. Without the queue they are lost;
    without the redrive policy they are lost after 14 days. A deleted queue can be created again after a minute. Not
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
        return await asyncio.to_thread(_check_queues, context)


def _check_queues(context: Context) -> Finding:
    impacts = {
        Output.DEAD_LETTER_QUEUE_URL: "an attachment that keeps failing is lost after 14 days, without an alarm",
        Output.RETRY_QUEUE_URL: "attachments that a sign-in cannot complete in time are lost",
    }
    for output, impact in impacts.items():
        url = context.output(output)
        deployed, attributes = _deployed_attributes(context, url), _attributes(context, url)
        if attributes is None:
            create = {"QueueName": _name(url), "Attributes": deployed | _tls_policy(context, url)}
            return failed(
                f"The queue {_name(url)} does not exist: {impact}.",
                resource=url,
                fix=AwsCommand("sqs", "CreateQueue", create, safe=True),
            )
        redrive, current = deployed.get("RedrivePolicy"), attributes.get("RedrivePolicy")
        if redrive and _redrive(current) != _redrive(redrive):
            parameters = {"QueueUrl": url, "Attributes": {"RedrivePolicy": redrive}}
            return failed(
                f"The redrive policy of {_name(url)} is {current or 'missing'}, not {redrive}: a failing attachment is "
                "retried without end, or moved to the dead-letter queue too early.",
                resource=url,
                fix=AwsCommand("sqs", "SetQueueAttributes", parameters, safe=True),
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


def _deployed_attributes(context: Context, url: str) -> dict[str, str]:
    """Return the attributes of a queue in the template."""
    properties = template_properties(context, url)
    deployed = {name: str(properties[name]).lower() for name in _ATTRIBUTES if name in properties}
    if "RedrivePolicy" in properties:
        policy: Mapping[str, Any] = {
            "deadLetterTargetArn": _arn(context, context.output(Output.DEAD_LETTER_QUEUE_URL)),
            "maxReceiveCount": properties["RedrivePolicy"]["maxReceiveCount"],
        }
        deployed["RedrivePolicy"] = json.dumps(policy)
    return deployed


def _redrive(policy: str | None) -> tuple[str, str]:
    """Return the target and the receive count of a redrive policy; SQS takes the count as number or string."""
    values = json.loads(policy or "{}")
    return str(values.get("deadLetterTargetArn")), str(values.get("maxReceiveCount"))


def _tls_policy(context: Context, url: str) -> dict[str, str]:
    """Return the policy that denies requests without TLS, as the stack deploys it."""
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:*",
        "Resource": _arn(context, url),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


class NoDeadLetters(Check):
    """No attachment was moved to the dead-letter queue.

    A warning only. The users of these attachments are refused until you fix the cause and run `pubsub redrive`,
    or until they sign in or self-attach. Not applicable with the setting `attachment: self-attach`.
    """

    id = "PS601"
    group = Group.OPERATIONS
    title = "the dead-letter queue is empty"
    severity = Severity.WARNING
    depends_on = (OutputsAreComplete, QueuesExist)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Count the dead letters, including those in flight."""
        if not context.attaches_at_sign_in:
            return not_applicable(_NO_QUEUE)
        queue_url = context.output(Output.DEAD_LETTER_QUEUE_URL)
        count = await asyncio.to_thread(messages_in, context.aws.queues, queue_url)
        if not count:
            return passed()
        return failed(
            f"{count} attachment(s) were moved to the dead-letter queue: their users are refused.",
            resource=queue_url,
            fix=[
                "Show the reasons, fix them, and retry:",
                PubSubCommand(("redrive", "--stack", context.stack, "--dry-run")),
                PubSubCommand(("redrive", "--stack", context.stack, "--yes")),
            ],
        )


class EventSourceIsEnabled(Check):
    """The retry queue's event source mapping invokes the worker.

    If the mapping is disabled, in the console or by Lambda, pending attachments wait, and are lost after 14 days. If it
    does not report batch item failures, failed attachments are lost. Not applicable with the setting `attachment:
    self-attach`.
    """

    id = "PS602"
    group = Group.OPERATIONS
    title = "the retry queue's event source is enabled"
    depends_on = (OutputsAreComplete, QueuesExist)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """List the event source mappings of the queue."""
        if not context.attaches_at_sign_in:
            return not_applicable(_NO_QUEUE)
        return await asyncio.to_thread(_check_mappings, context)


def _check_mappings(context: Context) -> Finding:
    queue_url = context.output(Output.RETRY_QUEUE_URL)
    listed = context.aws.functions.list_event_source_mappings(EventSourceArn=_arn(context, queue_url))
    worker = next(iter(context.functions_of({Function.WORKER})), None)
    mappings = [each for each in listed["EventSourceMappings"] if worker and f":{worker.name}" in each["FunctionArn"]]
    if not mappings:
        return failed(
            "No event source mapping invokes the worker for the retry queue: pending attachments are never completed.",
            resource=queue_url,
            fix=_create_mapping(context, queue_url, worker.name) if worker else RESTORE,
        )
    enabled = next((each for each in mappings if each["State"] not in {"Disabled", "Disabling"}), None)
    mapping_id = (enabled or mappings[0])["UUID"]
    if enabled is None:
        return failed(
            "The event source mapping of the retry queue is disabled: pending attachments are not completed.",
            resource=mapping_id,
            fix=AwsCommand("lambda", "UpdateEventSourceMapping", {"UUID": mapping_id, "Enabled": True}, safe=True),
        )
    if _REPORTS_FAILURES not in enabled.get("FunctionResponseTypes", []):
        parameters = {"UUID": mapping_id, "FunctionResponseTypes": [_REPORTS_FAILURES]}
        return failed(
            "The event source mapping of the retry queue does not report batch item failures: SQS deletes the message "
            "of a failed attachment.",
            resource=mapping_id,
            fix=AwsCommand("lambda", "UpdateEventSourceMapping", parameters, safe=True),
        )
    return passed(enabled["State"].lower())


def _create_mapping(context: Context, queue_url: str, worker: str) -> AwsCommand:
    """Return the command that creates the mapping as in the template."""
    scalings = (
        each["Properties"].get("ScalingConfig")
        for each in context.template["Resources"].values()
        if each["Type"] == "AWS::Lambda::EventSourceMapping"
    )
    parameters = {
        "EventSourceArn": _arn(context, queue_url),
        "FunctionName": worker,
        "FunctionResponseTypes": [_REPORTS_FAILURES],
        "ScalingConfig": next(filter(None, scalings), {"MaximumConcurrency": 2}),
    }
    return AwsCommand("lambda", "CreateEventSourceMapping", parameters, safe=True)


def _arn(context: Context, queue_url: str) -> str:
    return f"{arn_prefix(context, 'sqs')}:{_name(queue_url)}"


def _name(queue_url: str) -> str:
    return queue_url.rpartition("/")[2]
