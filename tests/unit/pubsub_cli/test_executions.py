from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from pubsub_cli.finding import OperationError
from pubsub_cli.operations.executions import StateMachine

_MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:sweep"
_EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:sweep:1"
_TIMES: dict[str, Any] = {"executionArn": _EXECUTION, "stateMachineArn": _MACHINE, "startDate": 0}


class Machine:
    """A state machine with a fake clock."""

    def __init__(self) -> None:
        states = boto3.client(
            "stepfunctions", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        self.stub = Stubber(states)
        self.stub.activate()
        self.now = 0.0
        self.machine = StateMachine(states, _MACHINE, clock=lambda: self.now, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def is_not_found(self, times: int) -> None:
        for _ in range(times):
            self.stub.add_client_error("describe_execution", "ExecutionDoesNotExist")

    def succeeds(self) -> None:
        output = json.dumps({"checkpoint": {"listed": 3}})
        self.stub.add_response("describe_execution", {**_TIMES, "status": "SUCCEEDED", "output": output})


def test_follow_waits_for_an_execution_just_started() -> None:
    states = Machine()
    states.is_not_found(5)
    states.succeeds()
    (execution,) = states.machine.follow(_EXECUTION)
    assert (execution.status, execution.progress) == ("SUCCEEDED", {"listed": 3})


def test_follow_reports_a_missing_execution_after_half_a_minute() -> None:
    states = Machine()
    states.is_not_found(40)
    with pytest.raises(OperationError, match="The execution does not exist any more"):
        list(states.machine.follow(_EXECUTION))
    assert states.now == 30
