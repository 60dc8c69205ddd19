"""One step of a looping state machine: how long it may take, and what it says comes next.

The state machine gives each step the state that the last one returned. A state is small JSON: counts and tokens, and
never whom they are about, for it stays in the history of executions. A step that breaks off is made again from the same
state, so its work must be repeat-safe.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Short at first, so that whoever follows sees something happen.
_SECONDS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0)
# Left for what a step has begun when its time is up.
_SPARE_SECONDS = 120.0
# An execution may have 25,000 events in its history, and a step makes seven, more when it is tried again:
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_MOST_STEPS = 1500


@dataclass(frozen=True)
class Step:
    """The step that an invocation makes."""

    number: int
    """Of its execution, from 0."""
    given: Mapping[str, Any]
    """What the execution was started with."""
    progress: Mapping[str, Any] | None
    """What the last step has come to; None of the first."""
    execution_arn: str
    state_machine_arn: str
    ends_at: float
    """When it should come to its end, on the monotonic clock."""

    @classmethod
    def begin(cls, event: Mapping[str, Any], context: Any) -> Step:
        """Read what the state machine gives to its function.

        Args:
            event: ``{"state": what the execution was started with or the last step has returned, "execution": ARN,
                "machine": ARN}``.
            context: Lambda's.
        """
        state = event["state"]
        begun = "steps" in state
        number = state["steps"] if begun else 0
        left = context.get_remaining_time_in_millis() / 1000 - _SPARE_SECONDS
        seconds = min(_SECONDS[min(number, len(_SECONDS) - 1)], left)
        return cls(
            number=number,
            given=state["input"] if begun else state,
            progress=state["checkpoint"] if begun else None,
            execution_arn=event["execution"],
            state_machine_arn=event["machine"],
            ends_at=time.monotonic() + seconds,
        )

    @property
    def is_over(self) -> bool:
        """Whether its time is up."""
        return time.monotonic() >= self.ends_at

    def again(self, progress: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state for a further step, in another execution once this one's history is long."""
        if self.number + 1 >= _MOST_STEPS:
            return self._state("continue_as_new", progress, steps=0)
        return self._state("continue", progress)

    def wait(self, seconds: int, progress: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state for a further step after a while; where another execution goes on it comes at once."""
        state = self.again(progress)
        return state if state["next"] == "continue_as_new" else state | {"next": "wait", "waitSeconds": seconds}

    def done(self, progress: Mapping[str, Any]) -> dict[str, Any]:
        """Return the last state."""
        return self._state("done", progress)

    def failed(self, cause: str, progress: Mapping[str, Any]) -> dict[str, Any]:
        """Return the last state of what cannot go on before somebody mends it; the cause quotes no identity."""
        return self._state("failed", progress) | {"cause": cause}

    def _state(self, what_comes: str, progress: Mapping[str, Any], *, steps: int | None = None) -> dict[str, Any]:
        return {
            "next": what_comes,
            "steps": self.number + 1 if steps is None else steps,
            "input": dict(self.given),
            "checkpoint": dict(progress),
        }
