"""Pools and roles that are there already: what the deployment adds to them, and that it adds nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stacks.settings import Settings
from tests.unit.stacks.conftest import Template

_AUTH_ROLE = "amplify-shop-dev-authRole"
_ADMINS = "eu-west-1_abc-adminsGroupRole"
_USERS: dict[str, Any] = {"userPoolId": "eu-west-1_abc", "userPoolClientIds": ["web", "native"]}
_IDENTITIES: dict[str, Any] = {
    "identityPoolId": "eu-west-1:11111111-2222-3333-4444-555555555555",
    "authRoleArn": f"arn:aws:iam::123456789012:role/{_AUTH_ROLE}",
    "groupRoleArns": [f"arn:aws:iam::123456789012:role/{_ADMINS}"],
}


def _template(adopt: dict[str, Any], **settings: Any) -> Template:
    return Template(Settings.model_validate({"adopt": adopt, **settings}))


@pytest.fixture(scope="module")
def whole() -> Template:
    """Everything adopted, and left as it is."""
    return _template(_USERS | _IDENTITIES)


@pytest.fixture(scope="module")
def at_sign_in() -> Template:
    return _template(_USERS | _IDENTITIES, attachment="sign-in")


def test_by_default_nothing_is_made_in_adopted_pools_and_nothing_of_them_is_changed(whole: Template) -> None:
    assert not {each["Type"] for each in whole.json["Resources"].values()} & {
        "AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient", "AWS::Cognito::IdentityPool",
        "AWS::Cognito::IdentityPoolRoleAttachment", "Custom::UserPoolWiring", "Custom::IdentityPoolProvider",
    }  # fmt: skip
    assert not whole.invoked_by("cognito-idp")


def test_the_outputs_name_what_was_adopted(whole: Template) -> None:
    values = {name: each["Value"] for name, each in whole.json["Outputs"].items()}
    assert values["UserPoolId"] == "eu-west-1_abc"
    assert values["UserPoolClientId"] == "web"
    assert values["IdentityPoolId"] == _IDENTITIES["identityPoolId"]
    assert values["AuthRoleArn"] == _IDENTITIES["authRoleArn"]


def test_each_adopted_role_gets_the_policies_after_the_deny_that_guards_them(whole: Template) -> None:
    (deny_id, deny), *others = whole.resources("AWS::IAM::ManagedPolicy").items()
    assert others == []
    assert deny["Roles"] == [_AUTH_ROLE, _ADMINS]
    policies = whole.entire("Custom::RolePolicies").values()
    assert {each["Properties"]["RoleName"] for each in policies} == {_AUTH_ROLE, _ADMINS}
    assert all(deny_id in each["DependsOn"] for each in policies)


def test_documented_mode_denies_nothing() -> None:
    documented = _template(_USERS | _IDENTITIES, accessMode="documented")
    assert documented.resources("AWS::IAM::ManagedPolicy") == {}
    assert len(documented.resources("Custom::RolePolicies")) == 2


def test_the_function_may_attach_the_guides_policies_to_the_adopted_roles_and_nothing_else(whole: Template) -> None:
    statements = whole.statements_of("IdentitiesRoleAccessFunction")
    changing = [each for each in statements if "iam:AttachRolePolicy" in each["Action"]]
    assert {each["Resource"] for each in changing} == {_IDENTITIES["authRoleArn"], *_IDENTITIES["groupRoleArns"]}
    for each in changing:
        assert each["Action"] == ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
        allowed = json.dumps(each["Condition"]["ArnEquals"]["iam:PolicyARN"])
        assert "policy/AWSIoTDataAccess" in allowed
        assert "policy/AWSIoTConfigAccess" in allowed
        assert "*" not in allowed


@pytest.mark.parametrize("others", [[], ["accounts.google.com", "login.example"]])
def test_self_attach_and_sweep_know_whose_users_they_attach(others: list[str]) -> None:
    template = _template(_USERS | _IDENTITIES | {"otherProviders": others})
    functions = template.resources("AWS::Lambda::Function")
    named = {
        name: each["Environment"]["Variables"]["LOGIN_PROVIDERS"]
        for name, each in functions.items()
        if "LOGIN_PROVIDERS" in each.get("Environment", {}).get("Variables", {})
    }
    assert {name.partition("Function")[0] for name in named} == {"SelfAttach", "Sweep"}
    for value in named.values():
        *_, last = value["Fn::Join"][1]
        assert last == ",".join(["/eu-west-1_abc", *others])


def test_in_an_identity_pool_of_our_own_no_provider_is_named() -> None:
    assert "LOGIN_PROVIDERS" not in json.dumps(_template(_USERS).json)


def test_users_of_every_adopted_role_may_self_attach(whole: Template) -> None:
    invocation = next(
        each
        for each in whole.resources("AWS::IAM::Policy").values()
        if each["PolicyDocument"]["Statement"][0]["Action"] == "execute-api:Invoke"
    )
    assert invocation["Roles"] == [_AUTH_ROLE, _ADMINS]


def test_attachment_at_sign_in_adds_an_app_client_triggers_and_a_provider(at_sign_in: Template) -> None:
    (client,) = at_sign_in.resources("AWS::Cognito::UserPoolClient").values()
    assert (client["UserPoolId"], client["ExplicitAuthFlows"]) == ("eu-west-1_abc", ["ALLOW_CUSTOM_AUTH"])
    wiring = at_sign_in.only("Custom::UserPoolWiring")
    assert (wiring["UserPoolId"], wiring["OutlivesStack"]) == ("eu-west-1_abc", "true")
    assert (wiring["MarkerAttribute"], wiring["MarkerLength"]) == ("pubsub_attachment", "128")
    assert len(wiring["Triggers"]) == 4
    provider = at_sign_in.only("Custom::IdentityPoolProvider")
    assert provider["IdentityPoolId"] == _IDENTITIES["identityPoolId"]
    assert json.dumps(provider["ProviderName"]).endswith('/eu-west-1_abc"]]}')


def test_the_trigger_always_asks_for_a_second_factor_in_a_pool_that_may_get_one_any_day(at_sign_in: Template) -> None:
    trigger = at_sign_in.only("AWS::Lambda::Function", lambda each: each.startswith("SignInAttachmentPostAuth"))
    assert trigger["Environment"]["Variables"]["MFA"] == "optional"
    statements = at_sign_in.statements_of("SignInAttachmentPostAuthentication")
    assert any("cognito-idp:AdminGetUser" in each["Action"] for each in statements)


def test_a_chained_trigger_is_not_wired_and_its_name_is_told() -> None:
    adopt = _USERS | {"chainedTriggers": ["PostAuthentication"]}
    template = _template(adopt, attachment="sign-in")
    wiring = template.only("Custom::UserPoolWiring")
    assert "PostAuthentication" not in wiring["Triggers"]
    assert wiring["ChainedTriggers"] == ["PostAuthentication"]
    assert template.json["Outputs"]["ChainedTriggers"]["Value"] == "PostAuthentication"


def test_the_wiring_of_adopted_pools_is_watched(at_sign_in: Template, whole: Template) -> None:
    watch = at_sign_in.only("AWS::Lambda::Function", lambda each: each.startswith("WiringWatch"))
    assert watch["Environment"]["Variables"]["USER_POOL_ID"] == "eu-west-1_abc"
    alarms = {each["AlarmName"] for each in at_sign_in.resources("AWS::CloudWatch::Alarm").values()}
    assert "AmplifyPubSub-wiring-lost" in alarms
    assert not [each for each in whole.resources("AWS::Lambda::Function") if each.startswith("WiringWatch")]


def test_a_user_pool_alone_gets_an_identity_pool_for_each_of_its_clients_with_roles_of_our_own() -> None:
    template = _template(_USERS, groups=["admins"])
    providers = template.only("AWS::Cognito::IdentityPool")["CognitoIdentityProviders"]
    assert [each["ClientId"] for each in providers] == ["web", "native"]
    mappings = template.only("AWS::Cognito::IdentityPoolRoleAttachment")["RoleMappings"].values()
    assert len(mappings) == 2
    assert template.resources("Custom::RolePolicies") == {}
    assert template.only("Custom::UserPoolWiring")["Triggers"] == {}


def test_sign_ins_of_every_adopted_client_are_watched() -> None:
    template = _template(_USERS, attachment="sign-in")
    alarm = next(
        each
        for each in template.resources("AWS::CloudWatch::Alarm").values()
        if each["AlarmName"] == "AmplifyPubSub-trigger-unwired"
    )
    clients = [
        dimension["Value"]
        for metric in alarm["Metrics"]
        for dimension in metric.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [])
        if dimension["Name"] == "UserPoolClient"
    ]
    assert clients == ["web", "native"]


def test_another_identity_pool_is_another_attachment_so_that_the_policy_leaves_the_old_one() -> None:
    other = _IDENTITIES | {"identityPoolId": "eu-west-1:99999999-2222-3333-4444-555555555555"}
    here, there = (
        _template(_USERS | each).resources("Custom::IotPolicyOfIdentityPool") for each in (_IDENTITIES, other)
    )
    assert not set(here) & set(there)
