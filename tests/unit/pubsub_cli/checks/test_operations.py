"""Queues, event source, state machines and schedules that are missing, changed or disabled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pubsub_cli.checks.operations import (
    EventSourceIsEnabled,
    NoDeadLetters,
    QueuesExist,
    SchedulesAreEnabled,
    StateMachinesAreActive,
)
from pubsub_cli.finding import AwsCommand, Finding, Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.stubbed_aws import OUTPUTS, StubbedAws, error, run_check, stack

ARN_PREFIX = "arn:aws:sqs:eu-west-1:123456789012:"
RETRY, DEAD_LETTERS = (f"https://sqs.eu-west-1.amazonaws.com/123456789012/{name}" for name in ("retry", "dead"))
MAPPING_ID = "00000000-0000-4000-8000-000000000000"
SWEEP = "arn:aws:states:eu-west-1:123456789012:stateMachine:sweep"
WITH_QUEUES = {**OUTPUTS, Output.RETRY_QUEUE_URL: RETRY, Output.DEAD_LETTER_QUEUE_URL: DEAD_LETTERS}
DETACH_ALL = "arn:aws:states:eu-west-1:123456789012:stateMachine:detach-all"
WITH_SWEEP = {**OUTPUTS, Output.SWEEP_STATE_MACHINE_ARN: SWEEP, Output.DETACH_ALL_STATE_MACHINE_ARN: DETACH_ALL}
REDRIVE = json.dumps({"deadLetterTargetArn": f"{ARN_PREFIX}dead", "maxReceiveCount": 5})


def parameters(finding: Finding) -> Any:
    (command,) = finding.safe_commands
    assert isinstance(command, AwsCommand)
    return command.parameters


async def check_queues(queues: dict[str, dict[str, str]]) -> Finding:
    """Run the check where these queues exist, by URL with their attributes."""
    answers = stack(resources={RETRY: "AWS::SQS::Queue", DEAD_LETTERS: "AWS::SQS::Queue"})
    template: Any = answers["GetTemplate"]
    template["TemplateBody"]["Resources"][RETRY]["Properties"] = {
        "MessageRetentionPeriod": 1209600,
        "SqsManagedSseEnabled": True,
        "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 5},
    }

    def attributes(asked: dict[str, Any]) -> dict[str, Any]:
        queue = queues.get(asked["QueueUrl"])
        return error("QueueDoesNotExist") if queue is None else {"Attributes": queue}

    return await run_check(QueuesExist, StubbedAws(**answers, GetQueueAttributes=attributes), outputs=WITH_QUEUES)


async def test_queues_as_deployed_pass() -> None:
    # SQS returns the count as a string if it was set as one.
    redrive = REDRIVE.replace(": 5}", ': "5"}')
    assert (await check_queues({RETRY: {"RedrivePolicy": redrive}, DEAD_LETTERS: {}})).status is Status.PASSED


async def test_deleted_queue_is_created_as_in_the_template() -> None:
    finding = await check_queues({DEAD_LETTERS: {}})
    assert "The queue retry does not exist" in str(finding.cause)
    created = parameters(finding)
    policy = json.loads(created["Attributes"].pop("Policy"))
    assert created == {
        "QueueName": "retry",
        "Attributes": {"MessageRetentionPeriod": "1209600", "SqsManagedSseEnabled": "true", "RedrivePolicy": REDRIVE},
    }
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


@pytest.mark.parametrize("current", [{}, {"RedrivePolicy": REDRIVE.replace(": 5}", ": 1}")}])
async def test_changed_redrive_policy_is_restored(current: dict[str, str]) -> None:
    finding = await check_queues({RETRY: current, DEAD_LETTERS: {}})
    assert "The redrive policy of retry is" in str(finding.cause)
    assert parameters(finding) == {"QueueUrl": RETRY, "Attributes": {"RedrivePolicy": REDRIVE}}


@pytest.mark.parametrize(("in_flight", "status"), [("0", Status.PASSED), ("2", Status.FAILED)])
async def test_dead_letters_are_counted_with_those_in_flight(in_flight: str, status: Status) -> None:
    counts = {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": in_flight}
    finding = await run_check(NoDeadLetters, StubbedAws(GetQueueAttributes={"Attributes": counts}), outputs=WITH_QUEUES)
    assert finding.status is status
    assert status is Status.PASSED or "pubsub redrive --stack stack --dry-run" in str(finding.fix)


async def check_event_source(*mappings: dict[str, Any], worker: str = "Worker") -> Finding:
    """Run the check where the retry queue has these event source mappings."""
    answers = stack(
        {worker: "attachment_retry.handler"} if worker else {}, {"Mapping": "AWS::Lambda::EventSourceMapping"}
    )
    template: Any = answers["GetTemplate"]
    template["TemplateBody"]["Resources"]["Mapping"]["Properties"] = {"ScalingConfig": {"MaximumConcurrency": 3}}
    listed = {
        "EventSourceMappings": [
            {"UUID": MAPPING_ID, "FunctionArn": f"{ARN_PREFIX}:Worker", **each} for each in mappings
        ]
    }
    return await run_check(
        EventSourceIsEnabled, StubbedAws(**answers, ListEventSourceMappings=listed), outputs=WITH_QUEUES
    )


@pytest.mark.parametrize(
    ("mapping", "fix"),
    [
        ({"State": "Enabled", "FunctionResponseTypes": ["ReportBatchItemFailures"]}, None),
        ({"State": "Disabled"}, {"UUID": MAPPING_ID, "Enabled": True}),
        ({"State": "Enabled"}, {"UUID": MAPPING_ID, "FunctionResponseTypes": ["ReportBatchItemFailures"]}),
    ],
)
async def test_event_source_is_enabled_and_reports_failures(mapping: dict[str, Any], fix: Any) -> None:
    finding = await check_event_source(mapping)
    assert finding.status is (Status.FAILED if fix else Status.PASSED)
    assert not fix or parameters(finding) == fix


async def test_missing_event_source_is_created_as_in_the_template() -> None:
    assert parameters(await check_event_source()) == {
        "EventSourceArn": f"{ARN_PREFIX}retry",
        "FunctionName": "Worker",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 3},
    }
    assert "cdk deploy --revert-drift" in str((await check_event_source(worker="")).fix)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (error("StateMachineDoesNotExist"), "was deleted"),
        ({"status": "DELETING"}, "is DELETING"),
        ({"status": "ACTIVE"}, None),
    ],
)
async def test_state_machine_must_be_active(answer: dict[str, Any], cause: str | None) -> None:
    finding = await run_check(StateMachinesAreActive, StubbedAws(DescribeStateMachine=answer), outputs=WITH_SWEEP)
    assert finding.status is (Status.FAILED if cause else Status.PASSED)
    if cause:
        assert cause in str(finding.cause)
        assert finding.resource == SWEEP
        assert "cdk deploy --revert-drift" in str(finding.fix)


async def check_schedules(rules: dict[str, Any], *targets: str) -> Finding:
    """Run the check where the rules are in these states and have these targets."""
    resources = {**dict.fromkeys(rules, "AWS::Events::Rule"), "SweepStarter": "AWS::IAM::Role"}
    aws = StubbedAws(
        **stack(
            {"Detector": "drift_detector.handler"} if len(rules) > 1 else {}, resources, FunctionArn="arn:detector"
        ),
        DescribeRule=lambda asked: rules[asked["Name"]],
        ListTargetsByRule={"Targets": [{"Id": "Target0", "Arn": arn} for arn in targets]},
    )
    return await run_check(SchedulesAreEnabled, aws, outputs=WITH_SWEEP)


ENABLED, DISABLED = {"State": "ENABLED"}, {"State": "DISABLED"}


async def test_deleted_schedule_is_restored() -> None:
    for finding in (
        await check_schedules({"SweepSchedule": error("ResourceNotFoundException")}),
        await check_schedules({}),
    ):
        assert finding.status is Status.FAILED
        assert "cdk deploy --revert-drift" in str(finding.fix)


async def test_disabled_schedule_is_enabled_also_of_the_drift_detector() -> None:
    assert (await check_schedules({"SweepSchedule": ENABLED}, SWEEP)).status is Status.PASSED
    assert parameters(await check_schedules({"SweepSchedule": DISABLED})) == {"Name": "SweepSchedule"}
    rules = {"SweepSchedule": ENABLED, "DriftDetectorSchedule": DISABLED}
    assert parameters(await check_schedules(rules, SWEEP)) == {"Name": "DriftDetectorSchedule"}


async def test_schedule_without_its_target_gets_it_back() -> None:
    assert parameters(await check_schedules({"SweepSchedule": ENABLED}, "arn:other")) == {
        "Rule": "SweepSchedule",
        "Targets": [{"Id": "Target0", "Arn": SWEEP, "RoleArn": "arn:aws:iam::123456789012:role/SweepStarter"}],
    }
    rules = {"SweepSchedule": ENABLED, "DriftDetectorSchedule": ENABLED}
    (target,) = parameters(await check_schedules(rules, SWEEP))["Targets"]
    assert target == {"Id": "Target0", "Arn": "arn:detector"}
