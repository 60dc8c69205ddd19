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
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.runner import Result, run_checks
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Finding, Status, failed, not_applicable, passed, warning
from pubsub_client.exceptions import SignInError


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


async def _run(*checks: type[Check], profile: str | None = None) -> list[Finding]:
    aws = Aws(region="eu-west-1")
    aws.cli_options = f" --profile {profile} --region eu-west-1" if profile else ""
    async with AsyncExitStack() as cleanup:
        context = Context(aws=aws, stack="AmplifyPubSub", timeout=1, cleanup=cleanup)
        return [result.finding for result in await run_checks(checks, context, Silent())]


_WRONG = failed("wrong", resource="r", fix="f")


async def test_check_that_depends_on_a_not_applicable_one_runs() -> None:
    first = _check("PS901", not_applicable("there is nothing to ask about"))
    findings = await _run(first, _check("PS902", passed(), first))
    assert [each.status for each in findings] == [Status.SKIPPED, Status.PASSED]


async def test_check_that_depends_on_a_failed_one_is_skipped_and_names_it() -> None:
    first = _check("PS901", _WRONG)
    middle = _check("PS902", passed(), first)
    last = _check("PS903", passed(), middle)
    findings = await _run(first, middle, last)
    assert [each.status for each in findings] == [Status.FAILED, Status.SKIPPED, Status.SKIPPED]
    assert findings[1].cause == "depends on PS901, which did not pass"
    assert findings[2].cause == "depends on PS902, which did not pass"


async def test_check_that_depends_on_a_warning_runs() -> None:
    first = _check("PS901", warning("late", resource="r", fix="f"))
    assert [each.status for each in await _run(first, _check("PS902", passed(), first))] == [
        Status.WARNING, Status.PASSED
    ]  # fmt: skip


async def test_independent_check_runs_after_a_failure() -> None:
    assert [each.status for each in await _run(_check("PS901", _WRONG), _check("PS902", passed()))] == [
        Status.FAILED, Status.PASSED
    ]  # fmt: skip


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "UnauthorizedException"])
async def test_call_that_is_not_permitted_is_unknown_and_names_the_operation(code: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, "GetPolicy")
    (finding,) = await _run(_check("PS901", error))
    assert finding.status is Status.UNKNOWN
    assert finding.cause == f"GetPolicy answered {code}: no"


async def test_other_aws_error_is_a_failure_with_operation_and_code() -> None:
    error = ClientError({"Error": {"Code": "InternalFailure", "Message": "oops"}}, "GetPolicy")
    (finding,) = await _run(_check("PS901", error))
    assert (finding.status, finding.cause) == (Status.FAILED, "GetPolicy answered InternalFailure: oops")


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
async def test_any_other_error_in_a_check_is_a_failure_with_its_message(error: Exception) -> None:
    findings = await _run(_check("PS901", error), _check("PS902", passed()))
    assert [each.status for each in findings] == [Status.FAILED, Status.PASSED]
    assert str(error) in (findings[0].cause or "")


async def test_missing_credentials_end_the_run() -> None:
    with pytest.raises(PreconditionError, match="Unable to locate credentials: give credentials"):
        await _run(_check("PS901", NoCredentialsError()))
    with pytest.raises(PreconditionError, match="Error when retrieving credentials from custom-process"):
        await _run(_check("PS901", CredentialRetrievalError(provider="custom-process", error_msg="no")))


async def test_expired_sso_session_ends_the_run_with_the_login_command() -> None:
    with pytest.raises(PreconditionError, match=r"aws sso login --profile production --region eu-west-1$"):
        await _run(_check("PS901", UnauthorizedSSOTokenError()), profile="production")


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId", "UnrecognizedClientException"])
async def test_rejected_credentials_end_the_run(code: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeStacks")
    with pytest.raises(PreconditionError, match=f"not accepted: DescribeStacks answered {code}"):
        await _run(_check("PS901", error))


@pytest.mark.parametrize(
    "message",
    [
        "Signature expired: 20260301T120000Z is now earlier than 20260301T121500Z (20260301T122000Z - 5 min.)",
        "Signature not yet current: 20260301T130000Z is still later than 20260301T124500Z (20260301T124000Z + 5 min.)",
    ],
)
async def test_wrong_clock_ends_the_run_with_the_command_that_sets_it(message: str) -> None:
    error = ClientError({"Error": {"Code": "SignatureDoesNotMatch", "Message": message}}, "DescribeStacks")
    with pytest.raises(PreconditionError, match=r"this machine's clock is wrong, set it: .*DescribeStacks answered"):
        await _run(_check("PS901", error))


async def test_commands_of_a_fix_get_profile_and_region_of_the_run() -> None:
    fix = "aws iot create-policy --policy-name p\nthen run cdk deploy"
    (finding,) = await _run(_check("PS901", failed("gone", resource="p", fix=fix)), profile="production")
    assert finding.fix == (
        "aws iot create-policy --policy-name p --profile production --region eu-west-1\nthen run cdk deploy"
    )
