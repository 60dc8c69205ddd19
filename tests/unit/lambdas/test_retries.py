from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from attachment.deadline import DeadlineExceededError
from attachment.errors import NewPasswordRequiredError, error_label
from attachment.retries import RateLimiter, is_retryable, is_throttled
from tests.unit.lambdas.conftest import client_error

_TIMEOUT = ReadTimeoutError(endpoint_url="https://iot")


def _trigger_error(trigger: str, text: str = "ada", *, code: str = "UserLambdaValidationException") -> ClientError:
    """Return Cognito's error for a trigger that raised one, whose text can name the user."""
    return client_error(code, operation="AdminInitiateAuth", message=f"{trigger} failed with error {text}.")


@pytest.mark.parametrize(
    "error",
    [
        client_error("ThrottlingException"),
        client_error("TooManyRequestsException"),
        client_error("InternalFailureException", 500),
        client_error("ServiceUnavailableException", 503),
        client_error("UserLambdaValidationException"),
        client_error("UnexpectedLambdaException"),
        _trigger_error("VerifyAuthChallengeResponse"),
        _trigger_error("PreAuthentication", "2026-11-30T08:00:00.000Z 6bc28136 Task timed out after 3.00 seconds"),
        _trigger_error("PreTokenGeneration", "RequestId: 9fdb5cfa Error: Runtime exited with error: exit status 129"),
        _TIMEOUT,
        ConnectTimeoutError(endpoint_url="https://iot"),
        EndpointConnectionError(endpoint_url="https://iot"),
        ResponseParserError("cut off"),
        KeyError("IdentityId"),
        NewPasswordRequiredError(),
        DeadlineExceededError(),
    ],
    ids=repr,
)
def test_error_is_retryable_without_a_fix(error: BaseException) -> None:
    assert is_retryable(error)


@pytest.mark.parametrize(
    "error",
    [
        client_error("AccessDeniedException", 403),
        client_error("ResourceNotFoundException", 404),
        client_error("LimitExceededException", 410),
        client_error("NotAuthorizedException"),
        _trigger_error("PreAuthentication"),
        _trigger_error("PreTokenGeneration"),
        _trigger_error("PreAuthentication", code="NotAuthorizedException"),
        ParamValidationError(report="bug"),
        TypeError("bug"),
    ],
    ids=repr,
)
def test_error_that_needs_a_fix_is_not_retryable(error: Exception) -> None:
    assert not is_retryable(error)


def test_throttling_differs_from_other_retryable_errors() -> None:
    assert is_throttled(client_error("ThrottlingException"))
    assert not is_throttled(client_error("InternalFailureException", 500))
    assert not is_throttled(_TIMEOUT)


@pytest.mark.parametrize(
    ("error", "label"),
    [
        (_TIMEOUT, "ReadTimeoutError"),
        (client_error("ThrottlingException"), "AttachPolicy: ThrottlingException"),
        (client_error("UserLambdaValidationException"), "AttachPolicy: UserLambdaValidationException"),
        (
            _trigger_error("PreAuthentication", code="NotAuthorizedException"),
            "AdminInitiateAuth: NotAuthorizedException (PreAuthentication)",
        ),
    ],
    ids=repr,
)
def test_error_label_has_operation_code_and_trigger_but_no_message(error: Exception, label: str) -> None:
    assert error_label(error) == label


class Clock:
    """A clock on which time passes only by waiting."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(8, 4, clock, clock.sleep)


def _seconds_of(calls: int, limiter: RateLimiter, clock: Clock) -> float:
    started = clock.now
    for _ in range(calls):
        limiter.wait()
    return clock.now - started


def test_rate_limiter_uses_the_whole_rate(limiter: RateLimiter, clock: Clock) -> None:
    assert _seconds_of(1, limiter, clock) == 0
    assert _seconds_of(80, limiter, clock) == 10


def test_rate_limiter_slows_down_for_two_seconds_after_throttling(limiter: RateLimiter, clock: Clock) -> None:
    limiter.wait()
    limiter.slow_down()
    assert _seconds_of(8, limiter, clock) == 2
    assert _seconds_of(8, limiter, clock) == 1


def test_rate_limiter_does_not_catch_up_after_a_break(limiter: RateLimiter, clock: Clock) -> None:
    limiter.wait()
    clock.sleep(60)
    assert _seconds_of(9, limiter, clock) == 1
