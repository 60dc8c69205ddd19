"""An execution that was stopped stays stopped and takes no further step, also when its task then returns or fails.

ministack notes what the task gave, tries a failed task again, and lets its failure take the place of the abortion.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ministack.services import stepfunctions

NEEDS = {stepfunctions: ("_add_event", "_fail_execution", "_run_execution")}

_RUNNING = "RUNNING"


class _StoppedError(BaseException):
    """Ends the thread of an execution; no state of it catches this."""


def install() -> None:
    """End an execution's thread at its first event after the stop."""
    add_event, fail, run = stepfunctions._add_event, stepfunctions._fail_execution, stepfunctions._run_execution

    def add_event_while_running(execution: dict[str, Any], event_type: str, details: Any = None) -> Any:
        if execution["status"] != _RUNNING and not event_type.startswith("Execution"):
            raise _StoppedError
        return add_event(execution, event_type, details)

    def fail_execution(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == _RUNNING:
            fail(execution, error, cause)

    def run_execution(execution_arn: str) -> None:
        with suppress(_StoppedError):
            run(execution_arn)

    stepfunctions._add_event = add_event_while_running
    stepfunctions._fail_execution = fail_execution
    stepfunctions._run_execution = run_execution
