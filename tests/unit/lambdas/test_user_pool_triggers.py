from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.lambdas.conftest import Load
from tests.unit.lambdas.fake_aws import AwsError, FakeSsm, FakeUserPool

_POOL = "eu-west-1_pool"
_PARAMETER = f"/AmplifyPubSub/user-pool/{_POOL}/original-settings"
_MARKER = "pubsub_attachment"
_TRIGGERS = {
    "PostAuthentication": "arn:aws:lambda:x:1:function:trigger",
    "DefineAuthChallenge": "arn:aws:lambda:x:1:function:challenge",
}
_CREATED_HERE = "Its users get an IAM role of their own from Amplify PubSub"
_OTHER_TRIGGER = {"PreSignUp": "arn:aws:lambda:x:1:function:other"}
_AUTH_ROLE = "arn:aws:iam::123456789012:role/AuthRole"
# A response of DescribeUserPool. UpdateUserPool does not accept some members; others are unknown to the SDK, but empty.
_DESCRIBED: dict[str, Any] = {
    "Id": _POOL,
    "Name": "users",
    "EstimatedNumberOfUsers": 7,
    "SchemaAttributes": [{"Name": "email"}, {"Name": f"custom:{_MARKER}"}],
    "CreationDate": datetime.fromtimestamp(0, UTC),
    "Domain": "shop",
    "Holidays": {},
    "Moon": None,
    "UserPoolTags": {"team": "platform", "aws:cloudformation:stack-name": "AmplifyPubSub"},
    "MfaConfiguration": "OPTIONAL",
    "Policies": {"PasswordPolicy": {"MinimumLength": 12, "TemporaryPasswordValidityDays": 7}},
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False, "UnusedAccountValidityDays": 7},
}
_TOTP: dict[str, Any] = {"SoftwareTokenMfaConfiguration": {"Enabled": True}, "MfaConfiguration": "OPTIONAL"}
_SMS_ROLE = "arn:aws:iam::123456789012:role/shop-sns"
_KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
_SMS: dict[str, Any] = {"SnsCallerArn": _SMS_ROLE, "ExternalId": "shop"}
_SENDERS: dict[str, Any] = {
    "CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": "arn:aws:lambda:x:1:function:sender"},
    "KMSKeyID": _KEY,
}
_THEIRS = {"PostAuthentication": "arn:aws:lambda:x:1:function:theirs"}
_CHALLENGE = {"DefineAuthChallenge": _TRIGGERS["DefineAuthChallenge"]}


class Stack:
    """A stack with a user pool."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.pool = FakeUserPool(module._user_pools, copy.deepcopy(_DESCRIBED) | {"LambdaConfig": {}}, _TOTP)
        self.ssm = FakeSsm(module._ssm)

    @property
    def original_settings(self) -> Any:
        return json.loads(self.ssm.values.get(_PARAMETER, "null"))

    def has(self, triggers: dict[str, Any], *groups: dict[str, Any], **settings: Any) -> None:
        assert self.pool.described is not None
        self.pool.described |= {"LambdaConfig": triggers, **settings}
        self.pool.groups = {each["GroupName"]: each for each in groups}

    def lacks_the_attribute(self) -> None:
        assert self.pool.described is not None
        self.pool.described["SchemaAttributes"] = [{"Name": "email"}]

    def run(self, request_type: str, before: Any = None, **properties: Any) -> None:
        """Handle a request; ``before`` has the resource's properties before an update."""
        defaults = {
            "UserPoolId": _POOL,
            "OutlivesStack": "true",
            "OriginalSettingsParameter": _PARAMETER,
            "MarkerAttribute": _MARKER,
            "MarkerLength": "128",
            "Triggers": _TRIGGERS,
            "Groups": [],
            "AuthRoleArn": _AUTH_ROLE,
        }
        event: dict[str, Any] = {"RequestType": request_type, "ResourceProperties": defaults | properties}
        if request_type != "Create":
            event["PhysicalResourceId"] = f"{_POOL}/triggers"
        if request_type == "Update":
            event["OldResourceProperties"] = before or _before()
        assert self.module.on_event(event, None) == {"PhysicalResourceId": f"{_POOL}/triggers"}

    def refuses(self, message: str, *arguments: Any, **properties: Any) -> str:
        """Check that a request fails before it changes anything; return the message."""
        changes = len(self.pool.changes)
        with pytest.raises(Exception, match=message) as raised:
            self.run(*arguments, **properties)
        assert type(raised.value).__name__ in (
            "SettingsMismatchError",
            "SettingsWouldBeLostError",
            "TooLongToKeepError",
        )
        assert len(self.pool.changes) == changes
        return str(raised.value)


@pytest.fixture
def stack(load: Load) -> Stack:
    return Stack(load("user_pool_triggers"))


def _group(name: str, role: str, **details: Any) -> dict[str, Any]:
    return {"GroupName": name, "RoleArn": f"arn:aws:iam::123456789012:role/{role}"} | details


def _wanted(*groups: dict[str, Any]) -> list[dict[str, str]]:
    return [{"Name": each["GroupName"], "RoleArn": each["RoleArn"]} for each in groups]


def _before(*groups: str, **triggers: str) -> dict[str, Any]:
    """Return the resource's properties before an update."""
    return {"Triggers": triggers or _TRIGGERS, "Groups": _wanted(*(_group(name, name) for name in groups))}


@pytest.mark.parametrize(
    ("request_type", "properties", "there", "afterwards"),
    [
        ("Create", {}, _OTHER_TRIGGER | _TRIGGERS, _OTHER_TRIGGER | _TRIGGERS),
        ("Create", {}, _OTHER_TRIGGER, _OTHER_TRIGGER | _TRIGGERS),
        ("Create", {"Triggers": {}, "MarkerAttribute": None}, {}, {}),
        (
            "Create",
            {"Triggers": _CHALLENGE, "ChainedTriggers": ["PostAuthentication"]},
            _THEIRS,
            _THEIRS | _CHALLENGE,
        ),
        (
            "Update",
            {"before": _before(PostAuthentication="arn:aws:lambda:x:1:function:before")},
            {"PostAuthentication": "arn:aws:lambda:x:1:function:before"},
            _TRIGGERS,
        ),
        ("Update", {"Triggers": {}}, _OTHER_TRIGGER | _TRIGGERS, _OTHER_TRIGGER),
        ("Delete", {}, _OTHER_TRIGGER | _TRIGGERS, _OTHER_TRIGGER),
        ("Delete", {}, _TRIGGERS | _THEIRS, _THEIRS),
        ("Delete", {"OutlivesStack": "false"}, _TRIGGERS, _TRIGGERS),
    ],
    ids=[
        "set already", "other trigger stays", "no triggers", "chained trigger", "previous function", "removed setting",
        "deletion keeps the other trigger", "deletion keeps another function", "pool is deleted with the stack",
    ],
)  # fmt: skip
def test_triggers_of_the_stack_are_set_and_removed(
    stack: Stack, request_type: str, properties: dict[str, Any], there: dict[str, str], afterwards: dict[str, str]
) -> None:
    stack.has(there)
    if "MarkerAttribute" in properties:
        stack.lacks_the_attribute()
    stack.run(request_type, **properties)
    assert stack.pool.triggers == afterwards
    assert stack.pool.changes == ([] if there == afterwards else ["update_user_pool"])


def test_update_sends_the_other_settings_of_the_pool(stack: Stack) -> None:
    stack.run("Create")
    assert stack.pool.requests("update_user_pool") == [
        {
            "UserPoolId": _POOL,
            "LambdaConfig": _TRIGGERS,
            "UserPoolTags": {"team": "platform"},
            "MfaConfiguration": "OPTIONAL",
            "Policies": _DESCRIBED["Policies"],
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False},
        }
    ]


def test_deletion_succeeds_if_the_pool_was_deleted_manually(stack: Stack) -> None:
    stack.pool.described = None
    stack.run("Delete")


@pytest.mark.parametrize(("request_type", "afterwards"), [("Create", {}), ("Update", _TRIGGERS)])
def test_failed_creation_removes_the_triggers(stack: Stack, request_type: str, afterwards: dict[str, str]) -> None:
    """CloudFormation sends no Delete request, and the pool must not invoke functions that are rolled back."""
    stack.lacks_the_attribute()
    stack.pool.failures["update_user_pool"] = [AwsError("AccessDeniedException", "iam:PassRole", is_late=True)]
    with pytest.raises(stack.module._user_pools.exceptions.ClientError, match="iam:PassRole"):
        stack.run(request_type)
    assert stack.pool.triggers == afterwards
    assert "add_custom_attributes" not in stack.pool.changes  # it cannot be removed again


def test_marker_attribute_is_added_last(stack: Stack) -> None:
    stack.lacks_the_attribute()
    stack.run("Create")
    assert stack.pool.changes == ["update_user_pool", "add_custom_attributes"]
    attribute = {
        "Name": _MARKER,
        "AttributeDataType": "String",
        "Mutable": True,
        "StringAttributeConstraints": {"MinLength": "0", "MaxLength": "128"},
    }
    assert stack.pool.requests("add_custom_attributes") == [{"UserPoolId": _POOL, "CustomAttributes": [attribute]}]


class TestMfa:
    """UpdateUserPool rejects the pool's MFA, because it expects a configuration of SMS."""

    @pytest.fixture
    def stack(self, stack: Stack) -> Stack:
        stack.has(_TRIGGERS)
        stack.pool.refuses_mfa = True
        return stack

    @pytest.mark.parametrize("resets_mfa", [False, True])
    def test_mfa_is_restored_if_the_update_resets_it(self, stack: Stack, resets_mfa: bool) -> None:
        stack.pool.resets_mfa = resets_mfa
        stack.run("Delete")
        assert (stack.pool.triggers, stack.pool.mfa, stack.original_settings) == ({}, _TOTP, None)
        assert ("set_user_pool_mfa_config" in stack.pool.changes) is resets_mfa

    def test_failed_mfa_restoration_prints_the_command(self, stack: Stack) -> None:
        stack.pool.resets_mfa = True
        stack.pool.failures["set_user_pool_mfa_config"] = [AwsError("TooManyRequestsException")]
        command = (
            f"set-user-pool-mfa-config --user-pool-id {_POOL} --mfa-configuration OPTIONAL "
            """--software-token-mfa-configuration '{"Enabled": true}'"""
        )
        with pytest.raises(stack.module.MfaLostError) as lost:
            stack.run("Delete")
        assert sorted(str(lost.value).split(" --")[1:]) == sorted(command.split(" --")[1:])
        assert stack.original_settings == {"mfa": _TOTP}

    @pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
    def test_mfa_is_restored_first_after_an_interrupted_run(self, stack: Stack, request_type: str) -> None:
        stack.pool.resets_mfa = True
        stack.pool.failures["get_user_pool_mfa_config"] = [None, AwsError("Killed")]  # the function ends here
        with pytest.raises(stack.module._user_pools.exceptions.ClientError):
            stack.run("Delete")
        assert (stack.pool.mfa["MfaConfiguration"], stack.original_settings) == ("OFF", {"mfa": _TOTP})
        stack.has({} if request_type == "Delete" else _TRIGGERS)
        stack.run(request_type)
        assert (stack.pool.mfa, stack.original_settings) == (_TOTP, None)

    def test_mfa_that_was_switched_on_since_stays(self, stack: Stack) -> None:
        stack.ssm.values[_PARAMETER] = json.dumps({"mfa": _TOTP})
        stack.pool.mfa = since = _TOTP | {"MfaConfiguration": "ON"}
        stack.has({})
        stack.run("Delete")
        assert (stack.pool.mfa, stack.original_settings) == (since, None)

    def test_mfa_with_a_member_unknown_to_the_sdk_is_not_risked(self, stack: Stack) -> None:
        """It could not be restored, because the SDK does not send members that it does not know."""
        stack.pool.mfa = _TOTP | {"WebAuthnConfiguration": {"UserVerification": "preferred", "Moonrise": "REQUIRED"}}
        with pytest.raises(stack.module.SettingsWouldBeLostError, match=r"reset WebAuthnConfiguration\.Moonrise of"):
            stack.run("Delete")
        assert (stack.pool.triggers, stack.original_settings) == (_TRIGGERS, None)

    @pytest.mark.parametrize(
        ("mfa", "message"), [("OFF", "are required when MFA is optional"), ("OPTIONAL", "Invalid AttributeDataType")]
    )
    def test_other_invalid_parameters_are_raised(self, stack: Stack, mfa: str, message: str) -> None:
        stack.has(_TRIGGERS, MfaConfiguration=mfa)
        stack.pool.failures["update_user_pool"] = [AwsError("InvalidParameterException", message)]
        with pytest.raises(stack.module._user_pools.exceptions.InvalidParameterException):
            stack.run("Delete")
        assert stack.pool.changes == ["update_user_pool"]


@pytest.mark.parametrize(
    ("request_type", "there", "properties", "message"),
    [
        (
            "Create",
            _THEIRS,
            {},
            "has arn:aws:lambda:x:1:function:theirs on its trigger PostAuthentication. Remove it, or let it call",
        ),
        (
            "Create",
            {},
            {"Triggers": {}, "ChainedTriggers": ["PostAuthentication"]},
            "has no function of its own on its trigger PostAuthentication, which adopt.chainedTriggers names",
        ),
        (
            "Update",
            _TRIGGERS,
            {"Triggers": _CHALLENGE, "ChainedTriggers": ["PostAuthentication"]},
            "no function of its own",
        ),
    ],
    ids=["another function", "chained without a function", "chained with our function"],
)
def test_pool_that_does_not_match_the_settings_is_not_changed(
    stack: Stack, request_type: str, there: dict[str, str], properties: dict[str, Any], message: str
) -> None:
    stack.has(there)
    stack.refuses(message, request_type, **properties)


class TestSmsAndSenders:
    """An update passes the SMS role to Cognito and needs a grant for the senders' key.

    An update with both runs in tests/e2e/test_adoption.py.
    """

    @pytest.mark.parametrize(
        ("sms_role", "key", "settings"),
        [
            ("", "", ["smsRoleArn", "customSenderKeyArn"]),
            (f"{_SMS_ROLE}-other", _KEY, ["smsRoleArn"]),
            (_SMS_ROLE, f"{_KEY[:-1]}6", ["customSenderKeyArn"]),
        ],
    )
    @pytest.mark.parametrize("configured", [{}, _TRIGGERS], ids=["to change", "to restore at deletion"])
    def test_pool_is_not_changed_without_the_settings(
        self, stack: Stack, sms_role: str, key: str, settings: list[str], configured: dict[str, str]
    ) -> None:
        stack.has(_SENDERS | configured, SmsConfiguration=_SMS)
        message = stack.refuses("Set adopt", "Create", SmsRoleArn=sms_role, CustomSenderKeyArn=key)
        assert [each for each in ("smsRoleArn", "customSenderKeyArn") if f"Set adopt.{each}" in message] == settings

    def test_new_sms_role_prevents_only_the_deletion(self, stack: Stack) -> None:
        """Otherwise the rollback of a refused update would be refused too."""
        adopted = {"SmsRoleArn": "", "CustomSenderKeyArn": ""}
        stack.has(_OTHER_TRIGGER | _TRIGGERS, SmsConfiguration=_SMS)
        stack.run("Update", **adopted)
        message = stack.refuses(
            r"sends SMS with the role \S+, .* Remove DefineAuthChallenge and PostAuthentication .* Then delete",
            "Delete",
            **adopted,
        )
        assert "deploy again" not in message  # CloudFormation does not update a stack whose deletion has failed
        stack.has(_OTHER_TRIGGER)
        stack.run("Delete", **adopted)


@pytest.mark.parametrize(
    ("unknown", "path"),
    [
        ({"Holidays": {"Country": "NO"}}, "Holidays"),
        ({"Policies": {"PasswordPolicy": {"Rhymes": False}}}, "Policies.PasswordPolicy.Rhymes"),
        ({"LambdaConfig": {"PreMoonrise": "arn:aws:lambda:x:1:function:theirs"}}, "LambdaConfig.PreMoonrise"),
    ],
)
@pytest.mark.parametrize(
    ("request_type", "instead"),
    [
        ("Create", "Use attachment self-attach"),
        ("Delete", "Remove DefineAuthChallenge and PostAuthentication from the pool in the Cognito console"),
    ],
)
def test_pool_with_a_setting_unknown_to_the_sdk_is_not_updated(
    stack: Stack, unknown: dict[str, Any], path: str, request_type: str, instead: str
) -> None:
    triggers = ({} if request_type == "Create" else _TRIGGERS) | unknown.get("LambdaConfig", {})
    stack.has(triggers, **{name: each for name, each in unknown.items() if name != "LambdaConfig"})
    assert instead in stack.refuses(f"UpdateUserPool would reset {path} of the pool", request_type)


@pytest.mark.parametrize(
    ("description", "adopted"),
    [({}, {}), ({"Description": _CREATED_HERE}, {"ReplaceGroupRoles": {}})],
    ids=["pool of this stack", "group of an earlier stack"],
)
def test_groups_get_precedence_in_the_order_of_the_settings(
    stack: Stack, description: dict[str, str], adopted: dict[str, Any]
) -> None:
    stack.has(_TRIGGERS, _group("admins", "of-an-earlier-stack", **description))
    admins, editors = _group("admins", "admins"), _group("editors", "editors")
    stack.run("Create", Groups=_wanted(admins, editors), **adopted)
    assert stack.pool.groups == {
        "admins": admins | description | {"Precedence": 1},
        "editors": editors | {"Description": _CREATED_HERE, "Precedence": 2},
    }
    assert stack.original_settings is None


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_released_group_gets_auth_role(stack: Stack, request_type: str) -> None:
    """Its own role is deleted, and users of a group without a role get no credentials."""
    groups = [
        _group("removed from the settings", "removed from the settings"),
        _group("of an earlier stack", "of-an-earlier-stack", Description=_CREATED_HERE),
        _group("released before", "AuthRole", Description=_CREATED_HERE),
        _group("not ours", "theirs"),
    ]
    stack.has(_TRIGGERS, *(dict(each) for each in groups))
    stack.run(request_type, _before("removed from the settings"))
    released = {"of an earlier stack"} | ({"removed from the settings"} if request_type == "Update" else set())
    for group in groups:
        changed = {"RoleArn": _AUTH_ROLE, "Precedence": 2**31 - 1} if group["GroupName"] in released else {}
        assert stack.pool.groups[group["GroupName"]] == group | changed


class TestExistingGroups:
    """Groups of an adopted pool that existed before the stack."""

    THEIRS = _group("admins", "theirs", Precedence=7)
    OURS = _group("admins", "ours")
    ROLELESS = {"GroupName": "admins"}  # noqa: RUF012

    def _replace(self, stack: Stack, there: dict[str, Any] = THEIRS) -> dict[str, Any]:
        """Have the stack replace the group's role; return the properties."""
        properties = {
            "Groups": _wanted(self.OURS),
            "ReplaceGroupRoles": {"admins": there.get("RoleArn", "")},
        }
        stack.has(_TRIGGERS, dict(there))
        stack.run("Create", **properties)
        assert stack.pool.groups == {"admins": there | self.OURS | {"Precedence": 1}}
        return properties

    @pytest.mark.parametrize(
        ("there", "allowed"),
        [(THEIRS, {}), (THEIRS, {"admins": f"{THEIRS['RoleArn']}-before"}), (ROLELESS, {})],
        ids=["with a role", "with another role than the settings name", "without a role"],
    )
    def test_group_is_not_changed_unless_the_settings_name_its_role(
        self, stack: Stack, there: dict[str, Any], allowed: dict[str, str]
    ) -> None:
        stack.has({}, there)
        value = f'"{there["RoleArn"]}"' if "RoleArn" in there else "null"
        properties = {"Groups": _wanted(self.OURS), "ReplaceGroupRoles": allowed}
        stack.refuses(f"set adopt.replaceGroupRoles.admins to {value}", "Create", **properties)

    @pytest.mark.parametrize("there", [THEIRS, ROLELESS], ids=["with a role", "without a role"])
    def test_rollback_of_a_refused_update_does_not_change_groups(self, stack: Stack, there: dict[str, Any]) -> None:
        """The rollback is another update; its old properties are those of the refused update."""
        stack.has(_TRIGGERS, there)
        groups = _wanted(self.OURS)
        stack.refuses(r"set adopt\.replaceGroupRoles", "Update", Groups=groups, ReplaceGroupRoles={})
        stack.run("Update", _before() | {"Groups": groups}, ReplaceGroupRoles={})
        assert stack.pool.changes == []

    @pytest.mark.parametrize("request_type", ["Update", "Delete"])
    def test_group_gets_its_role_and_precedence_back(self, stack: Stack, request_type: str) -> None:
        properties = self._replace(stack)
        if request_type == "Update":
            stack.run("Update", _before() | {"Groups": properties["Groups"]}, ReplaceGroupRoles={})
        else:
            stack.run("Delete", **properties)
        assert stack.pool.groups == {"admins": self.THEIRS}
        assert stack.original_settings is None

    def test_group_without_a_role_keeps_ours_with_the_last_precedence(self, stack: Stack) -> None:
        stack.run("Delete", **self._replace(stack, self.ROLELESS))
        assert stack.pool.groups == {"admins": self.OURS | {"Precedence": 2**31 - 1}}

    def test_later_deployment_keeps_the_original_settings(self, stack: Stack) -> None:
        properties = self._replace(stack)
        other = _group("admins", "ours-replaced")
        stack.run("Update", _before("admins"), **properties | {"Groups": _wanted(other)})
        had = {"RoleArn": self.THEIRS["RoleArn"], "Precedence": 7, "ReplacedBy": other["RoleArn"]}
        assert stack.original_settings == {"groups": {"admins": had}}

    @pytest.mark.parametrize("allowed", [{}, {"admins": OURS["RoleArn"]}], ids=["without it", "with another role"])
    def test_settings_must_keep_the_role_until_it_is_restored(self, stack: Stack, allowed: dict[str, str]) -> None:
        """The permission to restore the role depends on it, and without that the stack could not be deleted."""
        properties = self._replace(stack) | {"ReplaceGroupRoles": allowed}
        kept = f'keep "{self.THEIRS["RoleArn"]}" in adopt.replaceGroupRoles.admins'
        stack.refuses(kept, "Update", _before("admins"), **properties)

    @pytest.mark.parametrize("now", [{}, {"admins": _group("admins", "since")}], ids=["deleted", "changed"])
    def test_group_that_was_changed_since_stays(self, stack: Stack, now: dict[str, Any]) -> None:
        properties = self._replace(stack)
        stack.pool.groups = dict(now)
        stack.run("Delete", **properties)
        assert stack.pool.groups == now
        assert stack.original_settings is None

    def test_failed_creation_restores_groups(self, stack: Stack) -> None:
        stack.lacks_the_attribute()
        stack.pool.failures["add_custom_attributes"] = [AwsError("InternalErrorException")]
        with pytest.raises(stack.module._user_pools.exceptions.InternalErrorException):
            self._replace(stack)
        assert (stack.pool.triggers, stack.pool.groups) == ({}, {"admins": self.THEIRS})
        assert stack.original_settings is None

    def test_too_many_groups_are_refused_before_one_is_changed(self, stack: Stack) -> None:
        theirs = [_group(f"group-{number}", f"theirs-{number}") for number in range(40)]
        stack.has(_TRIGGERS, *theirs)
        properties = {
            "Groups": _wanted(*(each | {"RoleArn": f"{each['RoleArn']}-ours"} for each in theirs)),
            "ReplaceGroupRoles": {each["GroupName"]: each["RoleArn"] for each in theirs},
        }
        stack.refuses(r"name fewer groups in adopt\.replaceGroupRoles", "Create", **properties)
        assert stack.original_settings is None
