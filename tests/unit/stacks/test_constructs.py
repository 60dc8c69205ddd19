"""The constructs for other CDK apps, in a stack that has its own pools and roles."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, NestedStack, Stack
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from pubsub_client.outputs import SIGN_IN_OUTPUTS, Output
from stacks import PubSubAccess, PubSubAttachment, PubSubPolicy, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

_REPOSITORY = Path(__file__).parents[3]


class _Application:
    """A stack with pools and two roles, and with PubSub unless told otherwise."""

    def __init__(
        self,
        *,
        app: App | None = None,
        name: str = "Orders",
        pubsub: bool = True,
        attachment: Any = None,
        **policy: Any,
    ) -> None:
        self.stack = Stack(app or App(builtin_cloud_formation_validation=False), name)
        self.user_pool = cognito.UserPool(self.stack, "Users")
        self.client = self.user_pool.add_client("Web", auth_flows=cognito.AuthFlow(user_srp=True))
        provider = cognito.CfnIdentityPool.CognitoIdentityProviderProperty(
            client_id=self.client.user_pool_client_id, provider_name=self.user_pool.user_pool_provider_name
        )
        self.identity_pool = cognito.CfnIdentityPool(
            self.stack, "Pool", allow_unauthenticated_identities=False, cognito_identity_providers=[provider]
        )
        trust = iam.FederatedPrincipal("cognito-identity.amazonaws.com", {}, "sts:AssumeRoleWithWebIdentity")
        self.auth_role = iam.Role(self.stack, "Auth", assumed_by=trust)
        self.admins = iam.Role(self.stack, "Admins", assumed_by=trust)
        if pubsub:
            self._give_pubsub(policy, attachment(self.stack) if attachment else {})

    def _give_pubsub(self, policy: dict[str, Any], attachment: dict[str, Any]) -> None:
        made = PubSubPolicy(self.stack, "Policy", **policy)
        access = PubSubAccess(self.stack, "Access", policy=made, auth_role=self.auth_role, other_roles=[self.admins])
        options = {
            "access": access,
            "user_pool": self.user_pool,
            "user_pool_clients": [self.client],
            "identity_pool_id": self.identity_pool.ref,
            **attachment,
        }
        PubSubAttachment(self.stack, "Attachment", **options)

    def template(self) -> dict[str, Any]:
        return dict(Template.from_stack(self.stack).to_json())


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return _Application(topics=["news/*"], access_mode="least-privilege").template()


def _of(template: dict[str, Any], kind: str) -> dict[str, Any]:
    return {key: each.get("Properties", {}) for key, each in template["Resources"].items() if each["Type"] == kind}


def test_the_outputs_are_those_of_the_toolkits_stack_without_a_trigger(template: dict[str, Any]) -> None:
    assert set(template["Outputs"]) == set(Output) - SIGN_IN_OUTPUTS - {Output.CHAINED_TRIGGERS}


def test_the_policy_is_called_after_the_stack_unless_it_is_named(template: dict[str, Any]) -> None:
    (policy,) = _of(template, "AWS::IoT::Policy").values()
    assert policy["PolicyName"] == "Orders"
    (named,) = _of(_Application(policy_name="orders-policy").template(), "AWS::IoT::Policy").values()
    assert named["PolicyName"] == "orders-policy"


def test_two_stacks_of_one_app_have_a_policy_each() -> None:
    app = App(builtin_cloud_formation_validation=False)
    both = [_Application(app=app, name=name) for name in ("Orders", "Chat")]
    policies = [_of(each.template(), "AWS::IoT::Policy").values() for each in both]
    assert [each["PolicyName"] for found in policies for each in found] == ["Orders", "Chat"]


def test_neither_pool_is_changed(template: dict[str, Any]) -> None:
    before = _Application(pubsub=False).template()
    for kind in ("AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient", "AWS::Cognito::IdentityPool"):
        assert _of(template, kind) == _of(before, kind)
    assert _of(template, "Custom::UserPoolWiring") == {}


def test_every_role_may_use_what_begins_with_its_users_identity_ids_and_self_attach(template: dict[str, Any]) -> None:
    policies = _of(template, "AWS::IAM::Policy").values()
    for role in (each for each in _of(template, "AWS::IAM::Role") if each.startswith(("Auth", "Admins"))):
        of_role = json.dumps([each["PolicyDocument"] for each in policies if {"Ref": role} in each["Roles"]])
        assert "client/${cognito-identity.amazonaws.com:sub}*" in of_role
        assert "topic/news/*" in of_role
        assert "execute-api:Invoke" in of_role


def test_in_guarded_mode_the_roles_get_the_guides_policies_and_the_deny() -> None:
    template = _Application().template()
    attached = _of(template, "Custom::RolePolicy").values()
    assert {json.dumps(each["RoleName"]) for each in attached} == {
        json.dumps({"Ref": role}) for role in _of(template, "AWS::IAM::Role") if role.startswith(("Auth", "Admins"))
    }
    (deny,) = _of(template, "AWS::IAM::ManagedPolicy")
    assert len([each for each in attached if each["PolicyArn"] == {"Ref": deny}]) == 2


def test_alarms_notify_a_topic_of_the_same_stack() -> None:
    template = _Application(attachment=lambda stack: {"alarm_topic": sns.Topic(stack, "Alarms")}).template()
    (topic,) = _of(template, "AWS::SNS::Topic")
    alarms = _of(template, "AWS::CloudWatch::Alarm").values()
    assert alarms
    assert all(each["AlarmActions"] == [{"Ref": topic}] for each in alarms)


def _a_role_twice() -> None:
    stack = Stack(App(builtin_cloud_formation_validation=False), "Orders")
    roles = [iam.Role.from_role_name(stack, construct_id, "Customers") for construct_id in ("Auth", "Group")]
    PubSubAccess(stack, "Access", policy=PubSubPolicy(stack, "Policy"), auth_role=roles[0], other_roles=roles[1:])


def _nested_in_a_reserved_name() -> None:
    outer = Stack(App(builtin_cloud_formation_validation=False), "aws-orders")
    PubSubPolicy(NestedStack(outer, "Inner"), "Policy", policy_name="orders")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _Application(topics=["orders/#"]), "Orders/Policy: topics.0: 'orders/#' given; "),
        (lambda: _Application(access_mode="open"), "Orders/Policy: accessMode: 'open' given; "),
        (lambda: _Application(policy_name="a policy"), "Orders/Policy: policyName: 'a policy' given; "),
        (lambda: _Application(attachment=lambda _: {"sweep_schedule": "daily"}), "Orders/Attachment: sweep.schedule: "),
        (lambda: _Application(attachment=lambda _: {"user_pool_clients": []}), "Orders/Attachment: user_pool_clients "),
        (lambda: _Application(name="O" * 75), f"{'O' * 75}/Policy: the stack's name {'O' * 75} has 75 characters; "),
        (lambda: _Application(name="AwsOrders"), "AwsOrders/Policy: the stack's name AwsOrders begins with Aws; "),
        (lambda: _Application(name="ssm-orders"), "ssm-orders/Policy: the stack's name ssm-orders begins with ssm; "),
        (_a_role_twice, "Orders/Access: auth_role and other_roles name a role twice"),
        (_nested_in_a_reserved_name, "aws-orders/Inner/Policy: the stack's name aws-orders begins with aws; "),
    ],
)
def test_what_is_not_allowed_is_named_with_the_constructs_path(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        make()
    assert str(raised.value).startswith(message)


def test_the_documentation_shows_what_the_example_does() -> None:
    block = (_REPOSITORY / "docs" / "constructs.md").read_text().partition("```python\n")[2].partition("```")[0]
    assert block in (_REPOSITORY / "examples" / "cdk-app" / "orders_stack.py").read_text()
    module = (_REPOSITORY / "stacks" / "constructs.py").read_text()
    assert textwrap.dedent(block).splitlines()[1] in module
