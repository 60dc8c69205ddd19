"""Adopted pools and roles get only what the deployment needs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stacks.amplify_pubsub_stack import adoption_notes
from stacks.settings import Settings
from tests.unit.stacks.conftest import ADMINS, AUTH_ROLE, IDENTITIES, SENDER_KEY, SMS_ROLE, USERS, Template

_OTHER_PROVIDERS = ["accounts.google.com", "login.example"]
_SENDERS = {"smsRoleArn": SMS_ROLE, "customSenderKeyArn": SENDER_KEY}
_FORMER = f"arn:aws:iam::123456789012:role/{ADMINS}"


def _template(adopt: dict[str, Any], **settings: Any) -> Template:
    return Template(Settings.model_validate({"adopt": adopt, **settings}))


@pytest.fixture(scope="module")
def adopted_with_many_roles() -> Template:
    """With many roles, and with providers other than the user pool."""
    roles = [f"arn:aws:iam::123456789012:role/eu-west-1_abc-group-{number:02}-GroupRole" for number in range(25)]
    return _template(USERS | IDENTITIES | {"groupRoleArns": roles, "otherProviders": _OTHER_PROVIDERS})


@pytest.fixture(scope="module")
def adopted_user_pool() -> Template:
    """A user pool whose triggers do not change, although the settings have what a change requires."""
    return _template(USERS | _SENDERS, groups=["admins"])


def _triggers_statements(template: Template, action: str | list[str]) -> list[dict[str, Any]]:
    return [each for each in template.statements_of("UserPoolTriggersFunction") if each["Action"] == action]


class TestPoolsWithSelfAttach:
    def test_adopted_pools_are_outputs_and_are_not_changed(self, adopted: Template) -> None:
        assert not [
            each["Type"]
            for each in adopted.json["Resources"].values()
            if each["Type"].startswith(("AWS::Cognito::", "Custom::UserPool", "Custom::IdentityPool"))
        ]
        assert not adopted.invoked_by("cognito-idp")
        assert not [each for each in adopted.resources("AWS::Lambda::Function") if each.startswith("DriftDetector")]
        outputs = {name: each["Value"] for name, each in adopted.json["Outputs"].items()}
        assert outputs.items() >= {
            ("UserPoolId", "eu-west-1_abc"),
            ("UserPoolClientId", "web"),
            ("IdentityPoolId", IDENTITIES["identityPoolId"]),
            ("AuthRoleArn", IDENTITIES["authRoleArn"]),
        }

    def test_adopted_user_pool_gets_an_identity_pool_for_all_its_clients(self, adopted_user_pool: Template) -> None:
        providers = adopted_user_pool.only("AWS::Cognito::IdentityPool")["CognitoIdentityProviders"]
        assert [each["ClientId"] for each in providers] == ["web", "native"]
        assert len(adopted_user_pool.only("AWS::Cognito::IdentityPoolRoleAttachment")["RoleMappings"]) == 2
        assert adopted_user_pool.resources("Custom::RolePolicy") == {}
        assert adopted_user_pool.only("Custom::UserPoolTriggers")["Triggers"] == {}
        for unused in (SMS_ROLE, SENDER_KEY, "LOGIN_PROVIDERS"):
            assert unused not in json.dumps(adopted_user_pool.json)

    @pytest.mark.parametrize(("fixture", "others"), [("adopted", []), ("adopted_with_many_roles", _OTHER_PROVIDERS)])
    def test_only_users_of_the_adopted_providers_are_attached(
        self, request: pytest.FixtureRequest, fixture: str, others: list[str]
    ) -> None:
        functions = request.getfixturevalue(fixture).resources("AWS::Lambda::Function")
        variables = {name: each.get("Environment", {}).get("Variables", {}) for name, each in functions.items()}
        providers = {name: each["LOGIN_PROVIDERS"] for name, each in variables.items() if "LOGIN_PROVIDERS" in each}
        assert {name.partition("Function")[0] for name in providers} == {"SelfAttach", "Sweep"}
        assert {each["Fn::Join"][1][-1] for each in providers.values()} == {",".join(["/eu-west-1_abc", *others])}

    def test_users_of_every_adopted_role_can_self_attach(self, adopted: Template) -> None:
        policy = adopted.only("AWS::IAM::Policy", lambda each: each.startswith("SelfAttachInvocation"))
        assert policy["PolicyDocument"]["Statement"][0]["Action"] == "execute-api:Invoke"
        assert policy["Roles"] == [AUTH_ROLE, ADMINS]

    def test_another_identity_pool_has_another_detachment_resource(self, adopted: Template) -> None:
        other = _template(USERS | IDENTITIES | {"identityPoolId": "eu-west-1:99999999-2222-3333-4444-555555555555"})
        here, there = (each.resources("Custom::IotPolicyOfIdentityPool").keys() for each in (adopted, other))
        assert (len(here), len(there), here & there) == (1, 1, set())


class TestRoles:
    def test_role_gets_the_deny_first_and_loses_it_last(self, adopted: Template) -> None:
        """A role that is removed from ``adopt`` also loses its policies in this order."""
        ((deny, properties),) = adopted.resources("AWS::IAM::ManagedPolicy").items()
        assert "Roles" not in properties
        attachments = adopted.definitions("Custom::RolePolicy")
        by_role: dict[str, dict[str, str]] = {}
        for name, each in attachments.items():
            policy = json.dumps(each["Properties"]["PolicyArn"]).rpartition("/")[2].strip(']}"')
            by_role.setdefault(each["Properties"]["RoleName"], {})[policy] = name
        assert set(by_role) == {AUTH_ROLE, ADMINS}
        assert len({each["Properties"]["RecordParameter"] for each in attachments.values()}) == len(attachments)
        for of_role in by_role.values():
            (guard,) = (name for policy, name in of_role.items() if deny in policy)
            data, config = of_role["AWSIoTDataAccess"], of_role["AWSIoTConfigAccess"]
            assert {guard} < set(attachments[data]["DependsOn"])
            assert {guard, data} < set(attachments[config]["DependsOn"])
            assert not {data, config} & set(attachments[guard]["DependsOn"])
            assert attachments[guard]["Properties"]["Guarded"] == [data, config]

    def test_removed_role_changes_nothing_of_another_role(self, adopted: Template) -> None:
        without_admins = _template(USERS | IDENTITIES | {"groupRoleArns": []})
        for kind in ("AWS::IAM::ManagedPolicy", "Custom::RolePolicy"):
            assert without_admins.resources(kind).items() <= adopted.resources(kind).items()
        assert len(without_admins.resources("Custom::RolePolicy")) == 3

    @pytest.mark.parametrize(
        ("adopt", "mode"),
        [({}, "unguarded"), ({}, "least-privilege"), ({"groupRoleArns": []}, "guarded")],
        ids=["unguarded", "least-privilege", "without a role"],
    )
    def test_permission_to_detach_outlives_what_is_detached(
        self, adopted: Template, adopt: dict[str, Any], mode: str
    ) -> None:
        """CloudFormation changes a permission before it deletes the resources that need it, so it must not change."""
        after = _template(USERS | IDENTITIES | adopt, accessMode=mode)
        assert adopted.definitions("Custom::RolePolicy").keys() - after.definitions("Custom::RolePolicy").keys()
        for old, new in ((adopted, after), (after, adopted)):
            ((name, permission),) = (
                (name, each)
                for name, each in old.resources("AWS::IAM::Policy").items()
                if "iam:DetachRolePolicy" in json.dumps(each["PolicyDocument"])
            )
            assert new.resources("AWS::IAM::Policy").get(name, permission) == permission
            for resource in old.definitions("Custom::RolePolicy").values():  # so that they are deleted before it
                assert name in resource["DependsOn"]

    def test_permission_for_many_roles_fits_even_while_it_changes(self, adopted_with_many_roles: Template) -> None:
        """The inline policies of a role have at most 10,240 characters in total."""
        statements = [
            each
            for each in adopted_with_many_roles.statements_of("AccessRoleAccessFunction")
            if "AttachedRolePolicies" in json.dumps(each["Action"]) or "iam:AttachRolePolicy" in each["Action"]
        ]
        assert len(statements) == 2
        assert 2 * len(json.dumps(statements, separators=(",", ":"))) < 10_240 - 1_000

    def test_function_can_attach_only_these_policies_to_adopted_roles(self, adopted: Template) -> None:
        (deny,) = adopted.resources("AWS::IAM::ManagedPolicy")
        statements = adopted.statements_of("AccessRoleAccessFunction")
        (changing,) = (each for each in statements if "iam:AttachRolePolicy" in each["Action"])
        assert changing["Resource"] == [IDENTITIES["authRoleArn"], *IDENTITIES["groupRoleArns"]]
        assert changing["Action"] == ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
        allowed = changing["Condition"]["ArnEquals"]["iam:PolicyARN"]
        assert {"Ref": deny} in allowed
        assert len(allowed) == 3
        for name in ("AWSIoTDataAccess", "AWSIoTConfigAccess"):
            assert f"policy/{name}" in json.dumps(allowed)
        assert "*" not in json.dumps(allowed)

    def test_unguarded_mode_has_no_deny(self) -> None:
        unguarded = _template(USERS | IDENTITIES, accessMode="unguarded")
        assert unguarded.resources("AWS::IAM::ManagedPolicy") == {}
        assert len(unguarded.resources("Custom::RolePolicy")) == 4


class TestAttachmentAtSignIn:
    def test_pool_gets_an_app_client_triggers_and_a_provider(self, adopted_at_sign_in: Template) -> None:
        (client,) = adopted_at_sign_in.resources("AWS::Cognito::UserPoolClient").values()
        assert (client["UserPoolId"], client["ExplicitAuthFlows"]) == ("eu-west-1_abc", ["ALLOW_CUSTOM_AUTH"])
        (resource,) = adopted_at_sign_in.definitions("Custom::UserPoolTriggers").values()
        triggers = resource["Properties"]
        assert (triggers["UserPoolId"], triggers["OutlivesStack"]) == ("eu-west-1_abc", "true")
        assert (triggers["MarkerAttribute"], triggers["MarkerLength"]) == ("pubsub_attachment", "128")
        assert (triggers["SmsRoleArn"], triggers["CustomSenderKeyArn"]) == ("", "")
        assert _triggers_statements(adopted_at_sign_in, "kms:CreateGrant") == []
        permissions = adopted_at_sign_in.invoked_by("cognito-idp")
        assert (len(triggers["Triggers"]), len(permissions)) == (4, 4)
        assert set(permissions) <= set(resource["DependsOn"])
        provider = adopted_at_sign_in.only("Custom::IdentityPoolProvider")
        assert provider["IdentityPoolId"] == IDENTITIES["identityPoolId"]
        assert json.dumps(provider["ProviderName"]).endswith('/eu-west-1_abc"]]}')

    def test_trigger_checks_mfa(self, adopted_at_sign_in: Template) -> None:
        trigger = "SignInAttachmentPostAuthentication"
        function = adopted_at_sign_in.only("AWS::Lambda::Function", lambda each: each.startswith(trigger))
        assert function["Environment"]["Variables"]["MFA"] == "optional"
        statements = adopted_at_sign_in.statements_of(trigger)
        assert any("cognito-idp:AdminGetUser" in each["Action"] for each in statements)

    def test_chained_trigger_is_not_set_and_is_an_output(self) -> None:
        template = _template(USERS | {"chainedTriggers": ["PostAuthentication"]}, attachment="sign-in")
        triggers = template.only("Custom::UserPoolTriggers")
        assert "PostAuthentication" not in triggers["Triggers"]
        assert triggers["ChainedTriggers"] == ["PostAuthentication"]
        assert template.json["Outputs"]["ChainedTriggers"]["Value"] == "PostAuthentication"

    def test_drift_is_detected(self, adopted_at_sign_in: Template) -> None:
        detector = adopted_at_sign_in.only("AWS::Lambda::Function", lambda each: each.startswith("DriftDetector"))
        assert detector["Environment"]["Variables"]["USER_POOL_ID"] == "eu-west-1_abc"
        alarms = {each["AlarmName"] for each in adopted_at_sign_in.resources("AWS::CloudWatch::Alarm").values()}
        assert "AmplifyPubSub-pool-drift" in alarms

    def test_alarm_covers_the_sign_ins_of_every_client(self, adopted_user_pool_at_sign_in: Template) -> None:
        alarm = adopted_user_pool_at_sign_in.only("AWS::CloudWatch::Alarm", lambda each: "TriggerNotConfigured" in each)
        clients = [
            dimension["Value"]
            for metric in alarm["Metrics"]
            for dimension in metric.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [])
            if dimension["Name"] == "UserPoolClient"
        ]
        assert clients == ["web", "native"]

    def test_function_can_pass_only_the_sms_role_and_grant_only_the_key(
        self, adopted_user_pool_at_sign_in: Template
    ) -> None:
        passing = _triggers_statements(adopted_user_pool_at_sign_in, "iam:PassRole")
        passing = [each for each in passing if each["Resource"] == SMS_ROLE]
        to_cognito = {"StringEquals": {"iam:PassedToService": "cognito-idp.amazonaws.com"}}
        assert [each["Condition"] for each in passing] == [to_cognito]
        grants = _triggers_statements(adopted_user_pool_at_sign_in, "kms:CreateGrant")
        assert [each["Resource"] for each in grants] == [SENDER_KEY]
        triggers = adopted_user_pool_at_sign_in.only("Custom::UserPoolTriggers")
        assert (triggers["SmsRoleArn"], triggers["CustomSenderKeyArn"]) == (SMS_ROLE, SENDER_KEY)

    def test_original_settings_are_in_a_parameter_of_stack_and_pool(self, adopted_at_sign_in: Template) -> None:
        name = adopted_at_sign_in.only("Custom::UserPoolTriggers")["OriginalSettingsParameter"]
        assert name == "/AmplifyPubSub/user-pool/eu-west-1_abc/original-settings"
        operations = ["ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"]
        (statement,) = _triggers_statements(adopted_at_sign_in, operations)
        assert json.dumps(statement["Resource"]).endswith(f':parameter{name}"]]}}')


def test_permission_for_former_group_roles_outlives_the_update_that_needs_it(adopted_user_pool: Template) -> None:
    adopt = USERS | {"replaceGroupRoles": {"admins": _FORMER, "editors": None}}
    template = _template(adopt, groups=["admins", "editors"])
    (resource,) = template.definitions("Custom::UserPoolTriggers").values()
    assert resource["Properties"]["ReplaceGroupRoles"] == {"admins": _FORMER, "editors": ""}
    policies = template.resources("AWS::IAM::Policy").items()
    (permission,) = (name for name, each in policies if _FORMER in json.dumps(each["PolicyDocument"]))
    # A changed list of roles creates another policy, and CloudFormation deletes the old one last.
    assert permission not in adopted_user_pool.resources("AWS::IAM::Policy")
    assert permission in resource["DependsOn"]


@pytest.mark.parametrize(
    ("adopt", "settings", "notes"),
    [
        (
            _SENDERS,
            {"attachment": "sign-in"},
            [
                "The stack may pass the role shop-sns to Amazon Cognito",
                f"The stack may create grants for the key {SENDER_KEY}",
            ],
        ),
        (
            {"replaceGroupRoles": {"admins": _FORMER, "editors": None, "writers": None}},
            {"groups": ["admins", "editors"]},
            [
                f"Group admins gets a role and a precedence of this stack instead of its role {ADMINS}",
                "Group editors gets a role and a precedence of this stack. It had no role. It keeps the new one",
            ],
        ),
    ],
    ids=["role and key", "groups"],
)
def test_notes_name_what_the_stack_may_change(
    adopt: dict[str, Any], settings: dict[str, Any], notes: list[str]
) -> None:
    shown = " ".join(adoption_notes(Settings.model_validate({"adopt": USERS | adopt, **settings})))
    assert [each for each in notes if each not in shown] == []
    assert "writers" not in shown
