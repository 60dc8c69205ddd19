"""Pools and roles that are there already: what the deployment adds to them, and that it adds nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stacks.amplify_pubsub_stack import adoption_notes
from stacks.settings import Settings
from tests.unit.stacks.conftest import ADMINS, AUTH_ROLE, IDENTITIES, SENDER_KEY, SMS_ROLE, USERS, Template

_OTHER_PROVIDERS = ["accounts.google.com", "login.example"]


def _template(adopt: dict[str, Any], **settings: Any) -> Template:
    return Template(Settings.model_validate({"adopt": adopt, **settings}))


@pytest.fixture(scope="module")
def large() -> Template:
    """Many roles and other providers."""
    roles = [f"arn:aws:iam::123456789012:role/eu-west-1_abc-group-{number:02}-GroupRole" for number in range(25)]
    return _template(USERS | IDENTITIES | {"groupRoleArns": roles, "otherProviders": _OTHER_PROVIDERS})


@pytest.fixture(scope="module")
def users() -> Template:
    """A user pool adopted whose triggers stay as they are, although the settings say what they would need."""
    return _template(USERS | {"smsRoleArn": SMS_ROLE, "customSenderKeyArn": SENDER_KEY}, groups=["admins"])


def test_adopted_pools_are_not_changed_by_default(whole: Template) -> None:
    assert not {each["Type"] for each in whole.json["Resources"].values()} & {
        "AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient", "AWS::Cognito::IdentityPool",
        "AWS::Cognito::IdentityPoolRoleAttachment", "Custom::UserPoolTriggers", "Custom::IdentityPoolProvider",
    }  # fmt: skip
    assert not whole.invoked_by("cognito-idp")


def test_the_outputs_name_what_was_adopted(whole: Template) -> None:
    values = {name: each["Value"] for name, each in whole.json["Outputs"].items()}
    assert values["UserPoolId"] == "eu-west-1_abc"
    assert values["UserPoolClientId"] == "web"
    assert values["IdentityPoolId"] == IDENTITIES["identityPoolId"]
    assert values["AuthRoleArn"] == IDENTITIES["authRoleArn"]


def test_adopted_role_gets_the_deny_first_and_loses_it_last(
    whole: Template,
) -> None:
    """Both by resources of that role: one that is taken out of ``adopt`` loses them in this order, in one phase."""
    ((deny, properties),) = whole.resources("AWS::IAM::ManagedPolicy").items()
    assert "Roles" not in properties
    attachments = whole.entire("Custom::RolePolicy")
    by_role: dict[str, dict[str, str]] = {}
    for name, each in attachments.items():
        policy = json.dumps(each["Properties"]["PolicyArn"]).rpartition("/")[2].strip(']}"')
        by_role.setdefault(each["Properties"]["RoleName"], {})[policy] = name
    assert set(by_role) == {AUTH_ROLE, ADMINS}
    for of_role in by_role.values():
        (guard,) = (name for policy, name in of_role.items() if deny in policy)
        data, config = of_role["AWSIoTDataAccess"], of_role["AWSIoTConfigAccess"]
        assert {guard} < set(attachments[data]["DependsOn"])
        assert {guard, data} < set(attachments[config]["DependsOn"])
        assert not {data, config} & set(attachments[guard]["DependsOn"])
        assert attachments[guard]["Properties"]["Guarded"] == [data, config]


def test_a_role_taken_out_of_adopt_changes_nothing_of_another_role(whole: Template) -> None:
    without_admins = _template(USERS | IDENTITIES | {"groupRoleArns": []})
    for kind in ("AWS::IAM::ManagedPolicy", "Custom::RolePolicy"):
        for name, properties in without_admins.resources(kind).items():
            assert whole.resources(kind)[name] == properties
    assert len(without_admins.resources("Custom::RolePolicy")) == 3


def test_unguarded_mode_has_no_deny() -> None:
    documented = _template(USERS | IDENTITIES, accessMode="unguarded")
    assert documented.resources("AWS::IAM::ManagedPolicy") == {}
    assert len(documented.resources("Custom::RolePolicy")) == 4


@pytest.mark.parametrize(
    ("adopt", "mode"),
    [({}, "unguarded"), ({}, "least-privilege"), ({"groupRoleArns": []}, "guarded")],
    ids=["unguarded", "least-privilege", "without a role"],
)
def test_what_is_no_longer_attached_can_still_be_detached(whole: Template, adopt: dict[str, Any], mode: str) -> None:
    """CloudFormation changes a permission before it deletes the resources that need it, so it must stay as it is."""
    after = _template(USERS | IDENTITIES | adopt, accessMode=mode)
    assert whole.entire("Custom::RolePolicy").keys() - after.entire("Custom::RolePolicy").keys()
    for old, new in ((whole, after), (after, whole)):
        permissions = {
            name: each
            for name, each in old.resources("AWS::IAM::Policy").items()
            if "iam:DetachRolePolicy" in json.dumps(each["PolicyDocument"])
        }
        assert len(permissions) == 1
        for name, each in permissions.items():
            assert new.resources("AWS::IAM::Policy").get(name, each) == each
        for resource in old.entire("Custom::RolePolicy").values():  # so that they are deleted before it
            assert permissions.keys() < {*resource["DependsOn"]}


def test_many_roles_fit_into_the_permission_even_while_it_changes(large: Template) -> None:
    """The inline policies of a role have 10,240 characters together."""
    statements = [
        each
        for each in large.statements_of("AccessRoleAccessFunction")
        if "AttachedRolePolicies" in json.dumps(each["Action"]) or "iam:AttachRolePolicy" in each["Action"]
    ]
    assert len(statements) == 2
    assert 2 * len(json.dumps(statements, separators=(",", ":"))) < 10_240 - 1_000


def test_role_function_can_attach_only_these_policies_to_adopted_roles(
    whole: Template,
) -> None:
    (deny,) = whole.resources("AWS::IAM::ManagedPolicy")
    statements = whole.statements_of("AccessRoleAccessFunction")
    (changing,) = (each for each in statements if "iam:AttachRolePolicy" in each["Action"])
    assert changing["Resource"] == [IDENTITIES["authRoleArn"], *IDENTITIES["groupRoleArns"]]
    assert changing["Action"] == ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
    allowed = changing["Condition"]["ArnEquals"]["iam:PolicyARN"]
    assert {"Ref": deny} in allowed
    assert len(allowed) == 3
    assert "policy/AWSIoTDataAccess" in json.dumps(allowed)
    assert "policy/AWSIoTConfigAccess" in json.dumps(allowed)
    assert "*" not in json.dumps(allowed)


@pytest.mark.parametrize(("adopted", "others"), [("whole", []), ("large", _OTHER_PROVIDERS)])
def test_self_attach_and_sweep_know_whose_users_they_attach(
    request: pytest.FixtureRequest, adopted: str, others: list[str]
) -> None:
    template: Template = request.getfixturevalue(adopted)
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


def test_in_an_identity_pool_of_our_own_no_provider_is_named(users: Template) -> None:
    assert "LOGIN_PROVIDERS" not in json.dumps(users.json)


def test_users_of_every_adopted_role_may_self_attach(whole: Template) -> None:
    invocation = next(
        each
        for each in whole.resources("AWS::IAM::Policy").values()
        if each["PolicyDocument"]["Statement"][0]["Action"] == "execute-api:Invoke"
    )
    assert invocation["Roles"] == [AUTH_ROLE, ADMINS]


def test_attachment_at_sign_in_adds_an_app_client_triggers_and_a_provider(at_sign_in: Template) -> None:
    (client,) = at_sign_in.resources("AWS::Cognito::UserPoolClient").values()
    assert (client["UserPoolId"], client["ExplicitAuthFlows"]) == ("eu-west-1_abc", ["ALLOW_CUSTOM_AUTH"])
    triggers = at_sign_in.only("Custom::UserPoolTriggers")
    assert (triggers["UserPoolId"], triggers["OutlivesStack"]) == ("eu-west-1_abc", "true")
    assert (triggers["MarkerAttribute"], triggers["MarkerLength"]) == ("pubsub_attachment", "128")
    assert len(triggers["Triggers"]) == 4
    permissions = at_sign_in.invoked_by("cognito-idp")
    assert len(permissions) == 4
    (resource,) = at_sign_in.entire("Custom::UserPoolTriggers").values()
    assert set(permissions) <= set(resource["DependsOn"])
    provider = at_sign_in.only("Custom::IdentityPoolProvider")
    assert provider["IdentityPoolId"] == IDENTITIES["identityPoolId"]
    assert json.dumps(provider["ProviderName"]).endswith('/eu-west-1_abc"]]}')


def test_trigger_checks_mfa_in_adopted_pools(at_sign_in: Template) -> None:
    trigger = at_sign_in.only("AWS::Lambda::Function", lambda each: each.startswith("SignInAttachmentPostAuth"))
    assert trigger["Environment"]["Variables"]["MFA"] == "optional"
    statements = at_sign_in.statements_of("SignInAttachmentPostAuthentication")
    assert any("cognito-idp:AdminGetUser" in each["Action"] for each in statements)


def test_chained_trigger_is_not_set_and_is_an_output() -> None:
    adopt = USERS | {"chainedTriggers": ["PostAuthentication"]}
    template = _template(adopt, attachment="sign-in")
    triggers = template.only("Custom::UserPoolTriggers")
    assert "PostAuthentication" not in triggers["Triggers"]
    assert triggers["ChainedTriggers"] == ["PostAuthentication"]
    assert template.json["Outputs"]["ChainedTriggers"]["Value"] == "PostAuthentication"


def test_drift_of_adopted_pools_is_detected(at_sign_in: Template, whole: Template) -> None:
    detector = at_sign_in.only("AWS::Lambda::Function", lambda each: each.startswith("DriftDetector"))
    assert detector["Environment"]["Variables"]["USER_POOL_ID"] == "eu-west-1_abc"
    alarms = {each["AlarmName"] for each in at_sign_in.resources("AWS::CloudWatch::Alarm").values()}
    assert "AmplifyPubSub-pool-drift" in alarms
    assert not [each for each in whole.resources("AWS::Lambda::Function") if each.startswith("DriftDetector")]


def test_adopted_user_pool_gets_an_identity_pool_for_all_its_clients(
    users: Template,
) -> None:
    providers = users.only("AWS::Cognito::IdentityPool")["CognitoIdentityProviders"]
    assert [each["ClientId"] for each in providers] == ["web", "native"]
    mappings = users.only("AWS::Cognito::IdentityPoolRoleAttachment")["RoleMappings"].values()
    assert len(mappings) == 2
    assert users.resources("Custom::RolePolicy") == {}
    assert users.only("Custom::UserPoolTriggers")["Triggers"] == {}


def _statements(template: Template, action: str | list[str]) -> list[dict[str, Any]]:
    return [each for each in template.statements_of("UserPoolTriggersFunction") if each["Action"] == action]


def test_triggers_function_can_pass_only_the_sms_role_and_grant_only_the_key(
    users_at_sign_in: Template,
) -> None:
    template = users_at_sign_in
    passing = [each for each in _statements(template, "iam:PassRole") if each["Resource"] == SMS_ROLE]
    to_cognito = {"StringEquals": {"iam:PassedToService": "cognito-idp.amazonaws.com"}}
    assert [each["Condition"] for each in passing] == [to_cognito]
    assert [each["Resource"] for each in _statements(template, "kms:CreateGrant")] == [SENDER_KEY]
    triggers = template.only("Custom::UserPoolTriggers")
    assert (triggers["SmsRoleArn"], triggers["CustomSenderKeyArn"]) == (SMS_ROLE, SENDER_KEY)


def test_triggers_resource_has_no_sms_role_and_key_by_default(at_sign_in: Template) -> None:
    triggers = at_sign_in.only("Custom::UserPoolTriggers")
    assert (triggers["SmsRoleArn"], triggers["CustomSenderKeyArn"]) == ("", "")
    assert _statements(at_sign_in, "kms:CreateGrant") == []


def test_self_attach_needs_no_permission_for_sms(users: Template) -> None:
    assert SMS_ROLE not in json.dumps(users.json)
    assert SENDER_KEY not in json.dumps(users.json)


def test_permission_for_former_roles_outlives_the_update_that_needs_it(
    users: Template,
) -> None:
    former = f"arn:aws:iam::123456789012:role/{ADMINS}"
    adopt = USERS | {"replaceGroupRoles": {"admins": former, "editors": None}}
    template = _template(adopt, groups=["admins", "editors"])
    triggers = template.only("Custom::UserPoolTriggers")
    assert triggers["ReplaceGroupRoles"] == {"admins": former, "editors": ""}
    policies = {
        logical_id: each
        for logical_id, each in template.resources("AWS::IAM::Policy").items()
        if former in json.dumps(each["PolicyDocument"])
    }
    assert len(policies) == 1
    # Another list of roles is another resource, and CloudFormation deletes the old one last.
    assert policies.keys().isdisjoint(users.resources("AWS::IAM::Policy"))
    (resource,) = template.entire("Custom::UserPoolTriggers").values()
    assert policies.keys() <= set(resource["DependsOn"])


def test_original_settings_are_in_a_parameter_of_stack_and_pool(at_sign_in: Template) -> None:
    name = at_sign_in.only("Custom::UserPoolTriggers")["OriginalSettingsParameter"]
    assert name == "/AmplifyPubSub/user-pool/eu-west-1_abc/original-settings"
    (statement,) = _statements(at_sign_in, ["ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"])
    assert json.dumps(statement["Resource"]).endswith(f':parameter{name}"]]}}')


def _told(adopt: dict[str, Any], **settings: Any) -> str:
    return " ".join(adoption_notes(Settings.model_validate({"adopt": adopt, **settings})))


def test_notes_name_the_permissions_for_role_and_key() -> None:
    told = _told(USERS | {"smsRoleArn": SMS_ROLE, "customSenderKeyArn": SENDER_KEY}, attachment="sign-in")
    assert "The stack may pass the role shop-sns to Amazon Cognito" in told
    assert f"The stack may create grants of the key {SENDER_KEY}" in told


def test_notes_say_what_happens_to_replaced_groups() -> None:
    former = f"arn:aws:iam::123456789012:role/{ADMINS}"
    told = _told(USERS | {"replaceGroupRoles": {"admins": former, "editors": None}}, groups=["admins", "editors"])
    assert f"The group admins gets a role and a precedence of this stack in place of its role {ADMINS}" in told
    assert "The group editors gets a role and a precedence of this stack in place of no role. It keeps a role" in told


def test_sign_ins_of_every_adopted_client_are_watched(users_at_sign_in: Template) -> None:
    alarm = next(
        each
        for each in users_at_sign_in.resources("AWS::CloudWatch::Alarm").values()
        if each["AlarmName"] == "AmplifyPubSub-trigger-not-configured"
    )
    clients = [
        dimension["Value"]
        for metric in alarm["Metrics"]
        for dimension in metric.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [])
        if dimension["Name"] == "UserPoolClient"
    ]
    assert clients == ["web", "native"]


def test_another_identity_pool_has_another_detachment_resource(whole: Template) -> None:
    other = IDENTITIES | {"identityPoolId": "eu-west-1:99999999-2222-3333-4444-555555555555"}
    here, there = (each.resources("Custom::IotPolicyOfIdentityPool") for each in (whole, _template(USERS | other)))
    assert here
    assert not set(here) & set(there)
