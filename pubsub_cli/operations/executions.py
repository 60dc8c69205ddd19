"""Executions of the state machines that process every identity: the sweep and the bulk detachment."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import operation_error
from pubsub_cli.operations.deployment import Deployment
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

_POLL_SECONDS = 1.0
# DescribeExecution is eventually consistent, so it may not find an execution that has just started.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
_NOT_FOUND_SECONDS = 30.0
# Enough to include the output of the last step, also if the next step was retried many times.
_LAST_EVENTS = 100
_ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@dataclass(frozen=True)
class Execution:
    """The state of an execution."""

    arn: str
    status: str
    """``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``ABORTED``."""
    progress: Mapping[str, Any] = field(default_factory=dict)
    """The progress that its last step returned; empty before the first."""
    cause: str | None = None
    """Why it failed."""

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self.status in _ENDED

    @property
    def end(self) -> str:
        """The final status in brackets, and the cause if it failed."""
        return f"({self.status.lower()})" + (f": {self.cause}" if self.cause else "")


@dataclass(frozen=True)
class StateMachine:
    """One of the stack's state machines."""

    states: SFNClient
    arn: str
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of(cls, deployment: Deployment, output: Output) -> Self:
        """Return the state machine that an output of the stack names."""
        return cls(deployment.aws.state_machines, deployment.output(output))

    def running(self) -> str | None:
        """Return the ARN of the running execution; None if there is none."""
        pages = self.states.get_paginator("list_executions").paginate(stateMachineArn=self.arn, statusFilter="RUNNING")
        return next((each["executionArn"] for page in pages for each in page["executions"]), None)

    def start(self, state: Mapping[str, Any]) -> str:
        """Start an execution with this input, and return its ARN."""
        return self.states.start_execution(stateMachineArn=self.arn, input=json.dumps(state))["executionArn"]

    def follow(self, execution_arn: str) -> Iterator[Execution]:
        """Yield the execution whenever it changes, the last time when it has ended.

        If the execution continues in another one, because its own history was full, that one is followed.

        Raises:
            OperationError: the execution does not exist any more.
        """
        shown: Execution | None = None
        found_at = self.clock()
        while True:
            try:
                execution, continued_by = self._describe(execution_arn)
            except self.states.exceptions.ExecutionDoesNotExist:
                if self.clock() - found_at >= _NOT_FOUND_SECONDS:
                    raise operation_error(
                        "The execution does not exist any more.",
                        resource=execution_arn,
                        fix="If the stack still exists, run the command again.",
                    ) from None
                self.sleep(_POLL_SECONDS)
                continue
            found_at = self.clock()
            if continued_by:
                execution_arn = continued_by
                continue
            if execution != shown:
                yield execution
                shown = execution
            if execution.has_ended:
                return
            self.sleep(_POLL_SECONDS)

    def _describe(self, execution_arn: str) -> tuple[Execution, str | None]:
        """Return the execution, and the ARN of the one that continues it."""
        found = self.states.describe_execution(executionArn=execution_arn)
        state = json.loads(found.get("output") or "{}") if found["status"] == "SUCCEEDED" else {}
        if not state:
            state = self._last_state(execution_arn)
        execution = Execution(execution_arn, found["status"], state.get("checkpoint") or {}, found.get("cause"))
        return execution, state.get("continuedBy", {}).get("executionArn")

    def _last_state(self, execution_arn: str) -> dict[str, Any]:
        """Return the output of the last step; empty before the first.

        https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html
        """
        history = self.states.get_execution_history(
            executionArn=execution_arn, reverseOrder=True, maxResults=_LAST_EVENTS, includeExecutionData=True
        )
        for event in history["events"]:
            exited = event.get("stateExitedEventDetails", {})
            if exited.get("name") == "Step":
                state: dict[str, Any] = json.loads(exited["output"])
                return state
        return {}


@dataclass(frozen=True)
class Sweep:
    """A sweep's progress, as its state machine reports it."""

    full: bool = True
    """Whether it checks every identity, or only those that changed since the last sweep."""
    dry_run: bool = False
    resumed: bool = False
    """Whether it continues a sweep that was interrupted."""
    listed: int = 0
    guests: int = 0
    other_providers: int = 0
    """Users of identity providers that the setting ``adopt.otherProviders`` does not name."""
    unchanged: int = 0
    already_attached: int = 0
    attached: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    """The number of attachments that AWS IoT rejected, by error code."""
    queued: int = 0
    """The number of users that were sent to the retry queue."""
    ended: str | None = None
    """``completed``, ``already-running`` or ``paused``; None while it is running."""

    @classmethod
    def of(cls, progress: Mapping[str, Any]) -> Self:
        """Read the output of a step."""
        known = {name: progress[name] for name in cls.__dataclass_fields__ if name in progress}
        return cls(**known, full=progress["changed_since"] is None)

    def as_members(self) -> dict[str, Any]:
        """Return the members of the JSON document."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class BulkDetachment:
    """A bulk detachment's progress, as its state machine reports it."""

    detached: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    """The number of detachments that AWS IoT rejected, by error code."""

    @classmethod
    def of(cls, progress: Mapping[str, Any]) -> Self:
        """Read the output of a step."""
        return cls(progress["detached"], progress["failed"])

    def as_members(self) -> dict[str, Any]:
        """Return the members of the JSON document."""
        return {"detached": self.detached, "failed": dict(self.failed)}


def running_detach_all(machine: StateMachine) -> str | None:
    """Return the ARN of the running bulk detachment; None if there is none.

    Raises:
        PreconditionError: a detachment is running that `pubsub detach` did not start.
    """
    execution_arn = machine.running()
    if execution_arn is None:
        return None
    state = json.loads(machine.states.describe_execution(executionArn=execution_arn)["input"])
    # The input of a continuing execution is the state of the one before.
    if not state.get("input", state).get("pause"):
        raise PreconditionError(
            "a policy is already being detached, because it was renamed or the stack is being destroyed: "
            f"{execution_arn}. Wait until it ends, or stop it with `aws stepfunctions stop-execution --execution-arn`"
        )
    return execution_arn


def start_detach_all(deployment: Deployment, machine: StateMachine, per_second: int | None) -> str:
    """Start the bulk detachment, and return the execution's ARN. It also pauses attachment.

    Args:
        deployment: the deployment.
        machine: the state machine of the bulk detachment.
        per_second: DetachPolicy calls per second; None uses the deployment's setting ``detachPerSecond``.
    """
    rate = {} if per_second is None else {"perSecond": per_second}
    return machine.start({"policy": deployment.policy_name, "pause": True, **rate})
