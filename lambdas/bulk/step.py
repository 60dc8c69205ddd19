"""One step of a state machine: its time, the state that it returns, and the calls that it makes. Imports the AWS SDK.

Each step gets the state that the previous step returned: small JSON with counts and tokens. It never identifies users,
because Step Functions keeps it in the history of the execution. A failed step is repeated with the same state, so its
work must be idempotent.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from attachment.retries import RateLimiter, is_retryable, is_throttled

THREADS = 16
"""Enough for raised quotas: AWS IoT answers a call within some tens of milliseconds."""

# Short at first, so that an operator who watches sees progress.
_STEP_SECONDS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0)
# Time to finish the pages that a step has begun.
_SPARE_SECONDS = 120.0
# An execution's history can have 25,000 events. A step creates seven, and more if it is retried:
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_MAX_STEPS = 1500
_MAX_FAILURES = 5
# High, because other functions share the quota.
_MAX_THROTTLED = 60
# AWS IoT's errors about a single identity. Other errors that are not retryable would affect every identity.
# https://docs.aws.amazon.com/iot/latest/apireference/API_AttachPolicy.html
_IDENTITY_ERRORS = {"LimitExceededException", "InvalidRequestException"}


@dataclass(frozen=True)
class BatchStep:
    """The step of this invocation."""

    number: int
    """Its number within the execution, from 0."""
    input: Mapping[str, Any]
    """The input of the execution."""
    checkpoint: Mapping[str, Any] | None
    """The checkpoint of the previous step; None in the first step."""
    execution_arn: str
    state_machine_arn: str
    ends_at: float
    """When the step should end, on the monotonic clock."""

    @classmethod
    def begin(cls, event: Mapping[str, Any], context: Any) -> BatchStep:
        """Return the step of an invocation.

        Args:
            event: ``{"state": the input of the execution or the state of the previous step, "execution": ARN,
                "machine": ARN}``.
            context: Lambda's context.
        """
        state = event["state"]
        begun = "steps" in state
        number = state["steps"] if begun else 0
        left = context.get_remaining_time_in_millis() / 1000 - _SPARE_SECONDS
        seconds = min(_STEP_SECONDS[min(number, len(_STEP_SECONDS) - 1)], left)
        return cls(
            number=number,
            input=state["input"] if begun else state,
            checkpoint=state["checkpoint"] if begun else None,
            execution_arn=event["execution"],
            state_machine_arn=event["machine"],
            ends_at=time.monotonic() + seconds,
        )

    @property
    def is_over(self) -> bool:
        """Whether the step must end."""
        return time.monotonic() >= self.ends_at

    def continue_(self, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state for another step, which is in a new execution if the history of this one is long."""
        if self.number + 1 >= _MAX_STEPS:
            return self._state("continue_as_new", checkpoint) | {"steps": 0}
        return self._state("continue", checkpoint)

    def wait(self, seconds: int, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state for another step after some seconds; a new execution does not wait."""
        state = self.continue_(checkpoint)
        return state if state["next"] == "continue_as_new" else state | {"next": "wait", "waitSeconds": seconds}

    def done(self, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Return the last state."""
        return self._state("done", checkpoint)

    def failed(self, cause: str, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Return the last state of work that failed. The cause must not name an identity."""
        return self._state("failed", checkpoint) | {"cause": cause}

    def _state(self, next_: str, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "next": next_,
            "steps": self.number + 1,
            "input": dict(self.input),
            "checkpoint": dict(checkpoint),
        }


@contextmanager
def worker_threads() -> Iterator[ThreadPoolExecutor]:
    """Provide threads; cancel work that has not started when the block ends."""
    with ThreadPoolExecutor(THREADS) as threads:
        try:
            yield threads
        finally:
            threads.shutdown(cancel_futures=True)


@contextmanager
def rate_limited(limiter: RateLimiter) -> Iterator[None]:
    """Wait until the call in the block may be made, and slow down if it is throttled."""
    limiter.wait()
    try:
        yield
    except ClientError as error:
        if is_throttled(error):
            limiter.slow_down()
        raise


def process_with_retries(work: Callable[[], str]) -> str:
    """Do idempotent work on one identity, and repeat it after retryable errors.

    Returns:
        The result of the work, or AWS IoT's error code if it refused this identity.

    Raises:
        botocore.exceptions.BotoCoreError: AWS did not answer, several times.
        botocore.exceptions.ClientError: AWS failed or throttled several times, or the error affects every identity.
    """
    failures = throttled = 0
    while True:
        try:
            return work()
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and (code := error.response["Error"]["Code"]) in _IDENTITY_ERRORS:
                return code
            if is_throttled(error):
                throttled += 1
            else:
                failures += 1
            if not is_retryable(error) or failures == _MAX_FAILURES or throttled == _MAX_THROTTLED:
                raise
            time.sleep(random.uniform(0, 2**failures))  # noqa: S311 - jitter, not a secret
