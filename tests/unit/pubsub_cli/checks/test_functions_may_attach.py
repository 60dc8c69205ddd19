"""What IAM's simulator says of the functions' roles, as PS118 tells it; the local cloud has no organization."""

from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.trigger import FunctionsMayAttach
from pubsub_cli.finding import Finding, Status
from tests.unit.pubsub_cli.checks.answers import Answers, find, functions, template

ROLE = "arn:aws:iam::123456789012:role/Trigger"
ALLOW = "aws iam put-role-policy --role-name Trigger"


HANDLERS = {
    "Trigger1": "post_authentication.handler",
    "Worker1": "attachment_retry.handler",
    "PubSubAttachmentSelfAttachFunction1": "self_attach.handler",
    "Sweep1": "sweep.handler",
}


async def look(*logical_ids: str, **result: Any) -> Finding:
    """Run the check where IAM's simulator answers this for the roles of these functions, the trigger's unless given."""
    logical_ids = logical_ids or ("Trigger1",)
    aws = Answers(
        ListStackResources=functions(**{each: each for each in logical_ids}),
        GetTemplate=template(**{each: HANDLERS[each] for each in logical_ids}),
        GetFunctionConfiguration={"Role": ROLE},
        GetFunctionConcurrency={},
        SimulatePrincipalPolicy={"EvaluationResults": [{"EvalActionName": "iot:AttachPolicy", **result}]},
    )
    finding = await find(FunctionsMayAttach, aws)
    asked = [parameters for operation, parameters in aws.calls if operation == "SimulatePrincipalPolicy"]
    region = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyType": "string", "ContextKeyValues": ["eu-west-1"]}
    assert [each["PolicySourceArn"] for each in asked] == [ROLE] * len(logical_ids)
    assert all(each["ActionNames"] == ["iot:AttachPolicy"] for each in asked)
    assert all(each["ContextEntries"][0] == region for each in asked)
    return finding


@pytest.mark.parametrize("logical_id", HANDLERS)
async def test_every_function_that_attaches_is_asked_about_in_another_apps_stack_too(logical_id: str) -> None:
    assert (await look(logical_id, EvalDecision="implicitDeny")).status is Status.FAILED


async def test_a_stack_without_such_functions_does_not_pass() -> None:
    aws = Answers(ListStackResources=functions(Other1="other"), GetTemplate=template(Other1="index.handler"))
    assert (await find(FunctionsMayAttach, aws)).status is Status.FAILED


async def test_a_role_that_may_attach_is_right() -> None:
    assert (await look(EvalDecision="allowed")).status is Status.PASSED


async def test_a_role_that_lacks_the_permission_gets_it() -> None:
    finding = await look(EvalDecision="implicitDeny")
    assert "may not call iot:AttachPolicy (implicitDeny)" in str(finding.cause)
    assert str(finding.safe_commands[0]).startswith(ALLOW)


@pytest.mark.parametrize(
    ("detail", "said", "fix"),
    [
        (
            {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
            "its permissions boundary does not allow it",
            "Let the permissions boundary",
        ),
        (
            {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
            "a policy of the AWS organization does not allow it",
            "Ask who administers the AWS organization",
        ),
    ],
)
@pytest.mark.parametrize("decision", ["implicitDeny", "explicitDeny"])
async def test_where_an_allow_would_help_nothing_none_is_prescribed(
    detail: dict[str, Any], said: str, fix: str, decision: str
) -> None:
    finding = await look(EvalDecision=decision, **detail)
    assert finding.status is Status.FAILED
    assert said in str(finding.cause)
    assert str(finding.fix).startswith(fix)
    assert not finding.safe_commands
    assert ALLOW not in str(finding.fix)


async def test_what_turns_on_a_value_that_is_not_known_is_told_and_not_guessed() -> None:
    finding = await look(EvalDecision="explicitDeny", MissingContextValues=["aws:SourceVpc"])
    assert finding.status is Status.WARNING
    assert "turns on aws:SourceVpc" in str(finding.cause)
