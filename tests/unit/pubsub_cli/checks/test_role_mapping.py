"""The role that the identity pool gives a user, by its role mapping, the user's groups and claims."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pubsub_cli.checks.options import IdToken, UserSelector
from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.finding import AwsCommand, Finding, Status
from pubsub_cli.pool_users import PoolUser
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.stubbed_aws import (
    CLIENT,
    IDENTITY_POOL,
    MANUAL,
    OUTPUTS,
    REGION,
    USER_POOL,
    StubbedAws,
    error,
    run_check,
)

ROLE = "arn:aws:iam::123456789012:role/"
PROVIDER = f"cognito-idp.{REGION}.amazonaws.com/{USER_POOL}:{CLIENT}"
BY_TOKEN = {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}
DENYING = {"Type": "Token", "AmbiguousRoleResolution": "Deny"}
WITHOUT_OWN_ROLE = {name: value for name, value in OUTPUTS.items() if name != Output.AUTH_ROLE_ARN}


def by_rule(match: str = "Equals", value: str = "blue", resolution: str = "AuthenticatedRole") -> dict[str, Any]:
    rule = {"Claim": "custom:team", "MatchType": match, "Value": value, "RoleARN": f"{ROLE}Team"}
    return {"Type": "Rules", "AmbiguousRoleResolution": resolution, "RulesConfiguration": {"Rules": [rule]}}


async def check_mapping(
    mapping: dict[str, Any] | None,
    *groups: tuple[str, int],
    user: bool = True,
    authenticated: str = "AuthRole",
    deleted: str = "",
    provider: str = PROVIDER,
    trusts: str = IDENTITY_POOL,
    **run: Any,
) -> Finding:
    """Run the check with this role mapping.

    Args:
        mapping: the mapping of the provider.
        groups: the role and the precedence of each group; a selected user is a member of all.
        user: whether the user is selected, whose ``custom:team`` is ``blue``.
        authenticated: the identity pool's role of signed-in users; empty for none.
        deleted: a role that does not exist.
        provider: the provider of the mapping.
        trusts: the identity pool that all roles trust.
        run: further arguments of the check's context.
    """
    condition = {"StringEquals": {"cognito-identity.amazonaws.com:aud": trusts}}
    trust = {"Statement": {"Effect": "Allow", "Principal": {"Federated": "*"}, "Condition": condition}}
    members = {
        "Groups": [
            {"GroupName": f"of-{role}", "UserPoolId": USER_POOL, "RoleArn": f"{ROLE}{role}", "Precedence": precedence}
            for role, precedence in groups
        ]
    }
    aws = StubbedAws(
        GetIdentityPoolRoles={
            "IdentityPoolId": IDENTITY_POOL,
            "Roles": {"authenticated": f"{ROLE}{authenticated}"} if authenticated else {},
            "RoleMappings": {provider: mapping} if mapping else {},
        },
        ListGroups=members,
        AdminListGroupsForUser=members,
        GetRole=lambda asked: (
            error("NoSuchEntity", 404)
            if asked["RoleName"] == deleted
            else {"Role": {"AssumeRolePolicyDocument": json.dumps(trust)}}
        ),
    )
    ada = PoolUser("ada", status="CONFIRMED", enabled=True, attributes={"custom:team": "blue"}, marker=None)
    return await run_check(MappingGivesARole, aws, fields={"pool_user": ada if user else None}, **run)


@pytest.mark.parametrize(
    ("mapping", "groups", "role"),
    [
        (None, [], "AuthRole"),
        (BY_TOKEN, [], "AuthRole"),
        (BY_TOKEN, [("Readers", 2), ("Editors", 1)], "Editors"),
        (DENYING, [("Readers", 2), ("Editors", 1)], "Editors"),
        (BY_TOKEN, [("Readers", 1), ("Editors", 1)], "AuthRole"),
        (by_rule(), [("Editors", 1)], "Team"),
        (by_rule("NotEqual", "red"), [], "Team"),
        (by_rule("StartsWith", "bl"), [], "Team"),
        (by_rule("Contains", "lu"), [], "Team"),
        (by_rule("Equals", "bl"), [], "AuthRole"),
        (by_rule("NotEqual", "blue"), [], "AuthRole"),
    ],
)
async def test_mapping_gives_the_user_a_role(
    mapping: dict[str, Any] | None, groups: list[tuple[str, int]], role: str
) -> None:
    assert (await check_mapping(mapping, *groups)).detail == role


@pytest.mark.parametrize(
    ("mapping", "groups", "cause", "remedy"),
    [
        (DENYING, [], "no group of the user has a role", "Add the user to a group with a role"),
        (
            DENYING,
            [("Readers", 1), ("Editors", 1)],
            "the user's groups have 2 roles and none comes first",
            "Give one of the user's groups a lower precedence number",
        ),
        (by_rule(value="red", resolution="Deny"), [], "no rule applies to the user", "Add a rule"),
    ],
)
async def test_denied_user_fails_and_the_fix_gives_auth_role(
    mapping: dict[str, Any], groups: list[tuple[str, int]], cause: str, remedy: str
) -> None:
    finding = await check_mapping(mapping, *groups)
    assert finding.status is Status.FAILED
    assert f"denies this user: {cause}" in str(finding.cause)
    (command,) = finding.safe_commands
    assert isinstance(command, AwsCommand)
    assert command.parameters["RoleMappings"] == {PROVIDER: mapping | {"AmbiguousRoleResolution": "AuthenticatedRole"}}
    manual = await check_mapping(mapping, *groups, deployment_ids=MANUAL)
    assert not manual.commands, "Deny may be intended"
    assert str(manual.fix).startswith(remedy)


async def test_every_role_is_checked_without_a_user() -> None:
    finding = await check_mapping(BY_TOKEN, ("Editors", 1), user=False)
    assert finding.detail == "AuthRole, Editors"
    assert (await check_mapping(by_rule(), user=False)).detail == "AuthRole, Team"
    assert (await check_mapping(DENYING, user=False)).status is Status.WARNING


async def test_mapping_of_another_app_client_is_ignored() -> None:
    assert (await check_mapping(DENYING, provider=f"{PROVIDER}other")).detail == "AuthRole"


async def test_group_of_another_environment_is_ignored() -> None:
    finding = await check_mapping(BY_TOKEN, ("Editors", 1), user=False, trusts=f"{REGION}:another")
    assert finding.detail == "AuthRole"


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"cognito:preferred_role": f"{ROLE}Editors"}, "Editors"),
        ({"cognito:roles": [f"{ROLE}Readers"]}, "Readers"),
        ({"cognito:roles": [f"{ROLE}Readers", f"{ROLE}Editors"]}, None),
    ],
)
async def test_claims_of_a_token_decide_instead_of_the_groups(claims: dict[str, Any], role: str | None) -> None:
    finding = await check_mapping(DENYING, ("Team", 1), selector=UserSelector(id_token=IdToken("", claims)))
    assert finding.detail == role


@pytest.mark.parametrize(("mapping", "user"), [(None, True), (BY_TOKEN, True), (BY_TOKEN, False)])
async def test_pool_without_auth_role_gets_the_stacks(mapping: dict[str, Any] | None, user: bool) -> None:
    finding = await check_mapping(mapping, authenticated="", user=user)
    assert finding.status is Status.FAILED
    (command,) = finding.safe_commands
    assert isinstance(command, AwsCommand)
    assert command.parameters["Roles"] == {"authenticated": OUTPUTS[Output.AUTH_ROLE_ARN]}
    manual = await check_mapping(mapping, authenticated="", user=user, outputs=WITHOUT_OWN_ROLE)
    assert "Create a role" in str(manual.fix)


async def test_deleted_auth_role_is_replaced_by_the_stacks() -> None:
    finding = await check_mapping(None, authenticated="Deleted", deleted="Deleted")
    assert "The role of signed-in users is Deleted, which does not exist" in str(finding.cause)
    assert finding.safe_commands
    assert "Create the role AuthRole again" in str((await check_mapping(None, deleted="AuthRole")).fix)


async def test_deleted_role_of_a_group_is_replaced_in_the_group() -> None:
    finding = await check_mapping(BY_TOKEN, ("Editors", 7), deleted="Editors")
    assert finding.resource == f"{ROLE}Editors"
    (command,) = finding.commands
    assert isinstance(command, AwsCommand)
    assert (command.operation, command.parameters) == (
        "UpdateGroup",
        {"GroupName": "of-Editors", "UserPoolId": USER_POOL, "RoleArn": f"{ROLE}AuthRole", "Precedence": 7},
    )
    assert not command.safe, "its users get other permissions"
    manual = await check_mapping(BY_TOKEN, ("Editors", 7), deleted="Editors", deployment_ids=MANUAL)
    assert manual.fix == "Create the role Editors again, or replace it with another role"


async def test_deleted_role_of_a_rule_is_replaced_in_the_rule() -> None:
    finding = await check_mapping(by_rule(), user=False, deleted="Team")
    assert "The role for custom:team Equals blue is Team, which does not exist" in str(finding.cause)
    (command,) = finding.commands
    assert isinstance(command, AwsCommand)
    (rule,) = command.parameters["RoleMappings"][PROVIDER]["RulesConfiguration"]["Rules"]
    assert rule["RoleARN"] == f"{ROLE}AuthRole"
    manual = await check_mapping(by_rule(), authenticated="", deleted="Team", outputs=WITHOUT_OWN_ROLE)
    assert "replace it with another role" in str(manual.fix)
