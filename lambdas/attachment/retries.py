"""Which errors are retryable, and a limit for the rate of calls. Imports the AWS SDK."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from attachment.deadline import DeadlineExceededError
from attachment.errors import NewPasswordRequiredError, rejecting_trigger
from attachment.parameters import StaleParametersError

# AWS IoT's LimitExceededException is not throttling: the identity has ten policies.
_THROTTLED = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestThrottled"}
# Cognito's codes if a challenge function failed, was throttled or timed out.
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminRespondToAuthChallenge.html
_CHALLENGE_FUNCTION = {"UserLambdaValidationException", "UnexpectedLambdaException", "InvalidLambdaResponseException"}
# An internal sign-in also invokes these triggers of the pool's owner. With an error they reject the user, except if the
# message is Lambda's, after a crash. https://github.com/aws-amplify/amplify-js/issues/9127
_OWNERS_TRIGGERS = {"PreAuthentication", "PreTokenGeneration"}
_CRASHED = re.compile("Task timed out after |Error: Runtime exited")
_RETRYABLE = (
    DeadlineExceededError,
    NewPasswordRequiredError,
    NoConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseParserError,
    StaleParametersError,
    KeyError,  # a response lacks a member
)
_SLOW_SECONDS = 2.0


def is_throttled(error: BaseException) -> bool:
    """Return whether AWS throttled the call."""
    return _code(error) in _THROTTLED


def is_retryable(error: BaseException) -> bool:
    """Return whether a retry can succeed without a fix: throttling, a failure of AWS, an unreadable response.

    Other errors need a fix: denied, not found, limit exceeded, rejected by the pool's own triggers, a bug.
    """
    if rejecting_trigger(error) in _OWNERS_TRIGGERS:
        return _CRASHED.search(str(error)) is not None
    if isinstance(error, _RETRYABLE) or is_throttled(error) or _code(error) in _CHALLENGE_FUNCTION:
        return True
    return isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500


class RateLimiter:
    """Spaces calls evenly across threads, and slows down for two seconds after throttling.

    Args:
        per_second: calls per second.
        throttled_per_second: calls per second after throttling; default: half the rate. The worker uses the whole
            rate of the deployment, and after throttling only its own share.
        clock: returns monotonic seconds.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        per_second: float,
        throttled_per_second: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_second = per_second
        self._throttled_per_second = per_second / 2 if throttled_per_second is None else throttled_per_second
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._last_call = self._slow_until = float("-inf")

    def wait(self) -> None:
        """Wait until the next call is due."""
        with self._lock:
            now = self._clock()
            per_second = self._throttled_per_second if now < self._slow_until else self._per_second
            next_call = self._last_call = max(now, self._last_call + 1 / per_second)
        self._sleep(next_call - now)

    def slow_down(self) -> None:
        """Use the lower rate for two seconds, because a call was throttled."""
        self._slow_until = self._clock() + _SLOW_SECONDS


def _code(error: BaseException) -> str | None:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else None
