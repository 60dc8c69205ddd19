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
from attachment.errors import NewPasswordRequiredError
from attachment.passing import is_throttled, passes
from attachment.report import cause
from tests.unit.lambdas.conftest import refusal


def _failed(trigger: str, text: str = "no ada here.", *, code: str = "UserLambdaValidationException") -> ClientError:
    """Return what Cognito answers when a trigger raises an error, whose text can name the user."""
    told = {"Code": code, "Message": f"{trigger} failed with error {text}"}
    return ClientError({"Error": told, "ResponseMetadata": {"HTTPStatusCode": 400}}, "AdminInitiateAuth")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "error",
    [
        refusal("ThrottlingException"),
        refusal("TooManyRequestsException"),
        refusal("ThrottlingException", 429),
        refusal("InternalFailureException", 500),
        refusal("ServiceUnavailableException", 503),
        refusal("UserLambdaValidationException"),
        _failed("DefineAuthChallenge"),
        _failed("CreateAuthChallenge"),
        _failed("VerifyAuthChallengeResponse"),
        _failed("PreAuthentication", "2026-11-30T08:00:00.000Z 6bc28136 Task timed out after 3.00 seconds"),
        _failed("PreTokenGeneration", "RequestId: 9fdb5cfa Error: Runtime exited with error: exit status 129"),
        refusal("UnexpectedLambdaException"),
        ReadTimeoutError(endpoint_url="https://iot"),
        ConnectTimeoutError(endpoint_url="https://iot"),
        EndpointConnectionError(endpoint_url="https://iot"),
        ResponseParserError("cut off"),
        KeyError("IdentityId"),
        NewPasswordRequiredError(),
        DeadlineExceededError(),
    ],
    ids=repr,
)
def test_throttling_failures_of_aws_and_missing_answers_pass(error: BaseException) -> None:
    assert passes(error)


@pytest.mark.parametrize(
    "error",
    [
        refusal("AccessDeniedException", 403),
        refusal("ResourceNotFoundException", 404),
        refusal("LimitExceededException", 410),
        refusal("NotAuthorizedException"),
        _failed("PreAuthentication"),
        _failed("PreTokenGeneration"),
        _failed("PreAuthentication", code="NotAuthorizedException"),
        ParamValidationError(report="mistake"),
        TypeError("mistake"),
    ],
    ids=repr,
)
def test_what_somebody_must_mend_does_not_pass(error: Exception) -> None:
    assert not passes(error)


def test_throttling_is_told_from_other_failures() -> None:
    assert is_throttled(refusal("ThrottlingException"))
    assert not is_throttled(refusal("InternalFailureException", 500))
    assert not is_throttled(ReadTimeoutError(endpoint_url="https://iot"))


def test_every_error_of_the_sdk_has_a_cause_to_report() -> None:
    assert cause(ReadTimeoutError(endpoint_url="https://iot")) == "ReadTimeoutError"
    assert cause(refusal("ThrottlingException")) == "AttachPolicy: ThrottlingException"


def test_the_cause_names_the_trigger_that_refuses_and_not_its_text() -> None:
    for code in ("UserLambdaValidationException", "NotAuthorizedException"):
        assert cause(_failed("PreAuthentication", code=code)) == f"AdminInitiateAuth: {code} (PreAuthentication)"
    assert cause(refusal("UserLambdaValidationException")) == "AttachPolicy: UserLambdaValidationException"
