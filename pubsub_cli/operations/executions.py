"""Executions of the stack's state machines, which work on every identity: started, and followed to their end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pubsub_cli.errors import PreconditionError
from pubsub_cli.operations.deployment import Deployment
from pubsub_cli.operations.failure import not_done
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

_LOOK_EVERY_SECONDS = 1.0
# DescribeExecution is eventually consistent: one that was started a moment ago may not be found yet.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
_NOT_FOUND_SECONDS = 30.0
# The state that the last step has returned is among them, however often the next one is tried.
_LAST_EVENTS = 100
_ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@dataclass(frozen=True)
class Execution:
    """An execution as it is now."""

    arn: str
    status: str
    """``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``ABORTED``."""
    progress: Mapping[str, Any] = field(default_factory=dict)
    """How far its last step has come; empty before the first."""
    cause: str | None = None
    """Why it has failed."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing comes any more."""
        return self.status in _ENDED

    @property
    def end(self) -> str:
        """How it has ended, in brackets, and why if it has failed."""
        return f"({self.status.lower()})" + (f": {self.cause}" if self.cause else "")


@dataclass(frozen=True)
class StateMachine:
    """One of the stack's looping state machines."""

    states: SFNClient
    arn: str
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of(cls, deployment: Deployment, output: Output) -> Self:
        """Return the state machine that an output of the stack names.

        Raises:
            PreconditionError: the stack has none, for it is of an older version.
        """
        arn = deployment.outputs.get(output)
        if arn is None:
            raise PreconditionError(f"stack {deployment.stack} has no {output}: deploy it again with this version")
        return cls(deployment.aws.state_machines, arn)

    def running(self) -> str | None:
        """Return the ARN of the execution under way; None if there is none.

        Raises:
            botocore.exceptions.ClientError: AWS refuses.
        """
        pages = self.states.get_paginator("list_executions").paginate(stateMachineArn=self.arn, statusFilter="RUNNING")
        return next((each["executionArn"] for page in pages for each in page["executions"]), None)

    def start(self, given: Mapping[str, Any]) -> str:
        """Start an execution with this input, and return its ARN.

        Raises:
            botocore.exceptions.ClientError: AWS refuses.
        """
        return self.states.start_execution(stateMachineArn=self.arn, input=json.dumps(given))["executionArn"]

    def follow(self, execution_arn: str) -> Iterator[Execution]:
        """Yield the execution whenever it has come further, and at last when it has ended.

        One that goes on in another execution, because its own history was full, is followed there.

        Raises:
            botocore.exceptions.ClientError: AWS refuses.
            OperationError: the execution is not there any more.
        """
        shown: Execution | None = None
        found_at = self.clock()
        while True:
            try:
                execution, continued_by = self._look(execution_arn)
            except self.states.exceptions.ExecutionDoesNotExist:
                if self.clock() - found_at >= _NOT_FOUND_SECONDS:
                    raise not_done(
                        "The execution is not there any more.",
                        resource=execution_arn,
                        fix="Was the stack destroyed meanwhile? If not, start it again.",
                    ) from None
                self.sleep(_LOOK_EVERY_SECONDS)
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
            self.sleep(_LOOK_EVERY_SECONDS)

    def _look(self, execution_arn: str) -> tuple[Execution, str | None]:
        """Return the execution, and the ARN of the one that goes on with it."""
        found = self.states.describe_execution(executionArn=execution_arn)
        state = json.loads(found.get("output") or "{}") if found["status"] == "SUCCEEDED" else {}
        if not state:
            state = self._last_state(execution_arn)
        execution = Execution(execution_arn, found["status"], state.get("checkpoint") or {}, found.get("cause"))
        return execution, state.get("continuedBy", {}).get("executionArn")

    def _last_state(self, execution_arn: str) -> dict[str, Any]:
        """Return what the last step has returned; nothing before the first.

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
