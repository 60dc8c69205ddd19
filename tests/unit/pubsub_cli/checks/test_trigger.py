"""The permission to attach policies, as IAM's simulator reports it, and the last run in the trigger's log."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from pubsub_cli.checks.sign_in import LastTriggerRunSucceeded
from pubsub_cli.checks.trigger import FunctionsMayAttach, PoolMayInvoke
from pubsub_cli.finding import Finding, Status
from tests.unit.pubsub_cli.checks.stubbed_aws import TRIGGER, USER_POOL, StubbedAws, error, run_check, stack

ROLE = "arn:aws:iam::123456789012:role/Trigger"
ALLOW = "aws iam put-role-policy --role-name Trigger"
HANDLERS = {
    "Trigger1": "post_authentication.handler",
    "Worker1": "attachment_retry.handler",
    "PubSubAttachmentSelfAttachFunction1": "self_attach.handler",
    "Sweep1": "sweep.handler",
}


async def check_role(logical_id: str = "Trigger1", **result: Any) -> Finding:
    """Run the check where IAM's simulator reports this for the role of a function."""
    aws = StubbedAws(
        **stack({logical_id: HANDLERS[logical_id]}, Role=ROLE),
        SimulatePrincipalPolicy={"EvaluationResults": [{"EvalActionName": "iot:AttachPolicy", **result}]},
    )
    finding = await run_check(FunctionsMayAttach, aws)
    (simulated,) = (parameters for operation, parameters in aws.calls if operation == "SimulatePrincipalPolicy")
    region = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyType": "string", "ContextKeyValues": ["eu-west-1"]}
    assert (simulated["PolicySourceArn"], simulated["ActionNames"]) == (ROLE, ["iot:AttachPolicy"])
    assert simulated["ContextEntries"][0] == region
    return finding


@pytest.mark.parametrize("logical_id", HANDLERS)
async def test_every_attaching_function_is_checked_in_any_construct(logical_id: str) -> None:
    finding = await check_role(logical_id, EvalDecision="implicitDeny")
    assert "does not allow iot:AttachPolicy (implicit deny)" in str(finding.cause)
    assert str(finding.safe_commands[0]).startswith(ALLOW)


async def test_stack_without_attaching_functions_fails() -> None:
    assert (
        await run_check(FunctionsMayAttach, StubbedAws(**stack({"Other": "index.handler"})))
    ).status is Status.FAILED


async def test_role_that_allows_attaching_passes() -> None:
    assert (await check_role(EvalDecision="allowed")).status is Status.PASSED


@pytest.mark.parametrize("decision", ["implicitDeny", "explicitDeny"])
@pytest.mark.parametrize(
    ("detail", "cause", "fix"),
    [
        (
            {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
            "its permissions boundary does not allow it",
            "Allow iot:AttachPolicy in the permissions boundary",
        ),
        (
            {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
            "a policy of the AWS organization does not allow it",
            "Ask the administrators of the AWS organization",
        ),
    ],
)
async def test_allow_is_not_suggested_if_it_has_no_effect(
    detail: dict[str, Any], cause: str, fix: str, decision: str
) -> None:
    finding = await check_role(EvalDecision=decision, **detail)
    assert cause in str(finding.cause)
    assert str(finding.fix).startswith(fix)
    assert not finding.safe_commands
    assert ALLOW not in str(finding.fix)


async def test_explicit_deny_is_searched_in_the_policies_of_the_role() -> None:
    finding = await check_role(EvalDecision="explicitDeny")
    assert "aws iam list-role-policies --role-name Trigger" in str(finding.fix)


async def test_missing_context_value_is_a_warning() -> None:
    finding = await check_role(EvalDecision="explicitDeny", MissingContextValues=["aws:SourceVpc"])
    assert finding.status is Status.WARNING
    assert "depends on aws:SourceVpc" in str(finding.cause)


POOL_ARN = f"arn:aws:cognito-idp:eu-west-1:123456789012:userpool/{USER_POOL}"


@pytest.mark.parametrize(
    ("principal", "source", "permitted"),
    [
        ({"Service": "cognito-idp.amazonaws.com"}, POOL_ARN, True),
        ({"Service": ["cognito-idp.amazonaws.com"]}, "arn:*", True),
        ("cognito-idp.amazonaws.com", POOL_ARN, True),
        ({"Service": "cognito-idp.amazonaws.com"}, f"{POOL_ARN}Other", False),
        ({"Service": "sns.amazonaws.com"}, POOL_ARN, False),
    ],
)
async def test_user_pool_may_invoke_the_trigger(principal: Any, source: str, permitted: bool) -> None:
    condition = {"ArnLike": {"AWS:SourceArn": source}}
    statements = [{"Effect": "Allow", "Principal": principal, "Condition": condition}]
    aws = StubbedAws(
        **stack({TRIGGER: "post_authentication.handler"}), GetPolicy={"Policy": json.dumps({"Statement": statements})}
    )
    finding = await run_check(PoolMayInvoke, aws)
    assert finding.status is (Status.PASSED if permitted else Status.FAILED)
    assert permitted or str(finding.safe_commands[0]).startswith("aws lambda add-permission --function-name Trigger")


async def test_function_without_a_resource_based_policy_gets_one() -> None:
    aws = StubbedAws(
        **stack({TRIGGER: "post_authentication.handler"}), GetPolicy=error("ResourceNotFoundException", 404)
    )
    (command,) = (await run_check(PoolMayInvoke, aws)).safe_commands
    assert str(command).endswith(f"--principal cognito-idp.amazonaws.com --source-arn {POOL_ARN}")


FUNCTION = {"FunctionName": TRIGGER, "Role": ROLE, "LoggingConfig": {"LogGroup": "/log"}}
TIMED_OUT = "2026-01-01 Task timed out after 4.00 seconds"
FAILED = json.dumps({"outcome": "Failed", "reason": "AttachPolicy: ServiceFailure"})
ATTACHED = json.dumps({"outcome": "Attached"})


def log(*entries: tuple[float, str]) -> StubbedAws:
    """Return an AWS with a log; each entry has its age in seconds and its text."""
    events = [(int((time.time() - age) * 1000), message) for age, message in entries]

    def within(asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["logGroupName"] == "/log"
        return {
            "events": [
                {"timestamp": at, "message": message}
                for at, message in sorted(events)
                if asked["startTime"] <= at < asked["endTime"]
            ]
        }

    return StubbedAws(GetFunctionConfiguration=FUNCTION, FilterLogEvents=within)


async def check_log(aws: StubbedAws, signed_in_ago: float | None = None) -> Finding:
    started = None if signed_in_ago is None else time.monotonic() - signed_in_ago
    return await run_check(LastTriggerRunSucceeded, aws, fields={"sign_in_started": started})


@pytest.mark.parametrize("message", [TIMED_OUT, FAILED])
@pytest.mark.parametrize(
    ("signed_in_ago", "status"), [(None, Status.WARNING), (10, Status.WARNING), (100, Status.FAILED)]
)
async def test_failure_fails_only_if_it_is_of_this_sign_in(
    message: str, signed_in_ago: float | None, status: Status
) -> None:
    finding = await check_log(log((30, message)), signed_in_ago)
    assert finding.status is status
    assert " UTC" in str(finding.cause)


@pytest.mark.parametrize(("age", "reads"), [(10, 1), (200, 2), (3000, 3)])
async def test_log_is_read_only_back_to_the_last_entry(age: float, reads: int) -> None:
    aws = log((3500, ATTACHED), (age, TIMED_OUT))
    assert "Task timed out" in str((await check_log(aws)).cause)
    assert [operation for operation, _ in aws.calls].count("FilterLogEvents") == reads


@pytest.mark.parametrize("message", [TIMED_OUT, FAILED])
async def test_fix_shows_the_log_around_the_failure(message: str) -> None:
    finding = await check_log(log((2000, message)))
    start = int(str(finding.fix).rpartition("--start-time ")[2]) / 1000
    assert time.time() - 2100 < start < time.time() - 2000


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("AttachPolicy: AccessDeniedException", ALLOW),
        ("AttachPolicy: ThrottlingException", "Try again"),
        ("DeadlineExceededError: GetId", "Try again"),
        ("MfaUserError", "Give the user's ID token: pubsub attach"),
    ],
)
async def test_fix_depends_on_the_logged_reason(reason: str, fix: str) -> None:
    finding = await check_log(log((10, json.dumps({"outcome": "Failed", "reason": reason}))))
    assert f"reports: Failed, {reason}." in str(finding.cause)
    assert str(finding.fix).startswith(fix)


async def test_trigger_without_a_recent_run_is_skipped() -> None:
    aws = StubbedAws(GetFunctionConfiguration=FUNCTION, FilterLogEvents=error("ResourceNotFoundException"))
    finding = await check_log(aws)
    assert (finding.not_applicable, finding.cause) == (True, "no run within the last hour")


@pytest.mark.parametrize(("signed_in_ago", "since"), [(100, True), (10, False), (None, False)])
async def test_success_after_a_failure_passes_and_names_this_run(signed_in_ago: float | None, since: bool) -> None:
    finding = await check_log(log((100, TIMED_OUT), (30, ATTACHED)), signed_in_ago)
    assert str(finding.detail).startswith("Attached at ")
    assert str(finding.detail).endswith(", since this sign-in began") is since
