"""Runs checks in order and never stops at an error: whatever happens in a check becomes its finding."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from pubsub_client.checks.check import Check, CouldNotRunError, Finding, Status, failed, skipped
from pubsub_client.exceptions import PubSubError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pubsub_client.checks.context import Context

_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
_SSO_EXPIRED = (SSOError, TokenRetrievalError)
_CREDENTIALS_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_NOT_PERMITTED = {"AccessDenied", "AccessDeniedException", "UnauthorizedException", "UnauthorizedOperation"}


@dataclass(frozen=True)
class Result:
    """One check's finding, and how long it took in seconds."""

    check: type[Check]
    finding: Finding
    seconds: float


class Observer(Protocol):
    """Told of each check as it starts and ends, to show progress."""

    def started(self, check: type[Check]) -> None:
        """A check begins."""

    def ended(self, result: Result) -> None:
        """A check ended."""


async def run_checks(
    checks: Sequence[type[Check]], context: Context, observer: Observer, *, skip: Collection[str] = ()
) -> list[Result]:
    """Run the checks in the given order; one whose ground did not hold, or that ``skip`` names by id, is skipped.

    Raises:
        CouldNotRunError: the run cannot go on: credentials, region or the stack itself are missing.
    """
    results: dict[type[Check], Result] = {}
    for check in checks:
        observer.started(check)
        begun = time.monotonic()
        ground = next((each for each in check.rests_on if not _holds(results.get(each))), None)
        if check.id in skip:
            finding = skipped("left out by --skip")
        elif ground:
            finding = skipped(f"rests on {ground.id}, which did not pass")
        else:
            finding = _with_options(await _run(check, context), context.aws.cli_options)
        results[check] = Result(check, finding, time.monotonic() - begun)
        observer.ended(results[check])
    return list(results.values())


def _with_options(finding: Finding, options: str) -> Finding:
    """Let the AWS CLI commands of a fix go to the account and region that were checked."""
    if not finding.fix or not options:
        return finding
    lines = [f"{line}{options}" if line.startswith("aws ") else line for line in finding.fix.splitlines()]
    return replace(finding, fix="\n".join(lines))


def _holds(result: Result | None) -> bool:
    return result is not None and result.finding.status in (Status.PASSED, Status.WARNING)


async def _run(check: type[Check], context: Context) -> Finding:
    try:
        return await check().run(context)
    except CouldNotRunError:
        raise
    except _NO_CREDENTIALS as error:
        raise CouldNotRunError(f"{error}: give credentials by --profile or the environment") from error
    except _SSO_EXPIRED as error:
        raise CouldNotRunError(f"{error}; sign in again with: aws sso login{context.aws.cli_options}") from error
    except NoRegionError as error:
        raise CouldNotRunError("no region: give --region or AWS_REGION") from error
    except ClientError as error:
        return _from_aws(error)
    except PubSubError as error:
        return failed(str(error), resource=context.stack, fix=f"See {check.docs()}.")
    except (BotoCoreError, OSError, http.client.HTTPException) as error:
        cause = f"{type(error).__name__}: {error}"
        return failed(cause, resource=context.stack, fix="See whether AWS can be reached from here.")
    except Exception as error:  # noqa: BLE001 - an answer nobody expected is a finding too, and ends no run
        cause = f"unexpectedly {type(error).__name__}: {error}"
        return failed(cause, resource=check.id, fix="Run it again with --verbose, and report it.")


def _from_aws(error: ClientError) -> Finding:
    code = error.response["Error"]["Code"]
    message = error.response["Error"].get("Message", "")
    cause = f"{error.operation_name} answered {code}: {message}"
    if code in _CREDENTIALS_REFUSED:
        raise CouldNotRunError(f"the AWS credentials are not accepted: {cause}") from error
    if code in _NOT_PERMITTED:
        fix = f"Run it with credentials that may call {error.operation_name}."
        return Finding(Status.UNKNOWN, cause=cause, resource=error.operation_name, fix=fix)
    return failed(cause, resource=error.operation_name, fix="See what the message says.")
