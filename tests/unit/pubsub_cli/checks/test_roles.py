"""The policies, the control-plane guard and the trust policies of AuthRole and of the groups' roles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pubsub_cli.checks.context import RoleInUse
from pubsub_cli.checks.roles import (
    GroupRolesHoldThePolicies,
    RoleHoldsThePolicies,
    RolesAreGuarded,
    RoleTrustsThePool,
)
from pubsub_cli.finding import Finding, Status
from pubsub_client.outputs import LEAST_PRIVILEGE, MANAGED_POLICIES, Output
from tests.unit.pubsub_cli.checks.stubbed_aws import IDENTITY_POOL, OUTPUTS, USER_POOL, StubbedAws, error, run_check

PREFIX = "arn:aws:iam::123456789012:policy"
BOUNDARY, DENY = f"{PREFIX}/Stack-SignedInBoundary", f"{PREFIX}/Stack-ControlPlaneDeny"
CONFIG_ACCESS = "AWSIoTConfigAccess"
COGNITO = "cognito-identity.amazonaws.com"
ANOTHER = "eu-west-1:99999999-8888-7777-6666-555555555555"
LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
DENY_COGNITO = {"Effect": "Deny", "Principal": {"Federated": COGNITO}, "Action": "sts:*"}
AUTH_ROLE = OUTPUTS[Output.AUTH_ROLE_ARN]


def trust(pool_id: str = IDENTITY_POOL, amr: str = "authenticated", **changes: Any) -> dict[str, Any]:
    """Return the statement that lets users of an identity pool assume a role."""
    condition = {"StringEquals": {f"{COGNITO}:aud": pool_id}, "ForAnyValue:StringLike": {f"{COGNITO}:amr": amr}}
    return {
        "Effect": "Allow",
        "Principal": {"Federated": COGNITO},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition,
        **changes,
    }


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def outputs(mode: str) -> dict[str, str]:
    return {**OUTPUTS, Output.ACCESS_MODE: mode}


def account(
    roles: dict[str, list[str]],
    guards: tuple[str, ...] = (),
    boundaries: dict[str, str] | None = None,
    mapping: str | None = "Token",
    trusts: str = IDENTITY_POOL,
) -> StubbedAws:
    """Return an AWS with AuthRole and the role of group editors; ``roles`` has the policies of those that exist."""

    def attached(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["RoleName"] not in roles:
            return error("NoSuchEntity", 404)
        names = roles[asked["RoleName"]]
        return {"AttachedPolicies": [{"PolicyName": each, "PolicyArn": f"{PREFIX}/{each}"} for each in names]}

    def role(asked: dict[str, Any]) -> dict[str, Any]:
        arn = (boundaries or {}).get(asked["RoleName"])
        bounded = {"PermissionsBoundary": {"PermissionsBoundaryArn": arn}} if arn else {}
        return {"Role": {"AssumeRolePolicyDocument": document(trust(trusts)), **bounded}}

    logical_ids = {BOUNDARY: "SignedInBoundary1", DENY: "ControlPlaneDeny1"}
    summaries = [
        {"LogicalResourceId": logical_ids[arn], "PhysicalResourceId": arn, "ResourceType": "AWS::IAM::ManagedPolicy"}
        for arn in guards
    ]
    group = {"GroupName": "editors", "RoleArn": "arn:aws:iam::123456789012:role/Editors"}
    return StubbedAws(
        ListAttachedRolePolicies=attached,
        GetRole=role,
        ListStackResources={"StackResourceSummaries": summaries},
        GetIdentityPoolRoles={
            "RoleMappings": {f"cognito-idp.eu-west-1.amazonaws.com/{USER_POOL}": {"Type": mapping}} if mapping else {}
        },
        ListGroups={"Groups": [group]},
    )


async def check_guard(
    roles: dict[str, list[str]],
    guards: tuple[str, ...] = (BOUNDARY,),
    boundaries: dict[str, str] | None = None,
    mode: str = "guarded",
) -> Finding:
    return await run_check(RolesAreGuarded, account(roles, guards, boundaries), outputs=outputs(mode))


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
    finding = await run_check(
        RoleHoldsThePolicies, account({"AuthRole": [MANAGED_POLICIES[0]]}), outputs=outputs("guarded")
    )
    assert "AuthRole lacks AWSIoTConfigAccess" in str(finding.cause)
    (command,) = finding.safe_commands
    assert str(command).endswith("--policy-arn arn:aws:iam::aws:policy/AWSIoTConfigAccess")
    complete = account({"AuthRole": [*MANAGED_POLICIES]})
    assert (await run_check(RoleHoldsThePolicies, complete, outputs=outputs("guarded"))).status is Status.PASSED


async def test_deleted_auth_role_is_left_to_the_role_mapping() -> None:
    finding = await run_check(RoleHoldsThePolicies, account({}), outputs=outputs("guarded"))
    assert finding.not_applicable
    assert "PS304" in str(finding.cause)


@pytest.mark.parametrize("mode", ["guarded", LEAST_PRIVILEGE])
async def test_deleted_role_of_a_group_fails_with_the_group(mode: str) -> None:
    finding = await run_check(GroupRolesHoldThePolicies, account({}), outputs=outputs(mode))
    assert finding.status is Status.FAILED
    assert "delete-group" in str(finding.fix)
    assert "--group-name editors" in str(finding.fix)


@pytest.mark.parametrize("check", [RoleHoldsThePolicies, GroupRolesHoldThePolicies])
async def test_least_privilege_has_no_managed_policies_to_check(check: Any) -> None:
    roles: dict[str, list[str]] = {"AuthRole": [], "Editors": []}
    assert (await run_check(check, account(roles), outputs=outputs(LEAST_PRIVILEGE))).not_applicable


@pytest.mark.parametrize("mapping", [None, "Rules"])
async def test_groups_are_ignored_if_no_user_gets_their_roles(mapping: str | None) -> None:
    aws = account({"AuthRole": [], "Editors": []}, mapping=mapping)
    finding = await run_check(GroupRolesHoldThePolicies, aws, outputs=outputs("guarded"))
    assert (finding.not_applicable, finding.cause) == (True, "no user gets a group's role")


async def test_role_of_a_group_must_hold_the_policies_if_it_trusts_the_pool() -> None:
    roles: dict[str, list[str]] = {"AuthRole": [], "Editors": []}
    finding = await run_check(GroupRolesHoldThePolicies, account(roles), outputs=outputs("guarded"))
    assert "The role of group editors lacks" in str(finding.cause)
    assert len(finding.safe_commands) == 2
    elsewhere = await run_check(GroupRolesHoldThePolicies, account(roles, trusts=ANOTHER), outputs=outputs("guarded"))
    assert elsewhere.not_applicable


async def check_trust(
    policy: str, role: str = "arn:aws:iam::123456789012:role/Other", tags: dict[str, Any] | None = None
) -> Finding:
    aws = StubbedAws(
        GetRole={"Role": {"AssumeRolePolicyDocument": policy}},
        GetPrincipalTagAttributeMap=tags or {"PrincipalTags": {}},
    )
    return await run_check(RoleTrustsThePool, aws, fields={"roles": (RoleInUse(role, "The role of signed-in users"),)})


@pytest.mark.parametrize(
    "statement",
    [
        trust(),
        trust(amr=f"cognito-idp.eu-west-1.amazonaws.com/{USER_POOL}"),
        trust(amr=f"cognito-idp.*/{USER_POOL}:CognitoSignIn:*"),
    ],
    ids=["deployed", "user pool", "user pool and sign-in"],
)
async def test_trust_policy_that_includes_the_users_passes(statement: dict[str, Any]) -> None:
    assert (await check_trust(document(LAMBDA, statement))).detail == "Other"


_ON_ADDRESS = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}


@pytest.mark.parametrize(
    ("statements", "status"),
    [
        ([trust(Condition={**trust()["Condition"], **_ON_ADDRESS})], Status.UNKNOWN),
        ([trust(), DENY_COGNITO | {"Condition": _ON_ADDRESS}], Status.UNKNOWN),
        ([trust(Condition={**trust()["Condition"], **_ON_ADDRESS}), trust()], Status.PASSED),
        ([trust(Condition={**trust(ANOTHER)["Condition"], **_ON_ADDRESS})], Status.FAILED),
        ([trust(Condition={**trust()["Condition"], **_ON_ADDRESS}), DENY_COGNITO], Status.FAILED),
    ],
    ids=["allow", "deny", "another statement allows", "another pool", "denied anyway"],
)
async def test_trust_policy_that_an_unknown_condition_decides_is_unknown(
    statements: list[dict[str, Any]], status: Status
) -> None:
    finding = await check_trust(document(*statements))
    assert finding.status is status
    if status is Status.UNKNOWN:
        assert "has a condition on aws:SourceIp, and the value is not known" in str(finding.cause)
        assert not finding.blocks


async def test_unknown_permission_to_tag_sessions_is_unknown() -> None:
    tags = {"PrincipalTags": {"firm": "custom:firm"}}
    tagging = trust(Action="sts:TagSession", Condition={**trust()["Condition"], **_ON_ADDRESS})
    assert (await check_trust(document(trust(), tagging), tags=tags)).status is Status.UNKNOWN
    assert (await check_trust(document(trust(), tagging))).status is Status.PASSED


@pytest.mark.parametrize(
    ("statements", "cause"),
    [
        ([trust(ANOTHER)], f"aud to be {ANOTHER} (StringEquals), but it is"),
        ([trust(amr="unauthenticated")], "amr to be unauthenticated (ForAnyValue:StringLike)"),
        ([trust(amr="cognito-idp.eu-west-1.amazonaws.com/eu-west-1_another")], "amr to be cognito-idp"),
        (
            [trust(Condition={"ForAnyValue:StringLike": {"cognito-identity.amazon.com:amr": "authenticated"}})],
            "requires cognito-identity.amazon.com:amr to be authenticated (ForAnyValue:StringLike), but it is absent",
        ),
        ([trust(Condition={"StringEquals": {"accounts.google.com:aud": "app"}})], "google.com:aud to be app"),
        ([LAMBDA], f"has no principal Federated: {COGNITO}"),
        ([trust(Action="sts:AssumeRole")], f"does not allow {COGNITO} the action sts:AssumeRoleWithWebIdentity"),
        ([trust(), DENY_COGNITO], 'denies it: {"Effect":"Deny"'),
    ],
)
async def test_trust_policy_that_excludes_the_users_fails(statements: list[dict[str, Any]], cause: str) -> None:
    finding = await check_trust(document(*statements))
    assert cause in str(finding.cause)
    assert not finding.commands, "others may rely on the trust policy"
    shown = json.loads(str(finding.fix).partition("remove any that denies it: ")[2])
    assert (await check_trust(document(shown))).status is Status.PASSED
    of_stack = await check_trust(document(*statements), AUTH_ROLE)
    assert [str(each).split()[2] for each in of_stack.safe_commands] == ["update-assume-role-policy"]


@pytest.mark.parametrize("tags", [{"PrincipalTags": {"firm": "custom:firm"}}, {"UseDefaults": True}])
async def test_trust_policy_must_allow_session_tags_if_the_pool_has_principal_tags(tags: dict[str, Any]) -> None:
    finding = await check_trust(document(trust()), tags=tags)
    assert f"does not allow {COGNITO} the action sts:TagSession" in str(finding.cause)
    shown = json.loads(str(finding.fix).partition("remove any that denies it: ")[2])
    assert "sts:TagSession" in shown["Action"]
    assert (await check_trust(document(shown), tags=tags)).status is Status.PASSED
    separate = document(trust(), trust(Action="sts:TagSession"))
    assert (await check_trust(separate, tags=tags)).status is Status.PASSED


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("ResourceNotFoundException", "Other"),
        ("AccessDeniedException", "Other, without sts:TagSession, because the principal tags are not readable"),
    ],
)
async def test_result_states_that_principal_tags_are_not_readable(code: str, detail: str) -> None:
    finding = await check_trust(document(trust()), tags=error(code, 400))
    assert (finding.status, finding.detail) == (Status.PASSED, detail)
