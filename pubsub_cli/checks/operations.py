"""Checks of operations: queues, event source, state machines and schedules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pubsub_cli.checks.check import BlockingCheck, Group, Severity
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.finding import AwsCommand, Finding, Fix, PubSubCommand, failed, passed
from pubsub_cli.stack import DRIFT_SCHEDULE, RESTORE, SWEEP_SCHEDULE, SWEEP_SCHEDULE_ROLE, Function
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_ATTRIBUTES = ("MessageRetentionPeriod", "SqsManagedSseEnabled", "VisibilityTimeout")
"""By their names in CloudFormation. SQS accepts numbers and booleans as strings."""
_REPORTS_FAILURES = "ReportBatchItemFailures"

_STATE_MACHINES = {
    Output.SWEEP_STATE_MACHINE_ARN: "missed users stay without the policy",
    Output.DETACH_ALL_STATE_MACHINE_ARN: "`pubsub detach --all` and the deletion of the stack fail",
}
"""The outputs with the state machines, and what does not work without them."""


def messages_in(sqs: SQSClient, queue_url: str) -> int:
    """Return the approximate number of messages in a queue, including those in flight."""
    answer = sqs.get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(int(count) for count in answer["Attributes"].values())


def redrive_commands(context: Context) -> list[PubSubCommand]:
    """Return the commands that show the dead letters and retry them."""
    return [PubSubCommand(("redrive", "--stack", context.stack, option)) for option in ("--dry-run", "--yes")]


class QueuesExist(BlockingCheck):
    """Unfinished attachments go to the retry queue, and after several failures to the dead-letter queue. Without queue
    or redrive policy they are lost. You can create a deleted queue again after one minute.
    """

    id = "PS603"
    group = Group.OPERATIONS
    title = "both queues exist and the redrive policy is set"
    depends_on = (OutputsAreComplete,)
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        impacts = {
            Output.DEAD_LETTER_QUEUE_URL: "an attachment that keeps failing is lost after 14 days, without an alarm",
            Output.RETRY_QUEUE_URL: "attachments that a sign-in cannot complete in time are lost",
        }
        for output, impact in impacts.items():
            url = context.output(output)
            deployed, attributes = _deployed_attributes(context, url), _attributes(context, url)
            if attributes is None:
                create = {"QueueName": _queue_name(url), "Attributes": deployed | _tls_policy(context, url)}
                return failed(
                    f"The queue {_queue_name(url)} does not exist: {impact}.",
                    resource=url,
                    fix=AwsCommand("sqs", "CreateQueue", create, safe=True),
                )
            redrive, current = deployed.get("RedrivePolicy"), attributes.get("RedrivePolicy")
            if redrive and _redrive(current) != _redrive(redrive):
                parameters = {"QueueUrl": url, "Attributes": {"RedrivePolicy": redrive}}
                return failed(
                    f"The redrive policy of {_queue_name(url)} is {current or 'missing'}, not {redrive}: a failing "
                    "attachment is retried without end, or moved to the dead-letter queue too early.",
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
    properties = context.template_properties(url)
    deployed = {name: str(properties[name]).lower() for name in _ATTRIBUTES if name in properties}
    if "RedrivePolicy" in properties:
        policy: Mapping[str, Any] = {
            "deadLetterTargetArn": _queue_arn(context, context.output(Output.DEAD_LETTER_QUEUE_URL)),
            "maxReceiveCount": properties["RedrivePolicy"]["maxReceiveCount"],
        }
        deployed["RedrivePolicy"] = json.dumps(policy)
    return deployed


def _redrive(policy: str | None) -> tuple[str, str]:
    """Return the target and the receive count of a redrive policy. SQS returns the count as number or string."""
    values = json.loads(policy or "{}")
    return str(values.get("deadLetterTargetArn")), str(values.get("maxReceiveCount"))


def _tls_policy(context: Context, url: str) -> dict[str, str]:
    """Return the policy that denies requests without TLS, as the stack deploys it."""
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:*",
        "Resource": _queue_arn(context, url),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


class NoDeadLetters(BlockingCheck):
    """Users of these attachments are refused until you fix the cause and run `pubsub redrive`, or until they sign in
    again or self-attach.
    """

    id = "PS601"
    group = Group.OPERATIONS
    title = "the dead-letter queue is empty"
    severity = Severity.WARNING
    depends_on = (OutputsAreComplete, QueuesExist)
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        queue_url = context.output(Output.DEAD_LETTER_QUEUE_URL)
        count = messages_in(context.aws.queues, queue_url)
        if not count:
            return passed()
        return failed(
            f"{count} attachment(s) were moved to the dead-letter queue: their users are refused.",
            resource=queue_url,
            fix=["Show the reasons, fix them, and retry:", *redrive_commands(context)],
        )


class EventSourceIsEnabled(BlockingCheck):
    """The event source mapping invokes the worker. If it is disabled, pending attachments are lost after 14 days. If it
    does not report batch item failures, failed attachments are lost.
    """

    id = "PS602"
    group = Group.OPERATIONS
    title = "the retry queue's event source is enabled"
    depends_on = (OutputsAreComplete, QueuesExist)
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        queue_url = context.output(Output.RETRY_QUEUE_URL)
        listed = context.aws.functions.list_event_source_mappings(EventSourceArn=_queue_arn(context, queue_url))
        worker = next(iter(context.functions_of({Function.WORKER})), None)
        mappings = [
            each for each in listed["EventSourceMappings"] if worker and f":{worker.name}" in each["FunctionArn"]
        ]
        if not mappings:
            return failed(
                "No event source mapping invokes the worker for the retry queue: pending attachments are never "
                "completed.",
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
                "The event source mapping of the retry queue does not report batch item failures: SQS deletes the "
                "message of a failed attachment.",
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
        "EventSourceArn": _queue_arn(context, queue_url),
        "FunctionName": worker,
        "FunctionResponseTypes": [_REPORTS_FAILURES],
        "ScalingConfig": next(filter(None, scalings), {"MaximumConcurrency": 2}),
    }
    return AwsCommand("lambda", "CreateEventSourceMapping", parameters, safe=True)


def _queue_arn(context: Context, queue_url: str) -> str:
    return f"{context.arn_prefix('sqs')}:{_queue_name(queue_url)}"


def _queue_name(queue_url: str) -> str:
    return queue_url.rpartition("/")[2]


class StateMachinesAreActive(BlockingCheck):
    """Without the sweep, missed users stay without the policy. Without the bulk detachment, `pubsub detach --all` and
    the deletion of the stack fail.
    """

    id = "PS604"
    group = Group.OPERATIONS
    title = "the state machines are active"
    depends_on = (OutputsAreComplete,)

    def examine(self, context: Context) -> Finding:
        client, names = context.aws.state_machines, []
        for output, impact in _STATE_MACHINES.items():
            arn = context.output(output)
            try:
                state = f"is {client.describe_state_machine(stateMachineArn=arn)['status']}"
            except client.exceptions.StateMachineDoesNotExist:
                state = "was deleted"
            if state != "is ACTIVE":
                return failed(f"The state machine {_name(arn)} {state}: {impact}.", resource=arn, fix=RESTORE)
            names.append(_name(arn))
        return passed(", ".join(names))


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


class SchedulesAreEnabled(BlockingCheck):
    """Once a day the sweep attaches the policy to identities without it, such as those from before the deployment. In
    stacks that adopt pools, the check includes the schedule of the drift detector.
    """

    id = "PS605"
    group = Group.OPERATIONS
    title = "the sweep's schedule is enabled"
    depends_on = (OutputsAreComplete, StateMachinesAreActive)

    def examine(self, context: Context) -> Finding:
        rules = {SWEEP_SCHEDULE: context.output(Output.SWEEP_STATE_MACHINE_ARN)}
        if detector := next(iter(context.functions_of({Function.DRIFT_DETECTOR})), None):
            rules[DRIFT_SCHEDULE] = detector.arn
        schedules = []
        for resource, target in rules.items():
            rule = context.find_resource(resource)
            if rule is None:
                return failed(f"The stack has no rule {resource.construct_id}.", resource=context.stack, fix=RESTORE)
            name = rule.rpartition("/")[2]
            if wrong := _wrong_rule(context, name, target):
                what, fix = wrong
                return failed(f"The rule {name} {what}.", resource=name, fix=fix)
            schedules.append(name)
        return passed(", ".join(schedules))


def _wrong_rule(context: Context, name: str, target: str) -> tuple[str, Fix] | None:
    """Return what is wrong with a rule, as the end of a sentence, and the fix; None if it starts its target."""
    events = context.aws.events
    impact = f"{_name(target)} does not start automatically"
    try:
        rule = events.describe_rule(Name=name)
    except events.exceptions.ResourceNotFoundException:
        return f"was deleted: {impact}", RESTORE
    if rule["State"] == "DISABLED":
        return f"is disabled: {impact}", AwsCommand("events", "EnableRule", {"Name": name}, safe=True)
    if target in [each["Arn"] for each in events.list_targets_by_rule(Rule=name)["Targets"]]:
        return None
    role = context.find_resource(SWEEP_SCHEDULE_ROLE)
    # ARNs of IAM have no region.
    starter = {"RoleArn": f"{context.arn_prefix('iam').replace(context.output(Output.REGION), '')}:role/{role}"}
    started = {"Id": "Target0", "Arn": target, **(starter if ":stateMachine:" in target else {})}
    put = AwsCommand("events", "PutTargets", {"Rule": name, "Targets": [started]}, safe=True)
    return f"does not start {_name(target)}", put
