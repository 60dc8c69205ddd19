"""What IAM's simulator says of the functions' roles, as PS118 tells it; the embedded cloud has no organization."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import ANY, Stubber

from pubsub_client.checks.aws import Aws
from pubsub_client.checks.check import Status
from pubsub_client.checks.context import Context
from pubsub_client.checks.trigger import FunctionsMayAttach
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from pubsub_client.checks.check import Finding

ROLE = "arn:aws:iam::123456789012:role/Trigger"
ALLOW = "aws iam put-role-policy --role-name Trigger"


async def look(**result: Any) -> Finding:
    """Run the check where IAM's simulator answers this for the trigger's role."""
    aws = Aws(region="eu-west-1")
    context = Context(aws=aws, stack="PubSub", patience=0, cleanup=AsyncExitStack())
    context.outputs = {
        Output.REGION: "eu-west-1",
        Output.POST_AUTHENTICATION_FUNCTION_NAME: "trigger",
    }
    trigger = {
        "LogicalResourceId": "SignInAttachmentPostAuthentication1",
        "PhysicalResourceId": "trigger",
        "ResourceType": "AWS::Lambda::Function",
        "LastUpdatedTimestamp": "2026-01-01T00:00:00Z",
        "ResourceStatus": "CREATE_COMPLETE",
    }
    region = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyType": "string", "ContextKeyValues": ["eu-west-1"]}
    asked = {"PolicySourceArn": ROLE, "ActionNames": ["iot:AttachPolicy"], "ContextEntries": [region, ANY]}
    answer = {"EvalActionName": "iot:AttachPolicy", **result}
    with Stubber(aws.cloudformation) as stacks, Stubber(aws.functions) as functions, Stubber(aws.iam) as iam:
        stacks.add_response("list_stack_resources", {"StackResourceSummaries": [trigger]})
        functions.add_response("get_function_configuration", {"Role": ROLE})
        iam.add_response("simulate_principal_policy", {"EvaluationResults": [answer]}, asked)
        return await FunctionsMayAttach().run(context)


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
