from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.options import IdToken, UserSelector
from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.finding import Status
from pubsub_client.outputs import Output
from tests.integration.pubsub_cli.checks.conftest import Deployment, apply_fix, run_checks

BY_TOKEN = {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}
DENYING = {"Type": "Token", "AmbiguousRoleResolution": "Deny"}


def by_rule(
    deployment: Deployment, role: str, resolution: str = "AuthenticatedRole", value: str = "x"
) -> dict[str, Any]:
    rule = {"Claim": "custom:team", "MatchType": "Equals", "Value": value, "RoleARN": deployment.role_arn(role)}
    return {"Type": "Rules", "AmbiguousRoleResolution": resolution, "RulesConfiguration": {"Rules": [rule]}}


async def test_pool_without_a_mapping_gives_the_role_of_signed_in_users(deployment: Deployment) -> None:
    context = deployment.context()
    finding = await run_checks(context, MappingGivesARole)
    assert finding.detail == deployment.role
    assert [each.arn for each in context.roles] == [deployment.role_arn(deployment.role)]


async def test_pool_with_only_roles_of_groups_fails(deployment: Deployment) -> None:
    deployment.set_roles(mapping=BY_TOKEN)
    for user in (True, False):
        finding = await run_checks(deployment.context(user=user, identity=user), MappingGivesARole)
        assert finding.status is Status.FAILED
        assert "has no role for" in str(finding.cause)


async def test_pool_that_lost_the_stack_s_role_gets_it_back(deployment: Deployment) -> None:
    deployment.set_roles()
    context = deployment.context()
    context.outputs[Output.AUTH_ROLE_ARN] = deployment.role_arn(deployment.role)
    finding = await run_checks(context, MappingGivesARole)
    assert finding.status is Status.FAILED
    assert "has no role for signed-in users" in str(finding.cause)
    assert finding.safe_commands
    apply_fix(deployment, finding)
    assert (await run_checks(deployment.context(), MappingGivesARole)).detail == deployment.role


async def test_deleted_role_fails(deployment: Deployment) -> None:
    deployment.set_roles(authenticated="deleted")
    finding = await run_checks(deployment.context(), MappingGivesARole)
    assert finding.status is Status.FAILED
    assert finding.resource == deployment.role_arn("deleted")
    assert "does not exist" in str(finding.cause)


async def test_user_gets_the_role_of_the_first_group(deployment: Deployment) -> None:
    first, second = deployment.make_role(), deployment.make_role()
    deployment.set_roles(authenticated=deployment.role, mapping=BY_TOKEN)
    deployment.make_group(second, precedence=2)
    deployment.make_group(first, precedence=1)
    assert (await run_checks(deployment.context(), MappingGivesARole)).detail == first


async def test_every_role_is_checked_without_a_user(deployment: Deployment) -> None:
    group_role = deployment.make_role()
    deployment.set_roles(authenticated=deployment.role, mapping=BY_TOKEN)
    deployment.make_group(group_role, with_user=False)
    finding = await run_checks(deployment.context(user=False, identity=False), MappingGivesARole)
    assert finding.detail == f"{deployment.role}, {group_role}"


async def test_user_without_a_group_is_denied_and_the_fix_resolves_it(
    deployment: Deployment,
) -> None:
    deployment.set_roles(authenticated=deployment.role, mapping=DENYING)
    finding = await run_checks(deployment.context(), MappingGivesARole)
    assert finding.status is Status.FAILED
    assert "no group of the user has a role, and its AmbiguousRoleResolution is Deny" in str(finding.cause)
    assert not finding.safe_commands, "Deny may be intended"
    apply_fix(deployment, finding)
    assert (await run_checks(deployment.context(), MappingGivesARole)).detail == deployment.role


async def test_groups_of_the_same_precedence_are_ambiguous(deployment: Deployment) -> None:
    first, second = deployment.make_role(), deployment.make_role()
    deployment.set_roles(authenticated=deployment.role, mapping=DENYING)
    for role in (first, second):
        deployment.make_group(role)
    finding = await run_checks(deployment.context(), MappingGivesARole)
    assert finding.status is Status.FAILED
    assert "have 2 roles and none comes first" in str(finding.cause)
    deployment.set_roles(authenticated=deployment.role, mapping=BY_TOKEN)
    assert (await run_checks(deployment.context(), MappingGivesARole)).detail == deployment.role


async def test_denying_mapping_is_a_warning_without_a_user(deployment: Deployment) -> None:
    deployment.set_roles(authenticated=deployment.role, mapping=DENYING)
    finding = await run_checks(deployment.context(user=False, identity=False), MappingGivesARole)
    assert finding.status is Status.WARNING


async def test_group_with_a_deleted_role_gets_another(deployment: Deployment) -> None:
    deployment.set_roles(authenticated=deployment.role, mapping=BY_TOKEN)
    role = deployment.make_role()
    group = deployment.make_group(role, precedence=7)
    deployment.aws.iam.delete_role(RoleName=role)
    finding = await run_checks(deployment.context(), MappingGivesARole)
    assert finding.status is Status.FAILED
    assert finding.resource == deployment.role_arn(role)
    assert not finding.safe_commands, "its users get other permissions"
    apply_fix(deployment, finding)
    updated = deployment.aws.user_pools.get_group(UserPoolId=deployment.user_pool_id, GroupName=group)["Group"]
    assert (updated["RoleArn"], updated["Precedence"]) == (deployment.role_arn(deployment.role), 7)
    assert (await run_checks(deployment.context(), MappingGivesARole)).status is Status.PASSED


@pytest.mark.parametrize("resolution", ["AuthenticatedRole", "Deny"])
async def test_rule_gives_its_role_to_users_it_applies_to(deployment: Deployment, resolution: str) -> None:
    other = deployment.make_role()
    deployment.set_roles(authenticated=deployment.role, mapping=by_rule(deployment, other, resolution, "blue"))
    context = deployment.context()
    assert context.pool_user
    finding = await run_checks(context, MappingGivesARole)
    if resolution == "Deny":
        assert "no rule applies to the user" in str(finding.cause)
    else:
        assert finding.detail == deployment.role
    deployment.aws.user_pools.add_custom_attributes(
        UserPoolId=deployment.user_pool_id,
        CustomAttributes=[{"Name": "team", "AttributeDataType": "String", "Mutable": True}],
    )
    deployment.aws.user_pools.admin_update_user_attributes(
        UserPoolId=deployment.user_pool_id,
        Username=deployment.user,
        UserAttributes=[{"Name": "custom:team", "Value": "blue"}],
    )
    assert (await run_checks(deployment.context(), MappingGivesARole)).detail == other


async def test_rule_with_a_deleted_role_fails(deployment: Deployment) -> None:
    deployment.set_roles(authenticated=deployment.role, mapping=by_rule(deployment, "deleted"))
    finding = await run_checks(deployment.context(user=False, identity=False), MappingGivesARole)
    assert finding.status is Status.FAILED
    assert "The role for custom:team Equals x is deleted, which does not exist" in str(finding.cause)


async def test_role_of_the_token_overrides_the_groups(deployment: Deployment) -> None:
    preferred = deployment.make_role()
    deployment.set_roles(authenticated=deployment.role, mapping=BY_TOKEN)
    context = deployment.context(user=False)
    context.selector = UserSelector(id_token=IdToken("", {"cognito:preferred_role": deployment.role_arn(preferred)}))
    assert (await run_checks(context, MappingGivesARole)).detail == preferred


async def test_only_role_of_a_token_is_used_without_a_preferred_one(deployment: Deployment) -> None:
    alone, other = deployment.make_role(), deployment.make_role()
    deployment.set_roles(authenticated=deployment.role, mapping=DENYING)
    context = deployment.context()
    context.selector = UserSelector(id_token=IdToken("", {"cognito:roles": [deployment.role_arn(alone)]}))
    assert (await run_checks(context, MappingGivesARole)).detail == alone
    roles = [deployment.role_arn(each) for each in (alone, other)]
    context.selector = UserSelector(id_token=IdToken("", {"cognito:roles": roles}))
    assert (await run_checks(context, MappingGivesARole)).status is Status.FAILED


async def test_mapping_of_another_app_client_is_ignored(deployment: Deployment) -> None:
    deployment.aws.identity_pools.set_identity_pool_roles(
        IdentityPoolId=deployment.identity_pool_id,
        Roles={"authenticated": deployment.role_arn(deployment.role)},
        RoleMappings={f"{deployment.provider}other": {"Type": "Token", "AmbiguousRoleResolution": "Deny"}},
    )
    assert (await run_checks(deployment.context(), MappingGivesARole)).detail == deployment.role
