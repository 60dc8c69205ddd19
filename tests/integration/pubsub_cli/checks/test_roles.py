"""PS303 and PS305: the policies and the trust of the roles that signed-in users get."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pubsub_cli.checks.context import Context
from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.checks.roles import GroupRolesHoldThePolicies, RoleTrustsThePool
from pubsub_cli.finding import Finding, Status
from pubsub_client.outputs import Output
from tests.integration.pubsub_cli.checks.conftest import COGNITO, Deployment, apply_fix, run_checks

ANOTHER = "us-east-1:99999999-8888-7777-6666-555555555555"
LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


async def check_trust(deployment: Deployment, trust: dict[str, Any]) -> Finding:
    deployment.set_roles(authenticated=deployment.make_role(trust=trust))
    return await run_checks(deployment.context(), MappingGivesARole, RoleTrustsThePool)


async def test_role_of_a_healthy_deployment_trusts_the_pool(deployment: Deployment) -> None:
    finding = await run_checks(deployment.context(), MappingGivesARole, RoleTrustsThePool)
    assert finding.status is Status.PASSED
    assert finding.detail == deployment.role


@pytest.mark.parametrize(
    ("trust", "cause"),
    [
        (lambda each: each.trust(ANOTHER), f"aud to be {ANOTHER} (StringEquals), but it is"),
        (lambda each: each.trust(amr="unauthenticated"), "amr to be unauthenticated (ForAnyValue:StringLike)"),
        (
            lambda _: {"Version": "2012-10-17", "Statement": [LAMBDA]},
            f"has no principal Federated: {COGNITO}",
        ),
        (
            lambda each: {"Statement": [{**each.trust()["Statement"][0], "Action": "sts:AssumeRole"}]},
            f"does not allow {COGNITO} the action sts:AssumeRoleWithWebIdentity",
        ),
    ],
)
async def test_trust_policy_of_others_is_shown_what_it_lacks(
    deployment: Deployment, trust: Callable[[Deployment], dict[str, Any]], cause: str
) -> None:
    finding = await check_trust(deployment, trust(deployment))
    assert finding.status is Status.FAILED
    assert cause in str(finding.cause)
    assert not finding.commands, "others may rely on the trust policy"
    right = json.loads(str(finding.fix).partition("denies it: ")[2])
    assert (await check_trust(deployment, right)).status is Status.PASSED


@pytest.mark.parametrize("amr", ["cognito-idp.us-east-1.amazonaws.com/{}", "cognito-idp.*/{}:CognitoSignIn:*"])
async def test_trust_can_depend_on_the_user_pool_of_the_sign_in(deployment: Deployment, amr: str) -> None:
    by_this, by_another = (amr.format(each) for each in (deployment.user_pool_id, "us-east-1_another"))
    assert (await check_trust(deployment, deployment.trust(amr=by_this))).status is Status.PASSED
    assert (await check_trust(deployment, deployment.trust(amr=by_another))).status is Status.FAILED


async def test_trust_policy_of_the_stack_s_role_is_restored(deployment: Deployment) -> None:
    role = deployment.make_role(trust={"Version": "2012-10-17", "Statement": [LAMBDA]})
    deployment.set_roles(authenticated=role)
    context = deployment.context()
    context.outputs[Output.AUTH_ROLE_ARN] = deployment.role_arn(role)
    finding = await run_checks(context, MappingGivesARole, RoleTrustsThePool)
    assert finding.safe_commands
    apply_fix(deployment, finding)
    made: Any = deployment.aws.iam.get_role(RoleName=role)["Role"]
    assert made["AssumeRolePolicyDocument"] == deployment.trust()


async def test_statement_that_denies_is_quoted(deployment: Deployment) -> None:
    deny = {"Effect": "Deny", "Principal": {"Federated": COGNITO}, "Action": "sts:*"}
    trust = {"Version": "2012-10-17", "Statement": [*deployment.trust()["Statement"], deny]}
    finding = await check_trust(deployment, trust)
    assert finding.status is Status.FAILED
    assert '"Effect":"Deny"' in str(finding.cause)
    assert not finding.commands


async def test_unknown_condition_counts_as_met(deployment: Deployment) -> None:
    trust = deployment.trust()
    trust["Statement"][0]["Condition"]["IpAddress"] = {"aws:SourceIp": "10.0.0.0/8"}
    assert (await check_trust(deployment, trust)).status is Status.PASSED


BY_TOKEN = {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}

BY_RULE = {
    "Type": "Rules",
    "AmbiguousRoleResolution": "AuthenticatedRole",
    "RulesConfiguration": {
        "Rules": [
            {
                "Claim": "custom:team",
                "MatchType": "Equals",
                "Value": "x",
                "RoleARN": "arn:aws:iam::000000000000:role/team-x",
            }
        ]
    },
}


def stack_context(deployment: Deployment) -> Context:
    context = deployment.context()
    context.outputs[Output.AUTH_ROLE_ARN] = deployment.role_arn(deployment.role)
    context.outputs[Output.ACCESS_MODE] = "unguarded"
    return context


async def test_role_of_a_group_must_hold_the_policies(deployment: Deployment) -> None:
    deployment.set_roles(authenticated=deployment.role, mapping=BY_TOKEN)
    group = deployment.make_group(deployment.make_role())
    context = stack_context(deployment)
    finding = await run_checks(context, GroupRolesHoldThePolicies)
    assert finding.status is Status.FAILED
    assert f"The role of group {group} lacks" in str(finding.cause)
    assert list(context.group_roles) == [group]


@pytest.mark.parametrize("mapping", [None, BY_RULE])
async def test_groups_are_ignored_if_no_user_gets_their_roles(
    deployment: Deployment, mapping: dict[str, Any] | None
) -> None:
    deployment.set_roles(authenticated=deployment.role, mapping=mapping)
    deployment.make_group(deployment.make_role())
    context = stack_context(deployment)
    finding = await run_checks(context, GroupRolesHoldThePolicies)
    assert (finding.status, finding.detail) == (Status.PASSED, "no user gets a group's role")
    assert context.group_roles == {}


async def test_groups_of_another_environment_are_ignored(deployment: Deployment) -> None:
    deployment.set_roles(authenticated=deployment.role, mapping=BY_TOKEN)
    deployment.make_group(deployment.make_role(trust=deployment.trust(ANOTHER)), with_user=False)
    context = stack_context(deployment)
    assert (await run_checks(context, GroupRolesHoldThePolicies)).status is Status.PASSED
    assert context.group_roles == {}
    nobody = deployment.context(user=False, identity=False)
    assert (await run_checks(nobody, MappingGivesARole, RoleTrustsThePool)).detail == deployment.role
