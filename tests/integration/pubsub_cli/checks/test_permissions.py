"""PS306 and PS307: the local cloud decides what role and IoT policy allow, and the documents show the reason."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.faults import Fail
from pubsub_cli.aws import Aws
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.permissions import PolicyAllows, RoleAllows
from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.finding import Finding, Status
from pubsub_client.outputs import LEAST_PRIVILEGE, Output
from tests.integration.local_cloud.account import document
from tests.integration.pubsub_cli.checks.conftest import DATA_ACCESS, Deployment, apply_fix, run_checks

SUB = "${cognito-identity.amazonaws.com:sub}"
NOTHING = {"Effect": "Allow", "Action": "iot:GetRetainedMessage", "Resource": "*"}
ALLOW = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
FROM_NETWORK = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}


async def check_policy(deployment: Deployment, **options: Any) -> Finding:
    return await run_checks(deployment.context(**options), PolicyAllows)


def context_of_stack(deployment: Deployment) -> Context:
    """Return the context of a stack whose AuthRole is the role of the identity pool."""
    context = deployment.context()
    context.deployment_ids = None
    pools = deployment.aws.identity_pools
    roles = pools.get_identity_pool_roles(IdentityPoolId=deployment.identity_pool_id)["Roles"]
    context.outputs[Output.AUTH_ROLE_ARN] = roles["authenticated"]
    return context


async def check_role(deployment: Deployment, **options: Any) -> Finding:
    return await run_checks(deployment.context(**options), MappingGivesARole, RoleAllows)


def use_role(deployment: Deployment, *statements: dict[str, Any], boundary: str | None = None) -> None:
    deployment.set_roles(deployment.make_role(*statements, boundary=boundary))


def make_managed_policy(deployment: Deployment, *statements: dict[str, Any]) -> str:
    name = f"managed-{uuid.uuid4().hex[:12]}"
    made = deployment.aws.iam.create_policy(PolicyName=name, PolicyDocument=document(*statements))
    return made["Policy"]["Arn"]


def as_operator_without(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, action: str, resource: str) -> Aws:
    """Return the clients of an operator with all permissions except one."""
    iam, name = deployment.aws.iam, f"operator-{uuid.uuid4().hex[:12]}"
    iam.create_user(UserName=name)
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": resource},
    ]
    iam.put_user_policy(UserName=name, PolicyName="all-except", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    with monkeypatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        environment.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        aws = Aws(region=deployment.cloud.region, endpoint_url=deployment.cloud.endpoint_url)
        assert aws.has_credentials  # reads them now
        return aws


def make_versions(deployment: Deployment, *texts: str) -> None:
    for text in texts:
        deployment.aws.iot.create_policy_version(policyName=deployment.policy, policyDocument=text, setAsDefault=True)


class TestPolicyAllows:
    async def test_policy_of_the_guide_allows_all_requests(self, deployment: Deployment) -> None:
        finding = await check_policy(deployment, topics=("orders/1", "rooms/+/#"))
        assert (finding.status, finding.detail) == (Status.PASSED, "7 requests, by TestAuthorization")

    @pytest.mark.parametrize(
        "statements", [[NOTHING], [ALLOW, {**ALLOW, "Effect": "Deny"}]], ids=["implicit", "explicit"]
    )
    async def test_denial_of_the_role_is_reported_only_for_the_role(
        self, deployment: Deployment, statements: list[dict[str, Any]]
    ) -> None:
        use_role(deployment, *statements)
        assert (await check_policy(deployment)).status is Status.PASSED
        assert (await check_role(deployment)).status is Status.FAILED
        broken = deployment.with_policy(document(NOTHING))
        assert (await check_policy(broken)).status is Status.FAILED

    async def test_condition_on_the_identity_pool_is_evaluated_with_it(self, deployment: Deployment) -> None:
        condition = {"StringEquals": {"cognito-identity.amazonaws.com:aud": deployment.identity_pool_id}}
        own = deployment.with_policy(document(ALLOW | {"Condition": condition}))
        assert (await check_policy(own)).status is Status.PASSED
        other = own.with_policy(document(deployment.allow("client/${cognito-identity.amazonaws.com:aud}", "topic*")))
        in_pool = await check_policy(other, client_id=deployment.identity_pool_id)
        assert in_pool.detail == "5 requests, by TestAuthorization"
        assert (await check_policy(other, client_id="another")).status is Status.FAILED
        use_role(deployment, NOTHING)
        assert (await check_policy(other, client_id=deployment.identity_pool_id)).status is Status.PASSED

    async def test_policy_that_is_not_attached_is_evaluated_as_if_it_were(self, deployment: Deployment) -> None:
        deployment.aws.iot.detach_policy(policyName=deployment.policy, target=deployment.identity_id)
        assert (await check_policy(deployment)).detail == "5 requests, by TestAuthorization"
        assert (await check_policy(deployment, policy=False)).not_applicable

    async def test_earlier_version_that_allows_all_is_put_into_effect(self, deployment: Deployment) -> None:
        make_versions(deployment, document(NOTHING))
        context = deployment.context()
        context.deployment_ids = None
        finding = await run_checks(context, PolicyAllows)
        assert "(version 2, in effect)" in str(finding.cause)
        assert "set-default" not in str((await check_policy(deployment)).fix), "the policy is not the stack's"
        assert finding.fix == (
            f"aws iot set-default-policy-version --policy-name {deployment.policy} --policy-version-id 1"
        )
        apply_fix(deployment, finding)
        assert (await check_policy(deployment)).status is Status.PASSED

    async def test_document_of_the_stack_is_restored_in_place_of_the_oldest_version(
        self, deployment: Deployment
    ) -> None:
        broken = deployment.with_policy(document(NOTHING))
        make_versions(broken, *[document(NOTHING)] * 4)
        context = broken.context()
        context.deployment_ids = None
        with deployment.cloud.fault("iot:GetPolicyVersion", Fail("UnauthorizedException", 401)):
            finding = await run_checks(context, PolicyAllows)
        delete, create = str(finding.fix).splitlines()
        assert delete == f"aws iot delete-policy-version --policy-name {broken.policy} --policy-version-id 1 &&"
        assert create.startswith("aws iot create-policy-version")
        assert not finding.safe_commands
        apply_fix(deployment, finding)
        assert (await check_policy(broken)).status is Status.PASSED

    async def test_topic_outside_the_settings_is_added_to_the_settings(self, deployment: Deployment) -> None:
        narrow = deployment.with_policy(document(deployment.allow("client/*", "topic/a/*", "topicfilter/a/*")))
        context = narrow.context(topics=("b/1",))
        context.deployment_ids = None
        context.outputs[Output.TOPICS] = "a/*"
        finding = await run_checks(context, PolicyAllows)
        assert str(finding.fix).startswith("Add the topics to the setting topics in cdk.json")

    async def test_unreadable_policy_is_left_to_test_authorization(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = deployment.with_policy(document(NOTHING))
        for effect, status in (("Allow", Status.PASSED), ("Deny", Status.FAILED)):
            other = deployment.make_policy(document({**ALLOW, "Effect": effect}))
            deployment.aws.iot.attach_policy(policyName=other, target=deployment.identity_id)
            resource = f"{deployment.prefix}:policy/{other}"
            operator = as_operator_without(deployment, monkeypatch, "iot:GetPolicy", resource)
            finding = await check_policy(replace(broken, aws=operator))
            assert finding.status is status
            not_evaluated = deployment.cloud.fault("iot:TestAuthorization", Fail("UnauthorizedException", 401))
            with not_evaluated, pytest.raises(ClientError, match="GetPolicy"):
                await check_policy(replace(broken, aws=operator))
            deployment.aws.iot.detach_policy(policyName=other, target=deployment.identity_id)
        assert f"naming {other}" in str(finding.cause)

    async def test_other_policy_that_denies_is_detached(self, deployment: Deployment) -> None:
        other = deployment.make_policy(document({"Effect": "Deny", "Action": "iot:Connect", "Resource": "*"}))
        deployment.aws.iot.attach_policy(policyName=other, target=deployment.identity_id)
        finding = await check_policy(deployment)
        assert f"the IoT policy {other}" in str(finding.cause)
        assert finding.fix == f"aws iot detach-policy --policy-name {other} --target {deployment.identity_id}"
        apply_fix(deployment, finding)
        assert (await check_policy(deployment)).status is Status.PASSED

    async def test_client_id_that_the_policy_requires_is_requested(self, deployment: Deployment) -> None:
        narrow = deployment.with_policy(document(deployment.allow(f"client/{SUB}", "topic/*", "topicfilter/*")))
        finding = await check_policy(narrow)
        assert str(finding.fix).startswith("Give Amplify PubSub the client id")
        assert (await check_policy(narrow, client_id=narrow.identity_id)).status is Status.PASSED
        unknown = await check_policy(narrow, identity=False, user=False)
        assert unknown.not_applicable
        assert "it depends on cognito-identity.amazonaws.com:sub: give --user" in str(unknown.cause)

    async def test_change_of_another_policy_is_shown_and_not_made(self, deployment: Deployment) -> None:
        elsewhere = deployment.prefix.replace(deployment.cloud.region, "eu-west-1")
        deny = {"Effect": "Deny", "Action": "iot:Subscribe", "Resource": "*"}
        all_but_receive = {
            "Effect": "Allow",
            "Action": ["iot:Connect", "iot:Publish", "iot:RetainPublish", "iot:Subscribe"],
            "Resource": "*",
        }
        topic = [f"{deployment.prefix}:topic/{SUB}/orders"]
        receive = {"Effect": "Allow", "Action": ["iot:Receive"], "Resource": topic}
        for statements, change in (
            ([ALLOW, deny], f"ask the owner of the policy about {json.dumps(deny, separators=(',', ':'))}"),
            ([all_but_receive], json.dumps(receive, separators=(",", ":"))),
            ([deployment.allow(f"{elsewhere}:*")], f':topic/{SUB}/orders"]}}'),
        ):
            deployment = deployment.with_policy(document(*statements))
            finding = await check_policy(deployment, topics=(f"{deployment.identity_id}/orders",))
            assert str(finding.fix).endswith(change)
            assert deployment.identity_id not in str(finding.fix)
            assert not finding.commands, "the policy applies to others too"
            closes = "keeps the connection open, but delivers no messages" not in str(finding.cause)
            assert closes is (statements != [all_but_receive])

    async def test_retained_messages_need_a_permission_of_their_own(self, deployment: Deployment) -> None:
        basic = deployment.allow("*", action=["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"])
        context = deployment.with_policy(document(basic)).context()
        finding = await run_checks(context, PolicyAllows)
        assert finding.status is Status.WARNING
        assert "publish retained messages to orders/1" in str(finding.cause)
        assert '"Action":["iot:RetainPublish"]' in str(finding.fix)
        context.deployment_ids = None
        assert (await run_checks(context, PolicyAllows)).status is Status.FAILED

    async def test_documents_decide_without_identity_or_permission(self, deployment: Deployment) -> None:
        assert (await check_policy(deployment, identity=False, user=False)).detail == "5 requests, by the documents"
        with deployment.cloud.fault("iot:TestAuthorization", Fail("UnauthorizedException", 401)):
            good = await check_policy(deployment)
            bad = await check_policy(deployment.with_policy(document(NOTHING)))
        assert good.detail == "5 requests, by only the documents (TestAuthorization answered UnauthorizedException)"
        assert bad.status is Status.FAILED

    async def test_unknown_condition_is_reported_as_unknown(self, deployment: Deployment) -> None:
        finding = await check_policy(deployment.with_policy(document(ALLOW | FROM_NETWORK)))
        assert finding.status is Status.UNKNOWN
        assert "it depends on aws:SourceIp" in str(finding.cause)


class TestRoleAllows:
    async def test_managed_policy_of_the_guide_allows_all_requests(self, deployment: Deployment) -> None:
        finding = await check_role(deployment, topics=("orders/1", "rooms/+/#"))
        assert (finding.status, finding.detail) == (Status.PASSED, "7 requests, by SimulatePrincipalPolicy")

    async def test_managed_policy_that_is_missing_is_attached(self, deployment: Deployment) -> None:
        deployment.aws.iam.detach_role_policy(RoleName=deployment.role, PolicyArn=DATA_ACCESS)
        finding = await check_role(deployment)
        assert finding.resource == deployment.role_arn(deployment.role)
        assert "connect with a random client id: the inline policy inline: no statement allows" in str(finding.cause)
        assert str(finding.fix).startswith(f"Add to the role {deployment.role}: "), "it may be meant to allow little"
        attach = f"aws iam attach-role-policy --role-name {deployment.role} --policy-arn {DATA_ACCESS}"
        context = context_of_stack(deployment)
        of_stack = await run_checks(context, MappingGivesARole, RoleAllows)
        assert [str(each) for each in of_stack.safe_commands] == [attach]
        context.outputs[Output.ACCESS_MODE] = LEAST_PRIVILEGE
        restricted = await run_checks(context, MappingGivesARole, RoleAllows)
        assert "cdk deploy --revert-drift" in str(restricted.fix)
        apply_fix(deployment, of_stack)
        assert (await check_role(deployment)).status is Status.PASSED

    async def test_only_connecting_is_checked_without_a_topic(self, deployment: Deployment) -> None:
        use_role(
            deployment,
            deployment.allow("client/*", action="iot:Connect"),
            deployment.allow("topic/orders/*", action=["iot:Publish", "iot:RetainPublish", "iot:Receive"]),
        )
        finding = await check_role(deployment, topics=())
        assert finding.detail == "only connecting, because --topic is not given, by SimulatePrincipalPolicy"
        assert (await check_role(deployment, topics=("orders/1",))).status is Status.FAILED

    async def test_policy_that_only_denies_is_removed_from_a_role_of_the_stack(self, deployment: Deployment) -> None:
        deny = {"Effect": "Deny", "Action": "iot:Publish", "Resource": "*"}
        closed = make_managed_policy(deployment, deny)
        deployment.aws.iam.attach_role_policy(RoleName=deployment.role, PolicyArn=closed)
        quoted = json.dumps(deny, separators=(",", ":"))
        of_others = await check_role(deployment)
        assert str(of_others.fix).endswith(f"does not deny, or ask the owner of the policy about {quoted}")
        finding = await run_checks(context_of_stack(deployment), MappingGivesARole, RoleAllows)
        assert finding.fix == f"aws iam detach-role-policy --role-name {deployment.role} --policy-arn {closed}"
        assert not finding.safe_commands
        assert str(finding.cause).endswith("for all users of the role: ask its owner first.")
        apply_fix(deployment, finding)
        assert (await check_role(deployment)).status is Status.PASSED
        use_role(deployment, ALLOW, deny)
        of_stack = await run_checks(context_of_stack(deployment), MappingGivesARole, RoleAllows)
        assert of_stack.fix == f"Remove from the inline policy inline: {quoted}"

    async def test_guard_is_not_removed(self, deployment: Deployment) -> None:
        name = f"Stack-ControlPlaneDeny-{uuid.uuid4().hex[:12]}"
        deny = {"Effect": "Deny", "Action": "iot:*", "Resource": f"{deployment.prefix}:topic/$aws/*"}
        guard = deployment.aws.iam.create_policy(PolicyName=name, PolicyDocument=document(deny))["Policy"]["Arn"]
        deployment.aws.iam.attach_role_policy(RoleName=deployment.role, PolicyArn=guard)
        finding = await check_role(deployment, topics=("$aws/rules/a/b",))
        assert "set reservedTopics to true" in str(finding.fix)
        assert "detach-role-policy" not in str(finding.fix)

    async def test_role_with_only_the_managed_policy_lacks_retained_messages(self, deployment: Deployment) -> None:
        deployment.aws.iam.delete_role_policy(RoleName=deployment.role, PolicyName="inline")
        finding = await check_role(deployment)
        assert finding.status is Status.WARNING
        assert str(finding.fix).startswith("If the front end publishes retained messages, add to the role")
        of_stack = await run_checks(context_of_stack(deployment), MappingGivesARole, RoleAllows)
        assert of_stack.status is Status.FAILED
        assert "cdk deploy --revert-drift" in str(of_stack.fix)

    async def test_boundary_limits_the_role(self, deployment: Deployment) -> None:
        arn = make_managed_policy(
            deployment,
            {"Effect": "Allow", "NotAction": "iot:*", "Resource": "*"},
            {"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish", "iot:RetainPublish"], "Resource": "*"},
            {"Effect": "Deny", "Action": "iot:*", "Resource": f"{deployment.prefix}:topic/$aws/*"},
        )
        use_role(deployment, ALLOW, boundary=arn)
        finding = await check_role(deployment)
        assert "does not allow it, and limits the role" in str(finding.cause)
        assert "publish" not in str(finding.cause)
        assert str(finding.fix).startswith("Add to the permissions boundary managed-")
        assert '"iot:Subscribe"' in str(finding.fix)
        reserved = await check_role(deployment, topics=("$aws/rules/a/b",))
        assert str(reserved.fix).startswith("Use topics and client ids that the permissions boundary managed-")

    @pytest.mark.parametrize(
        "statements",
        [
            [ALLOW | FROM_NETWORK],
            [ALLOW, {**ALLOW, "Effect": "Deny", "Condition": {"StringNotEquals": {"aws:SourceIp": "10.0.0.1"}}}],
        ],
    )
    async def test_unknown_condition_is_reported_as_unknown(
        self, deployment: Deployment, statements: list[dict[str, Any]]
    ) -> None:
        use_role(deployment, *statements)
        finding = await check_role(deployment)
        assert finding.status is Status.UNKNOWN
        assert "it depends on aws:SourceIp" in str(finding.cause)

    async def test_role_of_a_group_is_checked_too(self, deployment: Deployment) -> None:
        group_role = deployment.make_role()
        mapping = {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}
        deployment.set_roles(deployment.role, mapping=mapping)
        group = deployment.make_group(group_role)
        for options in ({}, {"user": False, "identity": False}):
            finding = await check_role(deployment, **options)
            assert finding.status is Status.FAILED
            assert finding.resource == deployment.role_arn(group_role)
        assert f"The role of group {group}" in str(finding.cause)

    @pytest.mark.parametrize("code", ["AccessDenied", "InvalidInput"])
    async def test_documents_decide_if_the_simulator_does_not(self, deployment: Deployment, code: str) -> None:
        with deployment.cloud.fault("iam:SimulatePrincipalPolicy", Fail(code, 403)):
            good = await check_role(deployment)
            deployment.aws.iam.detach_role_policy(RoleName=deployment.role, PolicyArn=DATA_ACCESS)
            bad = await check_role(deployment)
        assert good.detail == f"5 requests, by only the documents (SimulatePrincipalPolicy answered {code})"
        assert bad.status is Status.FAILED
