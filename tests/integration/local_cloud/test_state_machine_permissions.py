from __future__ import annotations

import json
import re
from typing import Any

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import ECHO, make_function, make_role, unique
from tests.integration.local_cloud.state_machine import invoke, make_state_machine, outcome, start, wait_until

OTHER = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:*:*:function:other"}


def test_task_fails_if_the_role_may_not_invoke_its_function(cloud: LocalCloud) -> None:
    function_arn = make_function(cloud, ECHO)
    ended = outcome(cloud, start(cloud, make_state_machine(cloud, invoke(function_arn), OTHER)))
    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.AWSLambdaException")
    denied = f"is not authorized to perform: lambda:InvokeFunction on resource: {function_arn} because"
    assert re.match(rf"User: arn:aws:sts::\d+:assumed-role/role-\w+/[\w-]+ {re.escape(denied)}", ended["cause"])


def inputs(cloud: LocalCloud, machine_arn: str) -> list[str]:
    """Return what the executions of a state machine were started with."""
    stepfunctions = cloud.client("stepfunctions")
    listed = stepfunctions.list_executions(stateMachineArn=machine_arn)["executions"]
    return [stepfunctions.describe_execution(executionArn=each["executionArn"])["input"] for each in listed]


def start_execution(machine_arn: str) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution",
        "Parameters": {"StateMachineArn": machine_arn, "Input": {}},
        "End": True,
    }


def test_task_fails_if_the_role_may_not_start_its_execution(cloud: LocalCloud) -> None:
    other = make_state_machine(cloud, {"Type": "Succeed"}, OTHER)
    ended = outcome(cloud, start(cloud, make_state_machine(cloud, start_execution(other), OTHER)))
    assert (ended["status"], ended["error"]) == ("FAILED", "StepFunctions.AWSStepFunctionsException")
    assert inputs(cloud, other) == []


def test_task_starts_an_execution_that_the_role_may_start(cloud: LocalCloud) -> None:
    other = make_state_machine(cloud, {"Type": "Succeed"}, OTHER)
    allow = {"Effect": "Allow", "Action": "states:StartExecution", "Resource": other}
    assert (
        outcome(cloud, start(cloud, make_state_machine(cloud, start_execution(other), allow)))["status"] == "SUCCEEDED"
    )
    assert inputs(cloud, other) == ["{}"]


def test_rule_starts_what_its_role_may_start(cloud: LocalCloud) -> None:
    forbidden, permitted = (make_state_machine(cloud, {"Type": "Succeed"}, OTHER) for _ in range(2))
    allow = {"Effect": "Allow", "Action": "states:StartExecution", "Resource": permitted}
    role = make_role(cloud, allow, trusts={"Service": "events.amazonaws.com"})
    events, name = cloud.client("events"), unique("rule")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    target = {"RoleArn": role, "Input": '{"full": true}'}
    events.put_targets(
        Rule=name, Targets=[{"Id": "1", "Arn": forbidden, **target}, {"Id": "2", "Arn": permitted, **target}]
    )
    events.put_events(Entries=[{"Source": name, "DetailType": "test", "Detail": "{}"}])
    wait_until(lambda: inputs(cloud, permitted) == ['{"full": true}'])
    assert inputs(cloud, forbidden) == []
