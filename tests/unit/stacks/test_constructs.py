"""The constructs for other CDK apps, in a stack that has its own pools and roles."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pubsub_client.outputs import SIGN_IN_OUTPUTS, Output
from stacks.settings import SettingsError

_REPOSITORY = Path(__file__).parents[3]


def _orders() -> ModuleType:
    """Import the CDK only here: every process collects these tests, and one runs them."""
    from tests.unit.stacks import orders

    return orders


def _of(template: dict[str, Any], kind: str) -> dict[str, Any]:
    return {key: each.get("Properties", {}) for key, each in template["Resources"].items() if each["Type"] == kind}


def _roles(template: dict[str, Any]) -> list[str]:
    """Return the logical ids of the application's two roles."""
    auth_role, admins = (each for each in _of(template, "AWS::IAM::Role") if each.startswith(("Auth", "Admins")))
    return [auth_role, admins]


@pytest.fixture(scope="module")
def guarded() -> dict[str, Any]:
    return dict(_orders().with_alarm_topic(policy_name="orders-policy").template())


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return dict(_orders().Application(topics=["news/*"], access_mode="least-privilege").template())


def test_outputs_are_those_of_the_stack_without_a_trigger(template: dict[str, Any]) -> None:
    assert set(template["Outputs"]) == set(Output) - SIGN_IN_OUTPUTS - {Output.CHAINED_TRIGGERS}


def test_policy_has_its_own_name_or_the_name_of_its_stack(guarded: dict[str, Any]) -> None:
    templates = [guarded, *(each.template() for each in _orders().two_stacks())]
    names = [each["PolicyName"] for template in templates for each in _of(template, "AWS::IoT::Policy").values()]
    assert names == ["orders-policy", "Orders", "Chat"]


def test_pools_are_not_changed(template: dict[str, Any]) -> None:
    before = _orders().Application(pubsub=False).template()
    for kind in ("AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient", "AWS::Cognito::IdentityPool"):
        assert _of(template, kind) == _of(before, kind)
    assert _of(template, "Custom::UserPoolTriggers") == {}


def test_roles_allow_own_topics_and_self_attach(template: dict[str, Any]) -> None:
    policies = _of(template, "AWS::IAM::Policy").values()
    for role in _roles(template):
        of_role = json.dumps([each["PolicyDocument"] for each in policies if {"Ref": role} in each["Roles"]])
        for allowed in ("client/${cognito-identity.amazonaws.com:sub}*", "topic/news/*", "execute-api:Invoke"):
            assert allowed in of_role


def test_guarded_roles_get_both_managed_policies_and_the_deny(guarded: dict[str, Any]) -> None:
    attached = _of(guarded, "Custom::RolePolicy").values()
    (deny,) = _of(guarded, "AWS::IAM::ManagedPolicy")
    for role in _roles(guarded):
        policies = [json.dumps(each["PolicyArn"]) for each in attached if each["RoleName"] == {"Ref": role}]
        assert len(policies) == 3
        assert json.dumps({"Ref": deny}) in policies


def test_alarms_notify_a_topic_of_the_same_stack(guarded: dict[str, Any]) -> None:
    (topic,) = _of(guarded, "AWS::SNS::Topic")
    alarms = _of(guarded, "AWS::CloudWatch::Alarm").values()
    assert alarms
    assert all(each["AlarmActions"] == [{"Ref": topic}] for each in alarms)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"topics": ["orders/#"]}, "Orders/Policy: topics.0: 'orders/#' given; "),
        ({"access_mode": "open"}, "Orders/Policy: accessMode: 'open' given; "),
        ({"policy_name": "a policy"}, "Orders/Policy: policyName: 'a policy' given; "),
        ({"attachment": lambda _: {"sweep_schedule": "daily"}}, "Orders/Attachment: sweep.schedule: "),
        ({"attachment": lambda _: {"user_pool_clients": []}}, "Orders/Attachment: user_pool_clients "),
        ({"name": "O" * 70}, f"{'O' * 70}/Policy: the stack's name {'O' * 70} has 70 characters; "),
        ({"name": "AwsOrders"}, "AwsOrders/Policy: the stack's name AwsOrders begins with Aws; "),
        ({"name": "ssm-orders"}, "ssm-orders/Policy: the stack's name ssm-orders begins with ssm; "),
    ],
)
def test_construct_errors_begin_with_the_construct_path(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        _orders().Application(**options)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ("role_twice", "Orders/Access: auth_role and other_roles contain a role twice"),
        ("nested_in_a_reserved_name", "aws-orders/Inner/Policy: the stack's name aws-orders begins with aws; "),
    ],
)
def test_construct_errors_of_other_stacks_begin_with_the_path(make: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        getattr(_orders(), make)()
    assert str(raised.value).startswith(message)


def test_documentation_shows_the_example() -> None:
    page = (_REPOSITORY / "docs" / "reference" / "constructs-and-testing.md").read_text()
    block = page.partition("```python\n")[2].partition("```")[0]
    assert block in (_REPOSITORY / "examples" / "cdk-app" / "orders_stack.py").read_text()
    module = (_REPOSITORY / "stacks" / "constructs.py").read_text()
    assert textwrap.dedent(block).splitlines()[1] in module
