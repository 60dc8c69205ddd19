"""Which errors pass by themselves, so that trying again helps. Importing this module imports the AWS SDK."""

from __future__ import annotations

import re

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from attachment.deadline import DeadlineExceededError
from attachment.errors import NewPasswordRequiredError
from attachment.report import refusing_trigger

# IoT's LimitExceededException is not among them: there it means ten policies on one identity.
_THROTTLED = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestThrottled"}
# Cognito's words for a challenge function that failed, was throttled or did not answer in time.
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminRespondToAuthChallenge.html
_CHALLENGE_FUNCTION = {"UserLambdaValidationException", "UnexpectedLambdaException", "InvalidLambdaResponseException"}
# Triggers of the pool's owner that a internal sign-in fires too. An error of theirs is their answer: they refuse. But
# Lambda's own text in its place says that the function was stopped. https://github.com/aws-amplify/amplify-js/issues/9127
_OWNERS_TRIGGERS = {"PreAuthentication", "PreTokenGeneration"}
_STOPPED = re.compile("Task timed out after |Error: Runtime exited")
_PASSING = (
    DeadlineExceededError,
    NewPasswordRequiredError,
    NoConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseParserError,
    KeyError,  # an answer lacks a member
)


def is_throttled(error: BaseException) -> bool:
    """Tell whether AWS says that there were too many calls."""
    return _code(error) in _THROTTLED


def passes(error: BaseException) -> bool:
    """Tell whether it is worth trying again: throttling, a failure on AWS's side, no answer or none to be read.

    Whatever else there is (denied, not found, a limit reached, refused by the pool's own triggers, a mistake of ours)
    stays until somebody mends it.
    """
    if refusing_trigger(error) in _OWNERS_TRIGGERS:
        return _STOPPED.search(str(error)) is not None
    if isinstance(error, _PASSING) or is_throttled(error) or _code(error) in _CHALLENGE_FUNCTION:
        return True
    return isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500


def _code(error: BaseException) -> str | None:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else None
