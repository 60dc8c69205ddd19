from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.context import Context
from pubsub_cli.checks.roles import GroupRolesHoldThePolicies
from pubsub_cli.finding import Status
from pubsub_client.outputs import Output
from tests.integration.pubsub_cli.checks.conftest import Deployment, look

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


def of_a_stack(deployment: Deployment) -> Context:
    context = deployment.context()
    context.outputs[Output.AUTH_ROLE_ARN] = deployment.role_arn(deployment.role)
    context.outputs[Output.ACCESS_MODE] = "unguarded"
    return context


async def test_the_role_of_a_group_that_users_get_must_hold_the_policies(deployment: Deployment) -> None:
    deployment.set_roles(authenticated=deployment.role, mapping=BY_TOKEN)
    group = deployment.make_group(deployment.make_role())
    context = of_a_stack(deployment)
    finding = await look(context, GroupRolesHoldThePolicies)
    assert finding.status is Status.FAILED
    assert f"The role of group {group} lacks" in str(finding.cause)
    assert list(context.group_roles) == [group]


@pytest.mark.parametrize("mapping", [None, BY_RULE])
async def test_groups_of_other_apps_whose_roles_nobody_gets_here_are_left_alone(
    deployment: Deployment, mapping: dict[str, Any] | None
) -> None:
    deployment.set_roles(authenticated=deployment.role, mapping=mapping)
    deployment.make_group(deployment.make_role())
    context = of_a_stack(deployment)
    finding = await look(context, GroupRolesHoldThePolicies)
    assert (finding.status, finding.detail) == (Status.PASSED, "no user gets a group's role")
    assert context.group_roles == {}
