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
from attachment.parameters import StaleParametersError
from attachment.retries import RateLimiter, is_retryable, is_throttled
from tests.unit.lambdas.conftest import Clock, client_error

_TIMEOUT = ReadTimeoutError(endpoint_url="https://iot")


def _trigger_error(trigger: str, text: str = "ada", *, code: str = "UserLambdaValidationException") -> ClientError:
    """Return Cognito's error for a trigger that raised one, whose text can name the user."""
    return client_error(code, operation="AdminInitiateAuth", message=f"{trigger} failed with error {text}.")


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (client_error("ThrottlingException"), True),
        (client_error("TooManyRequestsException"), True),
        (client_error("InternalFailureException", 500), True),
        (client_error("ServiceUnavailableException", 503), True),
        (client_error("UserLambdaValidationException"), True),
        (client_error("UnexpectedLambdaException"), True),
        (_trigger_error("VerifyAuthChallengeResponse"), True),
        (_trigger_error("PreAuthentication", "2026-11-30T08:00:00.000Z 6bc28136 Task timed out after 3 s"), True),
        (_trigger_error("PreTokenGeneration", "RequestId: 9fdb5cfa Error: Runtime exited with error"), True),
        (_TIMEOUT, True),
        (ConnectTimeoutError(endpoint_url="https://iot"), True),
        (EndpointConnectionError(endpoint_url="https://iot"), True),
        (ResponseParserError("cut off"), True),
        (KeyError("IdentityId"), True),
        (NewPasswordRequiredError(), True),
        (DeadlineExceededError(), True),
        (StaleParametersError(), True),
        (client_error("AccessDeniedException", 403), False),
        (client_error("ResourceNotFoundException", 404), False),
        (client_error("LimitExceededException", 410), False),
        (client_error("NotAuthorizedException"), False),
        (_trigger_error("PreAuthentication"), False),
        (_trigger_error("PreTokenGeneration"), False),
        (_trigger_error("PreAuthentication", code="NotAuthorizedException"), False),
        (ParamValidationError(report="bug"), False),
        (TypeError("bug"), False),
    ],
    ids=repr,
)
def test_error_is_retryable_only_if_it_can_end_without_a_fix(error: BaseException, retryable: bool) -> None:
    assert is_retryable(error) is retryable


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


def test_rate_limiter_spaces_calls_and_slows_down_after_throttling() -> None:
    clock = Clock()
    limiter = RateLimiter(8, 4, clock, clock.sleep)

    def seconds_of(calls: int) -> float:
        started = clock.now
        for _ in range(calls):
            limiter.wait()
        return clock.now - started

    assert (seconds_of(1), seconds_of(80)) == (0, 10)
    limiter.slow_down()
    assert (seconds_of(8), seconds_of(8)) == (2, 1)
    clock.sleep(60)  # unused time does not allow more calls later
    assert seconds_of(9) == 1
