"""Denials of the role: by an organization, only by IAM's simulator, or by a role that other users have too."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pubsub_cli.checks.context import RoleInUse
from pubsub_cli.checks.options import FrontEndConfig
from pubsub_cli.checks.permissions import CredentialsAreGiven, PolicyAllows, RoleAllows
from pubsub_cli.finding import Finding, Status
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.stubbed_aws import (
    MANUAL,
    OUTPUTS,
    REGION,
    StubbedAws,
    error,
    run_check,
    stack,
)

ROLE = "arn:aws:iam::123456789012:role/AuthRole"
ALLOW = {"Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}


def with_role(document: dict[str, Any]) -> dict[str, Any]:
    """Return the responses that describe a role with an inline policy."""
    return {
        "GetRole": {"Role": {"Arn": ROLE}},
        "ListRolePolicies": {"PolicyNames": ["inline"]},
        "GetRolePolicy": {"PolicyDocument": json.dumps(document)},
        "ListAttachedRolePolicies": {"AttachedPolicies": []},
    }


def simulate_denial(asked: dict[str, Any]) -> dict[str, Any]:
    results = [{"EvalActionName": each, "EvalDecision": "implicitDeny"} for each in asked["ActionNames"]]
    return {"EvaluationResults": results}


async def check_foreign_role(
    topic: str, *statements: dict[str, Any], client_id: str | None = None, simulated: bool = False
) -> Finding:
    """Check a role of a deployment that is not a stack for one user; if it is not simulated, only by its documents."""
    simulation: Any = simulate_denial if simulated else error("AccessDenied", 403)
    document = {"Version": "2012-10-17", "Statement": [*statements]}
    aws = StubbedAws(**with_role(document), SimulatePrincipalPolicy=simulation)
    fields = {
        "roles": (RoleInUse(ROLE, "The role of signed-in users"),),
        "deployment_ids": MANUAL,
        "front_end": FrontEndConfig((topic,), client_id),
        "identity_id": ADA,
    }
    return await run_check(RoleAllows, aws, fields=fields)


@pytest.mark.parametrize(
    ("detail", "fix"),
    [
        (
            {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
            "Ask the administrators of the AWS organization",
        ),
        ({}, "Check the role in IAM's policy simulator"),
    ],
    ids=["organization", "simulator"],
)
async def test_denial_without_a_denying_document_names_its_source(detail: dict[str, Any], fix: str) -> None:
    def simulate(asked: dict[str, Any]) -> dict[str, Any]:
        results = [
            {"EvalActionName": action, "EvalResourceName": "*", "EvalDecision": "implicitDeny", **detail}
            for action in asked["ActionNames"]
        ]
        return {"EvaluationResults": results}

    aws = StubbedAws(**with_role(ALLOW), SimulatePrincipalPolicy=simulate)
    finding = await run_check(RoleAllows, aws, fields={"roles": (RoleInUse(ROLE, "The role of signed-in users"),)})
    assert "SimulatePrincipalPolicy reports implicit deny, but the documents say allowed" in str(finding.cause)
    assert str(finding.fix).startswith(fix)
    assert not finding.commands


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("InvalidIdentityPoolConfigurationException", "A new sign-in does not help"),
        ("NotAuthorizedException", "Let the user sign in again"),
    ],
)
async def test_user_without_credentials_signs_in_again_only_if_that_helps(code: str, fix: str) -> None:
    class Session:
        async def credentials(self) -> None:
            raise SessionError("rejected") from ClientError({"Error": {"Code": code}}, "GetCredentialsForIdentity")

    finding = await run_check(CredentialsAreGiven, StubbedAws(), fields={"session": Session()})
    assert str(finding.fix).startswith(fix)


ADA, BOB = (f"{REGION}:{digit * 8}-1111-2222-3333-444455556666" for digit in "ab")
SUB = "${cognito-identity.amazonaws.com:sub}"
TOPICS = "arn:aws:iot:eu-west-1:123456789012:topic"
OWN = [
    {"Effect": "Allow", "Action": ["iot:Connect", "iot:RetainPublish"], "Resource": "*"},
    {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive", "iot:Subscribe"], "Resource": f"{TOPICS}/{SUB}/*"},
]


async def test_fix_of_a_restricted_role_does_not_open_all_topics() -> None:
    finding = await check_foreign_role(f"{ADA}/inbox", *OWN)
    assert "is a topic/, but AWS IoT checks topicfilter/ for iot:Subscribe" in str(finding.cause)
    assert not finding.commands
    assert f'"Action":["iot:Subscribe"],"Resource":["{TOPICS}filter/{SUB}/inbox"]' in str(finding.fix)
    assert ADA not in str(finding.fix)


async def test_fix_of_a_role_has_no_identity_id_of_another_user() -> None:
    finding = await check_foreign_role(f"{BOB}/inbox", OWN[0] | {"Action": "iot:Connect"}, OWN[1])
    assert str(finding.fix) == f"Use the user's own identity id instead of {BOB}, another user's"


async def test_role_without_data_actions_gets_the_managed_policy() -> None:
    finding = await check_foreign_role("chat", {"Effect": "Allow", "Action": "iot:AttachPolicy", "Resource": "*"})
    assert str(finding.fix).startswith("aws iam attach-role-policy --role-name AuthRole --policy-arn arn:aws:iam::aws:")
    assert not finding.safe_commands


async def test_denial_of_a_foreign_role_stays() -> None:
    deny = {"Effect": "Deny", "Action": "iot:Publish", "Resource": f"{TOPICS}/chat"}
    finding = await check_foreign_role("chat", {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}, deny)
    assert not finding.commands
    assert str(finding.fix).startswith("Use topics and client ids that the inline policy inline does not deny")


@pytest.mark.parametrize(
    ("resource", "status", "fix"),
    [
        ("Editors", Status.FAILED, "Deploy the stack again"),
        ("Another", Status.WARNING, "If the front end publishes retained messages, add to the role Editors:"),
    ],
)
async def test_stack_restores_only_its_own_roles(resource: str, status: Status, fix: str) -> None:
    statement = {"Effect": "Allow", "NotAction": "iot:RetainPublish", "Resource": "*"}
    role = with_role({"Statement": [statement]}) | {"GetRole": {"Role": {"Arn": ROLE.replace("AuthRole", "Editors")}}}
    aws = StubbedAws(
        **role, **stack(resources={resource: "AWS::IAM::Role"}), SimulatePrincipalPolicy=error("AccessDenied", 403)
    )
    in_use = RoleInUse(ROLE.replace("AuthRole", "Editors"), "The role of group editors")
    finding = await run_check(RoleAllows, aws, fields={"roles": (in_use,)})
    assert finding.status is status
    assert str(finding.fix).startswith(fix)
    assert "pubsub-check-" not in str(finding.fix), "no front end uses the topic of the run"


@pytest.mark.parametrize(
    ("missing", "consequence"),
    [
        ({"iot:Receive", "iot:RetainPublish"}, "AWS IoT keeps the connection open, but delivers no messages."),
        ({"iot:RetainPublish"}, "AWS IoT closes the connection of a client that publishes a retained message."),
        ({"iot:Publish", "iot:Receive"}, "AWS IoT closes the connection. The IoT policy"),
        ({"iot:Connect", "iot:Receive"}, "AWS IoT refuses the connection."),
    ],
)
async def test_consequence_is_that_of_the_denied_actions(missing: set[str], consequence: str) -> None:
    allowed = {"iot:Connect", "iot:Subscribe", "iot:Publish", "iot:Receive", "iot:RetainPublish"} - missing
    finding = await check_foreign_role("chat", {"Effect": "Allow", "Action": sorted(allowed), "Resource": "*"})
    assert f". {consequence}" in str(finding.cause)
    assert str(finding.cause).endswith("The IoT policy cannot change that.")


@pytest.mark.parametrize(("simulated", "status"), [(False, Status.UNKNOWN), (True, Status.FAILED)])
async def test_variable_of_aws_iot_in_a_role_is_unknown_unless_aws_denies(simulated: bool, status: Status) -> None:
    own = {"Effect": "Allow", "Action": "iot:*", "Resource": f"{TOPICS}/${{iot:ClientId}}"}
    every = {"Effect": "Allow", "Action": ["iot:Connect", "iot:Subscribe"], "Resource": "*"}
    finding = await check_foreign_role("lamp", every, own, client_id="lamp", simulated=simulated)
    assert finding.status is status
    assert "it depends on iot:ClientId in the inline policy inline" in str(finding.cause)
    assert "AWS documents the variables iot:* for IoT policies" in str(finding.fix)
    assert finding.blocks is simulated
    assert not finding.commands
    assert "lamp" not in str(finding.fix)


def with_policies(**effects: str) -> StubbedAws:
    """Return an AWS with these policies, all attached to the identity except ``own``."""

    def policy(asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["policyName"]
        statement = {"Effect": effects[name], "Action": "iot:*", "Resource": "*"}
        return {"policyArn": name, "policyDocument": json.dumps({"Statement": [statement]}), "defaultVersionId": "1"}

    return StubbedAws(
        ListAttachedPolicies={"policies": [{"policyName": each} for each in effects if each != "own"]},
        GetPolicy=policy,
        ListPolicyVersions={"policyVersions": []},
        TestAuthorization=error("AccessDenied", 403),
    )


async def test_fix_that_removes_a_denial_asks_for_its_owner() -> None:
    aws = with_policies(myIoTPolicy="Allow", quarantine="Deny")
    finding = await run_check(PolicyAllows, aws, fields={"identity_id": ADA, "front_end": FrontEndConfig(("chat",))})
    assert str(finding.fix).startswith("aws iot detach-policy --policy-name quarantine --target")
    assert str(finding.cause).endswith("The fix removes a denial for the user: ask its owner first.")
    assert not finding.safe_commands


@pytest.mark.parametrize(("effect", "status"), [("Allow", Status.PASSED), ("Deny", Status.FAILED)])
async def test_policy_that_is_not_attached_does_not_count_beside_attached_ones(effect: str, status: Status) -> None:
    other = "Deny" if effect == "Allow" else "Allow"
    ids = replace(MANUAL, policy_name="own")
    fields = {"identity_id": ADA, "front_end": FrontEndConfig(("chat",)), "deployment_ids": ids}
    outputs = {**OUTPUTS, Output.POLICY_NAME: "own"}
    finding = await run_check(PolicyAllows, with_policies(own=other, attached=effect), outputs=outputs, fields=fields)
    assert finding.status is status
