"""State machines for the tests of the local cloud."""

from __future__ import annotations

import json
from typing import Any

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import make_role, unique, wait_until


def invoke(function_arn: str, **fields: Any) -> dict[str, Any]:
    """Return the task that invokes a function and ends."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function_arn, "Payload.$": "$"},
        "End": True,
        **fields,
    }


def make_state_machine(cloud: LocalCloud, state: dict[str, Any], *statements: dict[str, Any]) -> str:
    """Create a state machine of one state, with a role of these statements, and return its ARN."""
    role = make_role(cloud, *statements, trusts={"Service": "states.amazonaws.com"})
    machine = cloud.client("stepfunctions").create_state_machine(
        name=unique("machine"), definition=json.dumps({"StartAt": "Only", "States": {"Only": state}}), roleArn=role
    )
    return str(machine["stateMachineArn"])


def start(cloud: LocalCloud, machine_arn: str, given: dict[str, Any] | None = None) -> str:
    """Start an execution and return its ARN."""
    started = cloud.client("stepfunctions").start_execution(stateMachineArn=machine_arn, input=json.dumps(given or {}))
    return str(started["executionArn"])


def events(cloud: LocalCloud, execution_arn: str) -> list[str]:
    """Return the types of an execution's events."""
    history = cloud.client("stepfunctions").get_execution_history(executionArn=execution_arn)
    return [event["type"] for event in history["events"]]


def outcome(cloud: LocalCloud, execution_arn: str) -> dict[str, Any]:
    """Wait until an execution has ended, and return its description."""
    described: dict[str, Any] = {}

    def ended() -> bool:
        nonlocal described
        described = cloud.client("stepfunctions").describe_execution(executionArn=execution_arn)
        return bool(described["status"] != "RUNNING")

    wait_until(ended)
    return described
