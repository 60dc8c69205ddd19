"""Turns errors of AWS and the network into findings with cause and fix, or into the end of the run."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    InvalidConfigError,
    InvalidMaxRetryAttemptsError,
    InvalidRegionError,
    InvalidRetryConfigurationError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    UnknownCredentialError,
)

from pubsub_cli.aws import Aws
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Finding, OperationError, failed, unknown
from pubsub_client._aws_sdk import SSO_ERRORS, UnusableConfigurationError, sso_login_advice

AWS_ERRORS = (ClientError, BotoCoreError, OSError, http.client.HTTPException)
"""The errors that a call of AWS can raise."""

_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
_MISCONFIGURED = (
    InvalidConfigError,
    InvalidMaxRetryAttemptsError,
    InvalidRegionError,
    InvalidRetryConfigurationError,
    UnknownCredentialError,
    UnusableConfigurationError,
)
_CREDENTIALS_REJECTED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
_CLOCK_IS_WRONG = ("Signature expired", "Signature not yet current")
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_THROTTLED = {
    "LimitExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "TooManyRequestsException",
}
_SET_CLOCK = {
    "darwin": "sudo sntp -sS time.apple.com",
    "win32": "w32tm /resync /force",
}
_NOT_PERMITTED = {"AccessDenied", "AccessDeniedException", "UnauthorizedException", "UnauthorizedOperation"}


def is_not_permitted(error: ClientError) -> bool:
    """Return whether AWS denied a call because of a missing permission."""
    return error.response["Error"]["Code"] in _NOT_PERMITTED


def explain(error: Exception, aws: Aws, subject: str) -> Finding:
    """Return the finding for one of :data:`AWS_ERRORS`.

    Args:
        error: the error.
        aws: the operator's clients.
        subject: the resource, if the error does not name one.

    Raises:
        PreconditionError: all other calls would fail too, because credentials are missing or not accepted, the AWS
            configuration cannot be used, there is no region, or the clock is wrong.
    """
    if isinstance(error, _NO_CREDENTIALS):
        raise PreconditionError(f"{error}: give credentials by --profile or the environment") from error
    if isinstance(error, SSO_ERRORS):
        raise PreconditionError(sso_login_advice(error, aws.cli_options)) from error
    if isinstance(error, NoRegionError):
        raise PreconditionError("no region: give --region or AWS_REGION") from error
    if isinstance(error, _MISCONFIGURED) or _names_a_file(error):
        raise PreconditionError(f"the AWS configuration cannot be used: {error}") from error
    if isinstance(error, ClientError):
        return _from_aws(error)
    cause = f"{type(error).__name__}: {error}"
    return failed(cause, resource=subject, fix="Check the network connection to AWS.")


@contextmanager
def aws_errors_explained(aws: Aws, subject: str) -> Iterator[None]:
    """Explain the AWS errors that the block raises.

    Raises:
        PreconditionError: credentials are missing or not accepted, or there is no region.
        OperationError: AWS rejected a call, or cannot be reached.
    """
    try:
        yield
    except AWS_ERRORS as error:
        raise OperationError(explain(error, aws, subject).with_options(aws.cli_options)) from error


def _names_a_file(error: Exception) -> bool:
    """Return whether the error is about a file of the configuration, and not about the network."""
    return isinstance(error, OSError) and error.filename is not None


def _from_aws(error: ClientError) -> Finding:
    code = error.response["Error"]["Code"]
    message = error.response["Error"].get("Message", "")
    cause = f"{error.operation_name} answered {code}: {message}"
    if any(words in message for words in _CLOCK_IS_WRONG):
        raise PreconditionError(f"this machine's clock is wrong, set it: {set_clock_command()} ({cause})") from error
    if code in _CREDENTIALS_REJECTED:
        raise PreconditionError(f"the AWS credentials are not accepted: {cause}") from error
    if code in _THROTTLED or "Throttl" in code:
        return unknown(cause, resource=error.operation_name, fix="Run the command again later.")
    if code in _NOT_PERMITTED:
        fix = f"Use credentials that allow {error.operation_name}."
        return unknown(cause, resource=error.operation_name, fix=fix)
    return failed(cause, resource=error.operation_name, fix="The message above is from AWS.")


def set_clock_command() -> str:
    """Return the command that sets the clock of this machine by NTP."""
    return _SET_CLOCK.get(sys.platform, "sudo timedatectl set-ntp true && sudo systemctl restart systemd-timesyncd")
