"""The policies and the control-plane guard of AuthRole and of the groups' roles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pubsub_cli.checks.roles import GroupRolesHoldThePolicies, RoleHoldsThePolicies, RolesAreGuarded
from pubsub_cli.finding import Finding, Status
from pubsub_client.outputs import LEAST_PRIVILEGE, MANAGED_POLICIES, Output
from tests.unit.pubsub_cli.checks.answers import IDENTITY_POOL, OUTPUTS, USER_POOL, Answers, error, find

PREFIX = "arn:aws:iam::123456789012:policy"
BOUNDARY, DENY = f"{PREFIX}/Stack-SignedInBoundary", f"{PREFIX}/Stack-ControlPlaneDeny"
CONFIG_ACCESS = "AWSIoTConfigAccess"
MAPPING = {f"cognito-idp.eu-west-1.amazonaws.com/{USER_POOL}": {"Type": "Token"}}
TRUST = {
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Federated": "cognito-identity.amazonaws.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": IDENTITY_POOL}},
    }
}


def outputs(mode: str) -> dict[str, str]:
    return {**OUTPUTS, Output.ACCESS_MODE: mode}


def account(
    roles: dict[str, list[str]], guards: tuple[str, ...] = (), boundaries: dict[str, str] | None = None
) -> Answers:
    """Return an AWS with AuthRole, and the role of group editors if it is among the roles, by their policies."""

    def attached(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["RoleName"] not in roles:
            return error("NoSuchEntity", 404)
        names = roles[asked["RoleName"]]
        return {"AttachedPolicies": [{"PolicyName": each, "PolicyArn": f"{PREFIX}/{each}"} for each in names]}

    def role(asked: dict[str, Any]) -> dict[str, Any]:
        arn = (boundaries or {}).get(asked["RoleName"])
        bounded = {"PermissionsBoundary": {"PermissionsBoundaryArn": arn}} if arn else {}
        return {"Role": {"AssumeRolePolicyDocument": json.dumps(TRUST), **bounded}}

    logical_ids = {BOUNDARY: "SignedInBoundary1", DENY: "ControlPlaneDeny1"}
    summaries = [
        {"LogicalResourceId": logical_ids[arn], "PhysicalResourceId": arn, "ResourceType": "AWS::IAM::ManagedPolicy"}
        for arn in guards
    ]
    group = {"GroupName": "editors", "RoleArn": "arn:aws:iam::123456789012:role/Editors"}
    return Answers(
        ListAttachedRolePolicies=attached,
        GetRole=role,
        ListStackResources={"StackResourceSummaries": summaries},
        GetIdentityPoolRoles={"RoleMappings": MAPPING if len(roles) != 1 or "AuthRole" not in roles else {}},
        ListGroups={"Groups": [group]},
    )


async def check_guard(
    roles: dict[str, list[str]],
    guards: tuple[str, ...] = (BOUNDARY,),
    boundaries: dict[str, str] | None = None,
    mode: str = "guarded",
) -> Finding:
    return await find(RolesAreGuarded, account(roles, guards, boundaries), outputs=outputs(mode))


async def test_bounded_roles_pass() -> None:
    finding = await check_guard({"AuthRole": [], "Editors": []}, boundaries={"AuthRole": BOUNDARY, "Editors": BOUNDARY})
    assert finding.detail == "boundary Stack-SignedInBoundary: AuthRole, Editors"


@pytest.mark.parametrize(("other", "safe"), [(None, True), (f"{PREFIX}/Other", False)])
async def test_role_of_a_group_without_the_boundary_gets_it(other: str | None, safe: bool) -> None:
    boundaries = {"AuthRole": BOUNDARY, **({"Editors": other} if other else {})}
    finding = await check_guard({"AuthRole": [], "Editors": []}, boundaries=boundaries)
    assert "The role of group editors has" in str(finding.cause)
    assert str(finding.fix) == (
        f"aws iam put-role-permissions-boundary --role-name Editors --permissions-boundary {BOUNDARY}"
    )
    assert bool(finding.safe_commands) is safe


async def test_role_without_the_deny_policy_gets_it() -> None:
    passed = await check_guard({"AuthRole": ["Stack-ControlPlaneDeny"]}, (DENY,))
    assert passed.detail == "deny Stack-ControlPlaneDeny: AuthRole"
    finding = await check_guard({"AuthRole": []}, (DENY,))
    assert str(finding.fix) == f"aws iam attach-role-policy --role-name AuthRole --policy-arn {DENY}"


async def test_stack_without_a_guard_is_restored() -> None:
    finding = await check_guard({"AuthRole": []}, ())
    assert "cdk deploy --revert-drift" in str(finding.fix)


async def test_least_privilege_role_must_not_hold_config_access() -> None:
    finding = await check_guard({"AuthRole": [CONFIG_ACCESS]}, (), mode=LEAST_PRIVILEGE)
    assert f"AuthRole holds {CONFIG_ACCESS}" in str(finding.cause)
    assert str(finding.fix).startswith("aws iam detach-role-policy")
    denied = await check_guard({"AuthRole": [CONFIG_ACCESS, "Other-ControlPlaneDeny"]}, (), mode=LEAST_PRIVILEGE)
    assert denied.status is Status.PASSED
    assert (await check_guard({"AuthRole": []}, (), mode=LEAST_PRIVILEGE)).detail == "no control plane: AuthRole"


async def test_unguarded_mode_and_deleted_roles_have_no_guard_to_check() -> None:
    assert (await check_guard({"AuthRole": []}, mode="unguarded")).not_applicable
    assert (await check_guard({})).not_applicable


async def test_managed_policies_that_auth_role_lacks_are_attached() -> None:
    finding = await find(RoleHoldsThePolicies, account({"AuthRole": [MANAGED_POLICIES[0]]}), outputs=outputs("guarded"))
    assert "AuthRole lacks AWSIoTConfigAccess" in str(finding.cause)
    (command,) = finding.safe_commands
    assert str(command).endswith("--policy-arn arn:aws:iam::aws:policy/AWSIoTConfigAccess")
    complete = account({"AuthRole": [*MANAGED_POLICIES]})
    assert (await find(RoleHoldsThePolicies, complete, outputs=outputs("guarded"))).status is Status.PASSED


async def test_deleted_auth_role_is_left_to_the_role_mapping() -> None:
    finding = await find(RoleHoldsThePolicies, account({}), outputs=outputs("guarded"))
    assert finding.not_applicable
    assert "PS304" in str(finding.cause)


@pytest.mark.parametrize("mode", ["guarded", LEAST_PRIVILEGE])
async def test_deleted_role_of_a_group_fails_with_the_group(mode: str) -> None:
    finding = await find(GroupRolesHoldThePolicies, account({}), outputs=outputs(mode))
    assert finding.status is Status.FAILED
    assert "delete-group" in str(finding.fix)
    assert "--group-name editors" in str(finding.fix)


@pytest.mark.parametrize("check", [RoleHoldsThePolicies, GroupRolesHoldThePolicies])
async def test_least_privilege_has_no_managed_policies_to_check(check: Any) -> None:
    roles: dict[str, list[str]] = {"AuthRole": [], "Editors": []}
    assert (await find(check, account(roles), outputs=outputs(LEAST_PRIVILEGE))).not_applicable
