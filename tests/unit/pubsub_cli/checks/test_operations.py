"""Missing or inactive state machines and schedules."""

from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.operations import SchedulesAreEnabled, StateMachinesAreActive
from pubsub_cli.finding import Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.answers import OUTPUTS, Answers, error, find, stack

SWEEP = "arn:aws:states:eu-west-1:123456789012:stateMachine:sweep"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [(error("StateMachineDoesNotExist"), "was deleted"), ({"status": "DELETING"}, "is DELETING")],
)
async def test_state_machine_that_is_not_active_fails(answer: dict[str, Any], cause: str) -> None:
    outputs = {**OUTPUTS, Output.SWEEP_STATE_MACHINE_ARN: SWEEP}
    finding = await find(StateMachinesAreActive, Answers(DescribeStateMachine=answer), outputs=outputs)
    assert finding.status is Status.FAILED
    assert cause in str(finding.cause)
    assert finding.resource == SWEEP
    assert "cdk deploy --revert-drift" in str(finding.fix)


async def test_deleted_schedule_is_restored() -> None:
    aws = Answers(
        **stack(resources={"SweepSchedule": "AWS::Events::Rule"}), DescribeRule=error("ResourceNotFoundException")
    )
    finding = await find(SchedulesAreEnabled, aws, outputs={**OUTPUTS, Output.SWEEP_STATE_MACHINE_ARN: SWEEP})
    assert finding.status is Status.FAILED
    assert "The rule SweepSchedule was deleted" in str(finding.cause)
    assert "cdk deploy --revert-drift" in str(finding.fix)


async def test_schedule_of_the_drift_detector_is_checked_too() -> None:
    rules = {"SweepSchedule": "AWS::Events::Rule", "DriftDetectorSchedule": "AWS::Events::Rule"}
    aws = Answers(
        **stack({"Watch": "drift_detector.handler"}, rules, FunctionArn="arn:watch"),
        DescribeRule=lambda asked: {"State": "DISABLED" if asked["Name"] == "DriftDetectorSchedule" else "ENABLED"},
        ListTargetsByRule={"Targets": [{"Id": "Target0", "Arn": SWEEP}]},
    )
    finding = await find(SchedulesAreEnabled, aws, outputs={**OUTPUTS, Output.SWEEP_STATE_MACHINE_ARN: SWEEP})
    assert finding.status is Status.FAILED
    assert finding.resource == "DriftDetectorSchedule"
