from __future__ import annotations

from contextlib import AsyncExitStack
from http.client import BadStatusLine
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    UnauthorizedSSOTokenError,
)

from pubsub_cli.aws import Aws
from pubsub_cli.checks.check import Check, Group, Result, run_checks
from pubsub_cli.checks.context import Context
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Finding, Status, failed, not_applicable, passed, skipped, warning
from pubsub_client.exceptions import SignInError
from pubsub_client.outputs import Output


class Silent:
    def started(self, check: type[Check]) -> None: ...

    def ended(self, result: Result) -> None: ...


def _check(check_id: str, outcome: Finding | Exception, *depends_on: type[Check]) -> type[Check]:
    async def run(_self: Check, _context: Context) -> Finding:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    members: dict[str, Any] = {
        "id": check_id, "group": Group.IDENTITY, "title": check_id, "depends_on": depends_on, "run": run
    }  # fmt: skip
    return type(check_id, (Check,), members)


async def _run(
    *checks: type[Check], profile: str | None = None, outputs: dict[str, str] | None = None
) -> list[Finding]:
    aws = Aws(region="eu-west-1")
    aws.cli_options = f" --profile {profile} --region eu-west-1" if profile else ""
    async with AsyncExitStack() as cleanup:
        context = Context(aws=aws, stack="AmplifyPubSub", timeout=1, cleanup=cleanup)
        context.outputs = outputs or {}
        return [result.finding for result in await run_checks(checks, context, Silent())]


def _client_error(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


_EXPIRED = "20260301T120000Z is now earlier than 20260301T121500Z (20260301T122000Z - 5 min.)"
_EARLY = "20260301T130000Z is still later than 20260301T124500Z (20260301T124000Z + 5 min.)"
_WRONG_CLOCK = r"this machine's clock is wrong, set it: .*DescribeStacks answered"
_WRONG = failed("wrong", resource="r", fix="f")


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (passed(), Status.PASSED),
        (warning("late", resource="r", fix="f"), Status.PASSED),
        (not_applicable("there is nothing to check"), Status.PASSED),
        (skipped("left out"), Status.SKIPPED),
        (_WRONG, Status.SKIPPED),
    ],
)
async def test_check_runs_only_if_no_dependency_failed_or_was_skipped(first: Finding, status: Status) -> None:
    dependency = _check("PS901", first)
    findings = await _run(dependency, _check("PS902", passed(), dependency), _check("PS903", passed()))
    assert [each.status for each in findings] == [first.status, status, Status.PASSED]


async def test_check_of_the_trigger_is_not_applicable_with_self_attach() -> None:
    check = _check("PS901", passed())
    check.requires_trigger = True
    (finding,) = await _run(check)
    assert (finding.not_applicable, finding.cause) == (True, "attachment is self-attach")
    (finding,) = await _run(check, outputs={Output.POST_AUTHENTICATION_FUNCTION_NAME: "Trigger"})
    assert finding.status is Status.PASSED


async def test_skipped_check_names_the_dependency_that_did_not_pass() -> None:
    first = _check("PS901", _WRONG)
    middle = _check("PS902", passed(), first)
    findings = await _run(first, middle, _check("PS903", passed(), middle))
    causes = [each.cause for each in findings[1:]]
    assert causes == [f"{each} did not pass" for each in ("PS901", "PS902")]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", Status.UNKNOWN),
        ("AccessDeniedException", Status.UNKNOWN),
        ("UnauthorizedException", Status.UNKNOWN),
        ("InternalFailure", Status.FAILED),
    ],
)
async def test_aws_error_is_reported_with_operation_and_code(code: str, status: Status) -> None:
    (finding,) = await _run(_check("PS901", _client_error(code)))
    assert (finding.status, finding.cause) == (status, f"DescribeStacks answered {code}: no")


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://iot"),
        SignInError("UserNotConfirmedException", "not yet"),
        ConnectionRefusedError(111, "Connection refused"),
        TimeoutError("no answer"),
        BadStatusLine("garbage"),
        KeyError("Stacks"),
    ],
)
async def test_other_error_in_a_check_is_a_failure_with_its_message(error: Exception) -> None:
    findings = await _run(_check("PS901", error), _check("PS902", passed()))
    assert [each.status for each in findings] == [Status.FAILED, Status.PASSED]
    assert str(error) in (findings[0].cause or "")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NoCredentialsError(), "Unable to locate credentials: give credentials"),
        (CredentialRetrievalError(provider="p", error_msg="no"), "Error when retrieving credentials from p"),
        (UnauthorizedSSOTokenError(), r"aws sso login --profile production --region eu-west-1$"),
        (_client_error("ExpiredToken"), "not accepted: DescribeStacks answered ExpiredToken"),
        (_client_error("InvalidClientTokenId"), "not accepted: DescribeStacks answered InvalidClientTokenId"),
        (_client_error("UnrecognizedClientException"), "not accepted: DescribeStacks answered Unrecognized"),
        (_client_error("SignatureDoesNotMatch", f"Signature expired: {_EXPIRED}"), _WRONG_CLOCK),
        (_client_error("SignatureDoesNotMatch", f"Signature not yet current: {_EARLY}"), _WRONG_CLOCK),
    ],
)
async def test_error_of_credentials_or_clock_ends_the_run_with_the_fix(error: Exception, message: str) -> None:
    with pytest.raises(PreconditionError, match=message):
        await _run(_check("PS901", error), profile="production")


async def test_commands_of_a_fix_get_profile_and_region_of_the_run() -> None:
    fix = "aws iot create-policy --policy-name p\nthen run cdk deploy"
    (finding,) = await _run(_check("PS901", failed("gone", resource="p", fix=fix)), profile="production")
    assert finding.fix == (
        "aws iot create-policy --policy-name p --profile production --region eu-west-1\nthen run cdk deploy"
    )
