from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.stub import Stubber

from tests.unit.lambdas.conftest import Load

_MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:sweep"
_EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:sweep:"


def test_a_listed_execution_that_cannot_be_found_is_passed_over(load: Load) -> None:
    sweeps = load("bulk.sweeps")
    client = boto3.client("stepfunctions", region_name="eu-west-1")
    listed = [
        {
            "executionArn": _EXECUTION + name,
            "stateMachineArn": _MACHINE,
            "name": name,
            "status": status,
            "startDate": at,
        }
        for name, status, at in (("newest", "SUCCEEDED", 3), ("aborted", "ABORTED", 2), ("oldest", "SUCCEEDED", 1))
    ]
    progress = sweeps.Sweep(1000.0, "pool", last_full=1000.0, ended=sweeps.SWEPT).as_progress()
    oldest: dict[str, Any] = {
        "executionArn": _EXECUTION + "oldest",
        "stateMachineArn": _MACHINE,
        "startDate": 1,
        "status": "SUCCEEDED",
        "input": "{}",
        "output": json.dumps({"checkpoint": progress}),
    }
    with Stubber(client) as states:
        states.add_response("list_executions", {"executions": listed})
        states.add_client_error("describe_execution", "ExecutionDoesNotExist")
        states.add_client_error("describe_execution", "ExecutionDoesNotExist")
        states.add_response("describe_execution", oldest)
        before = sweeps.SweepsBefore(client, _MACHINE, _EXECUTION + "own")
        planned = before.plan(now=2000.0, of="pool", full=False, dry_run=False, full_every_days=7)
    assert planned.changed_since == 1000.0 - 3600
