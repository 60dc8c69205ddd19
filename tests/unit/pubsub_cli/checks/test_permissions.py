"""Denials of the role that the local cloud does not make: by an organization, or only by IAM's simulator."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pubsub_cli.checks.context import RoleInUse
from pubsub_cli.checks.permissions import CredentialsAreGiven, RoleAllows
from pubsub_client.exceptions import SessionError
from tests.unit.pubsub_cli.checks.stubbed_aws import StubbedAws, run_check

ROLE = "arn:aws:iam::123456789012:role/AuthRole"
ALLOW = {"Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}


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

    aws = StubbedAws(
        GetRole={"Role": {"Arn": ROLE}},
        ListRolePolicies={"PolicyNames": ["inline"]},
        GetRolePolicy={"PolicyDocument": json.dumps(ALLOW)},
        ListAttachedRolePolicies={"AttachedPolicies": []},
        SimulatePrincipalPolicy=simulate,
    )
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
