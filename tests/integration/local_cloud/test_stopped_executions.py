from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.local_cloud.account import make_function
from tests.integration.local_cloud.state_machine import events, invoke, make_state_machine, start, wait_until

if TYPE_CHECKING:
    from local_cloud.process import LocalCloud

ALLOW = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}
RETRY = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 5}]


@pytest.mark.parametrize("ending", ["return {}", "raise ValueError"])
def test_a_stopped_execution_takes_no_step_when_its_task_ends(cloud: LocalCloud, ending: str) -> None:
    source = f"import time\ndef handler(event, context):\n    time.sleep(0.6)\n    {ending}"
    machine_arn = make_state_machine(cloud, invoke(make_function(cloud, source), Retry=RETRY), ALLOW)
    execution_arn = start(cloud, machine_arn)
    wait_until(lambda: "TaskScheduled" in events(cloud, execution_arn))
    stepfunctions = cloud.client("stepfunctions")
    stepfunctions.stop_execution(executionArn=execution_arn)
    time.sleep(1.2)
    assert events(cloud, execution_arn)[-1] == "ExecutionAborted"
    assert stepfunctions.describe_execution(executionArn=execution_arn)["status"] == "ABORTED"
