"""The constructs for other CDK apps, in a stack that has its own pools and roles."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
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


@pytest.fixture(scope="module")
def guarded() -> dict[str, Any]:
    return dict(_orders().with_alarm_topic(policy_name="orders-policy").template())


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return dict(_orders().Application(topics=["news/*"], access_mode="least-privilege").template())


def _of(template: dict[str, Any], kind: str) -> dict[str, Any]:
    return {key: each.get("Properties", {}) for key, each in template["Resources"].items() if each["Type"] == kind}


def test_the_outputs_are_those_of_the_toolkits_stack_without_a_trigger(template: dict[str, Any]) -> None:
    assert set(template["Outputs"]) == set(Output) - SIGN_IN_OUTPUTS - {Output.CHAINED_TRIGGERS}


def test_the_policy_is_called_after_the_stack_unless_it_is_named(
    template: dict[str, Any], guarded: dict[str, Any]
) -> None:
    (policy,) = _of(template, "AWS::IoT::Policy").values()
    assert policy["PolicyName"] == "Orders"
    (named,) = _of(guarded, "AWS::IoT::Policy").values()
    assert named["PolicyName"] == "orders-policy"


def test_two_stacks_of_one_app_have_a_policy_each() -> None:
    policies = [_of(each.template(), "AWS::IoT::Policy").values() for each in _orders().two_stacks()]
    assert [each["PolicyName"] for found in policies for each in found] == ["Orders", "Chat"]


def test_neither_pool_is_changed(template: dict[str, Any]) -> None:
    before = _orders().Application(pubsub=False).template()
    for kind in ("AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient", "AWS::Cognito::IdentityPool"):
        assert _of(template, kind) == _of(before, kind)
    assert _of(template, "Custom::UserPoolTriggers") == {}


def test_roles_allow_own_topics_and_self_attach(template: dict[str, Any]) -> None:
    policies = _of(template, "AWS::IAM::Policy").values()
    for role in (each for each in _of(template, "AWS::IAM::Role") if each.startswith(("Auth", "Admins"))):
        of_role = json.dumps([each["PolicyDocument"] for each in policies if {"Ref": role} in each["Roles"]])
        assert "client/${cognito-identity.amazonaws.com:sub}*" in of_role
        assert "topic/news/*" in of_role
        assert "execute-api:Invoke" in of_role


def test_in_guarded_mode_the_roles_get_the_guides_policies_and_the_deny(guarded: dict[str, Any]) -> None:
    attached = _of(guarded, "Custom::RolePolicy").values()
    assert {json.dumps(each["RoleName"]) for each in attached} == {
        json.dumps({"Ref": role}) for role in _of(guarded, "AWS::IAM::Role") if role.startswith(("Auth", "Admins"))
    }
    (deny,) = _of(guarded, "AWS::IAM::ManagedPolicy")
    assert len([each for each in attached if each["PolicyArn"] == {"Ref": deny}]) == 2


def test_alarms_notify_a_topic_of_the_same_stack(guarded: dict[str, Any]) -> None:
    (topic,) = _of(guarded, "AWS::SNS::Topic")
    alarms = _of(guarded, "AWS::CloudWatch::Alarm").values()
    assert alarms
    assert all(each["AlarmActions"] == [{"Ref": topic}] for each in alarms)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _orders().Application(topics=["orders/#"]), "Orders/Policy: topics.0: 'orders/#' given; "),
        (lambda: _orders().Application(access_mode="open"), "Orders/Policy: accessMode: 'open' given; "),
        (lambda: _orders().Application(policy_name="a policy"), "Orders/Policy: policyName: 'a policy' given; "),
        (
            lambda: _orders().Application(attachment=lambda _: {"sweep_schedule": "daily"}),
            "Orders/Attachment: sweep.schedule: ",
        ),
        (
            lambda: _orders().Application(attachment=lambda _: {"user_pool_clients": []}),
            "Orders/Attachment: user_pool_clients ",
        ),
        (
            lambda: _orders().Application(name="O" * 70),
            f"{'O' * 70}/Policy: the stack's name {'O' * 70} has 70 characters; ",
        ),
        (
            lambda: _orders().Application(name="AwsOrders"),
            "AwsOrders/Policy: the stack's name AwsOrders begins with Aws; ",
        ),
        (
            lambda: _orders().Application(name="ssm-orders"),
            "ssm-orders/Policy: the stack's name ssm-orders begins with ssm; ",
        ),
        (lambda: _orders().a_role_twice(), "Orders/Access: auth_role and other_roles name a role twice"),
        (
            lambda: _orders().nested_in_a_reserved_name(),
            "aws-orders/Inner/Policy: the stack's name aws-orders begins with aws; ",
        ),
    ],
)
def test_construct_errors_begin_with_the_construct_path(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        make()
    assert str(raised.value).startswith(message)


def test_the_documentation_shows_what_the_example_does() -> None:
    block = (_REPOSITORY / "docs" / "constructs.md").read_text().partition("```python\n")[2].partition("```")[0]
    assert block in (_REPOSITORY / "examples" / "cdk-app" / "orders_stack.py").read_text()
    module = (_REPOSITORY / "stacks" / "constructs.py").read_text()
    assert textwrap.dedent(block).splitlines()[1] in module
