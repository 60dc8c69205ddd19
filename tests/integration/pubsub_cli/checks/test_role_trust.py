from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.checks.role_trust import RoleTrustsThePool
from pubsub_cli.finding import Finding, Status
from tests.integration.pubsub_cli.checks.conftest import COGNITO, Deployment, look, mend

ANOTHER = "us-east-1:99999999-8888-7777-6666-555555555555"
LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


async def look_at(deployment: Deployment, trust: dict[str, Any]) -> Finding:
    deployment.set_roles(authenticated=deployment.make_role(trust=trust))
    return await look(deployment.context(), MappingGivesARole, RoleTrustsThePool)


async def test_the_role_of_a_healthy_deployment_trusts_it(deployment: Deployment) -> None:
    finding = await look(deployment.context(), MappingGivesARole, RoleTrustsThePool)
    assert finding.status is Status.PASSED
    assert finding.detail == deployment.role


@pytest.mark.parametrize(
    ("trust", "said"),
    [
        (lambda each: each.trust(ANOTHER), f"aud to be {ANOTHER} (StringEquals), and it is"),
        (lambda each: each.trust(amr="unauthenticated"), "amr to be unauthenticated (ForAnyValue:StringLike)"),
        (lambda _: {"Version": "2012-10-17", "Statement": [LAMBDA]}, f"names no principal Federated: {COGNITO}"),
        (
            lambda each: {"Statement": [{**each.trust()["Statement"][0], "Action": "sts:AssumeRole"}]},
            f"does not allow {COGNITO} the action sts:AssumeRoleWithWebIdentity",
        ),
    ],
)
async def test_what_keeps_users_off_the_role_is_told_and_mended(
    deployment: Deployment, trust: Callable[[Deployment], dict[str, Any]], said: str
) -> None:
    finding = await look_at(deployment, trust(deployment))
    assert finding.status is Status.FAILED
    assert said in str(finding.cause)
    assert not finding.safe_commands, "others may have made the trust policy for more than this"
    mend(deployment, finding)
    again = await look(deployment.context(), MappingGivesARole, RoleTrustsThePool)
    assert again.status is Status.PASSED


@pytest.mark.parametrize("amr", ["cognito-idp.us-east-1.amazonaws.com/{}", "cognito-idp.*/{}:CognitoSignIn:*"])
async def test_a_role_for_who_has_signed_in_by_this_user_pool_trusts_them(deployment: Deployment, amr: str) -> None:
    by_this, by_another = (amr.format(each) for each in (deployment.user_pool_id, "us-east-1_another"))
    assert (await look_at(deployment, deployment.trust(amr=by_this))).status is Status.PASSED
    assert (await look_at(deployment, deployment.trust(amr=by_another))).status is Status.FAILED


async def test_the_fix_keeps_whom_the_role_trusts_else_and_drops_this_pools_guests(deployment: Deployment) -> None:
    guests, other = deployment.trust(amr="unauthenticated"), deployment.trust(ANOTHER)
    trust = {"Version": "2012-10-17", "Statement": [LAMBDA, *guests["Statement"], *other["Statement"]]}
    mend(deployment, await look_at(deployment, trust))
    role = deployment.aws.identity_pools.get_identity_pool_roles(IdentityPoolId=deployment.identity_pool_id)["Roles"]
    made: Any = deployment.aws.iam.get_role(RoleName=role["authenticated"].rpartition("/")[2])["Role"]
    assert made["AssumeRolePolicyDocument"]["Statement"] == [
        LAMBDA,
        *other["Statement"],
        *deployment.trust()["Statement"],
    ]


async def test_the_fix_keeps_what_names_no_identity_pool_and_what_else_was_allowed(deployment: Deployment) -> None:
    (of_all,) = deployment.trust(amr="unauthenticated")["Statement"]
    del of_all["Condition"]["StringEquals"]
    (guests,) = deployment.trust(amr="unauthenticated")["Statement"]
    guests["Action"] = ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]
    finding = await look_at(deployment, {"Version": "2012-10-17", "Statement": [of_all, guests]})
    mend(deployment, finding)
    made: Any = deployment.aws.iam.get_role(RoleName=str(finding.resource).rpartition("/")[2])["Role"]
    (right,) = deployment.trust()["Statement"]
    assert made["AssumeRolePolicyDocument"]["Statement"] == [of_all, {**right, "Action": guests["Action"]}]


async def test_the_fix_of_a_stacks_own_role_drops_other_identity_pools(deployment: Deployment) -> None:
    trust = {"Version": "2012-10-17", "Statement": [LAMBDA, *deployment.trust(ANOTHER)["Statement"]]}
    role = deployment.make_role(trust=trust)
    deployment.set_roles(authenticated=role)
    context = deployment.context()
    context.deployment_ids = None
    finding = await look(context, MappingGivesARole, RoleTrustsThePool)
    assert finding.safe_commands
    mend(deployment, finding)
    made: Any = deployment.aws.iam.get_role(RoleName=role)["Role"]
    assert made["AssumeRolePolicyDocument"]["Statement"] == [LAMBDA, *deployment.trust()["Statement"]]


async def test_a_statement_that_denies_is_quoted_and_left_to_who_made_it(deployment: Deployment) -> None:
    deny = {"Effect": "Deny", "Principal": {"Federated": COGNITO}, "Action": "sts:*"}
    trust = {"Version": "2012-10-17", "Statement": [*deployment.trust()["Statement"], deny]}
    finding = await look_at(deployment, trust)
    assert finding.status is Status.FAILED
    assert '"Effect":"Deny"' in str(finding.cause)
    assert not finding.commands


async def test_a_condition_that_is_not_known_here_is_no_failure(deployment: Deployment) -> None:
    trust = deployment.trust()
    trust["Statement"][0]["Condition"]["IpAddress"] = {"aws:SourceIp": "10.0.0.0/8"}
    assert (await look_at(deployment, trust)).status is Status.PASSED
