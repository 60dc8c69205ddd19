from __future__ import annotations

import uuid
from typing import Any

import pytest

from local_cloud.faults import Fail
from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.checks.role_permissions import RoleAllows
from pubsub_cli.finding import Finding, Status
from tests.integration.pubsub_cli.checks.conftest import DATA_ACCESS, Deployment, document, look, mend

ALLOW = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}


async def ask(deployment: Deployment, **options: Any) -> Finding:
    return await look(deployment.context(**options), MappingGivesARole, RoleAllows)


def boundary(deployment: Deployment, *statements: dict[str, Any]) -> str:
    made = deployment.aws.iam.create_policy(
        PolicyName=f"boundary-{uuid.uuid4().hex[:12]}", PolicyDocument=document(*statements)
    )
    return made["Policy"]["Arn"]


async def test_the_guides_managed_policy_allows_all(deployment: Deployment) -> None:
    finding = await ask(deployment, topics=("orders/1", "rooms/+/#"))
    assert finding.status is Status.PASSED
    assert finding.detail == "6 requests, by SimulatePrincipalPolicy"


async def test_a_role_without_it_allows_nothing_and_the_fix_attaches_it(deployment: Deployment) -> None:
    deployment.aws.iam.detach_role_policy(RoleName=deployment.role, PolicyArn=DATA_ACCESS)
    finding = await ask(deployment)
    assert finding.status is Status.FAILED
    assert finding.resource == deployment.role_arn(deployment.role)
    assert "connect with a random client id, subscribe to orders/1, publish to orders/1 and receive" in str(
        finding.cause
    )
    assert not finding.safe_commands, "somebody else's role may be meant to allow little"
    mend(deployment, finding)
    assert (await ask(deployment)).status is Status.PASSED


async def test_a_stacks_own_role_gets_it_back_by_a_safe_command(deployment: Deployment) -> None:
    deployment.aws.iam.detach_role_policy(RoleName=deployment.role, PolicyArn=DATA_ACCESS)
    context = deployment.context()
    context.deployment_ids = None
    finding = await look(context, MappingGivesARole, RoleAllows)
    assert [str(each) for each in finding.safe_commands] == [
        f"aws iam attach-role-policy --role-name {deployment.role} --policy-arn {DATA_ACCESS}"
    ]


async def test_where_no_topic_is_known_connecting_alone_is_asked_about(deployment: Deployment) -> None:
    narrow = deployment.make_role(
        deployment.allow("client/*", action="iot:Connect"),
        deployment.allow("topic/orders/*", action=["iot:Publish", "iot:Receive"]),
    )
    deployment.set_roles(authenticated=narrow)
    finding = await ask(deployment, topics=())
    assert finding.status is Status.PASSED
    assert finding.detail == "connecting alone, for --topic is not given, by SimulatePrincipalPolicy"
    assert (await ask(deployment, topics=("orders/1",))).status is Status.FAILED


async def test_a_mistake_in_a_policy_of_the_teams_own_is_named(deployment: Deployment) -> None:
    elsewhere = deployment.prefix.replace(deployment.cloud.region, "eu-west-1")
    deployment.set_roles(
        authenticated=deployment.make_role(
            deployment.allow("client/*", action="iot:Connect"), deployment.allow(f"{elsewhere}:topic/*")
        )
    )
    finding = await ask(deployment)
    assert finding.status is Status.FAILED
    assert "the inline policy inline" in str(finding.cause)
    assert "is of region eu-west-1, not us-east-1" in str(finding.cause)


async def test_an_explicit_deny_is_quoted_and_only_the_statement_that_denies_goes(deployment: Deployment) -> None:
    iam = deployment.aws.iam
    deny = {"Effect": "Deny", "Action": "iot:Publish", "Resource": f"{deployment.prefix}:topic/orders/*"}
    other = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    iam.put_role_policy(RoleName=deployment.role, PolicyName="closed", PolicyDocument=document(deny, other))
    finding = await ask(deployment)
    assert finding.status is Status.FAILED
    assert "publish to orders/1: the inline policy closed denies it" in str(finding.cause)
    assert '"Action":"iot:Publish"' in str(finding.cause)
    assert not finding.safe_commands
    mend(deployment, finding)
    assert (await ask(deployment)).status is Status.PASSED
    left: Any = iam.get_role_policy(RoleName=deployment.role, PolicyName="closed")["PolicyDocument"]
    assert left["Statement"] == [other]


async def test_a_policy_that_does_nothing_but_deny_goes(deployment: Deployment) -> None:
    deny = {"Effect": "Deny", "Action": "iot:*", "Resource": "*"}
    deployment.aws.iam.put_role_policy(RoleName=deployment.role, PolicyName="closed", PolicyDocument=document(deny))
    finding = await ask(deployment)
    assert str(finding.fix).startswith("aws iam delete-role-policy")
    mend(deployment, finding)
    assert (await ask(deployment)).status is Status.PASSED


async def test_a_boundary_as_the_stacks_lets_pass(deployment: Deployment) -> None:
    arn = boundary(
        deployment,
        {"Effect": "Allow", "NotAction": "iot:*", "Resource": "*"},
        {"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"], "Resource": "*"},
        {"Effect": "Deny", "Action": "iot:*", "Resource": f"{deployment.prefix}:topic/$aws/*"},
    )
    deployment.set_roles(authenticated=deployment.make_role(ALLOW, PermissionsBoundary=arn))
    assert (await ask(deployment)).status is Status.PASSED
    reserved = await ask(deployment, topics=("$aws/things/a/shadow/get",))
    assert reserved.status is Status.FAILED
    assert "the permissions boundary boundary-" in str(reserved.cause)


async def test_a_boundary_that_leaves_an_action_out_is_told_and_widened(deployment: Deployment) -> None:
    arn = boundary(deployment, {"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish"], "Resource": "*"})
    deployment.set_roles(authenticated=deployment.make_role(ALLOW, PermissionsBoundary=arn))
    finding = await ask(deployment)
    assert finding.status is Status.FAILED
    assert "does not allow it, and the role may no more than that" in str(finding.cause)
    assert "subscribe to orders/1" in str(finding.cause)
    assert "publish" not in str(finding.cause)
    assert not finding.safe_commands
    mend(deployment, finding)
    assert (await ask(deployment)).status is Status.PASSED


async def test_a_condition_that_is_not_known_here_is_told_and_not_guessed(deployment: Deployment) -> None:
    condition = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    deployment.set_roles(authenticated=deployment.make_role(ALLOW | condition))
    finding = await ask(deployment)
    assert finding.status is Status.WARNING
    assert "it turns on aws:SourceIp" in str(finding.cause)


@pytest.mark.parametrize(
    ("operator", "key", "wanted"),
    [("NotIpAddress", "aws:SourceIp", "10.0.0.0/8"), ("StringNotEquals", "aws:SourceVpc", "vpc-1")],
)
async def test_a_deny_unless_something_that_is_not_known_here_is_told_and_not_guessed(
    deployment: Deployment, operator: str, key: str, wanted: str
) -> None:
    unless = {"Effect": "Deny", "Action": "iot:*", "Resource": "*", "Condition": {operator: {key: wanted}}}
    deployment.set_roles(authenticated=deployment.make_role(ALLOW, unless))
    finding = await ask(deployment)
    assert finding.status is Status.WARNING
    assert f"it turns on {key}" in str(finding.cause)


async def test_the_role_of_a_group_is_looked_at_too(deployment: Deployment) -> None:
    group_role = deployment.make_role()
    deployment.set_roles(
        authenticated=deployment.role, mapping={"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}
    )
    group = deployment.make_group(group_role)
    for options in ({}, {"user": False, "identity": False}):
        finding = await ask(deployment, **options)
        assert finding.status is Status.FAILED
        assert finding.resource == deployment.role_arn(group_role)
    assert f"The role of group {group}" in str(finding.cause)


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidInput"])
async def test_the_documents_decide_where_the_simulator_may_not_be_asked(deployment: Deployment, code: str) -> None:
    with deployment.cloud.fault("iam:SimulatePrincipalPolicy", Fail(code, 403)):
        good = await ask(deployment)
        deployment.aws.iam.detach_role_policy(RoleName=deployment.role, PolicyArn=DATA_ACCESS)
        bad = await ask(deployment)
    assert good.detail == f"4 requests, by the documents alone (SimulatePrincipalPolicy answered {code})"
    assert bad.status is Status.FAILED
