"""Detaches the stack's IoT policy from everybody, by the stack's own state machine, for any number of identities."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pubsub_cli.errors import PreconditionError
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.executions import StateMachine


@dataclass(frozen=True)
class Leaving:
    """How far the policy has left everybody, as the state machine tells it."""

    detached: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    """How many AWS IoT refuses to detach, by its error code."""

    @classmethod
    def of(cls, progress: Mapping[str, Any]) -> Self:
        """Read what a step of the state machine has returned."""
        return cls(progress["detached"], progress["failed"])

    def as_members(self) -> dict[str, Any]:
        """Return what the JSON document says of it."""
        return {"detached": self.detached, "failed": dict(self.failed)}


def running_detach_all(machine: StateMachine) -> str | None:
    """Return the ARN of the execution that detaches everybody already; None if there is none.

    Raises:
        PreconditionError: another one is under way: after a rename, or because the stack is being destroyed.
        botocore.exceptions.ClientError: AWS refuses.
    """
    execution_arn = machine.running()
    if execution_arn is None:
        return None
    state = json.loads(machine.states.describe_execution(executionArn=execution_arn)["input"])
    # One that goes on for another has been given that one's state.
    if not state.get("input", state).get("pause"):
        raise PreconditionError(
            f"a policy is being detached already, after a rename or because the stack is being destroyed: "
            f"{execution_arn}; wait for its end, or stop it with `aws stepfunctions stop-execution --execution-arn`"
        )
    return execution_arn


def start_detach_all(deployment: Deployment, machine: StateMachine, per_second: int | None) -> str:
    """Start to detach everybody and return the execution's ARN; nothing is attached from then on.

    Args:
        deployment: whose policy it is.
        machine: the state machine that takes the policy off everybody.
        per_second: DetachPolicy calls a second; None takes the setting ``detachPerSecond`` of the deployment.

    Raises:
        botocore.exceptions.ClientError: AWS refuses.
    """
    rate = {} if per_second is None else {"perSecond": per_second}
    return machine.start({"policy": deployment.policy_name, "pause": True, **rate})
