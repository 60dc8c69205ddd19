from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from tests.unit.lambdas.cognito_answers import Parameters, RawStubber
from tests.unit.lambdas.conftest import Load

_POOL = "eu-west-1_pool"
_PARAMETER = f"/AmplifyPubSub/user-pool/{_POOL}/original-settings"
_MARKER = "pubsub_attachment"
_TRIGGERS = {
    "PostAuthentication": "arn:aws:lambda:x:1:function:trigger",
    "DefineAuthChallenge": "arn:aws:lambda:x:1:function:challenge",
}
_MADE_HERE = "Its users get an IAM role of their own from Amplify PubSub"
_SOMEBODYS = {"PreSignUp": "arn:aws:lambda:x:1:function:somebody"}
_AUTH_ROLE = "arn:aws:iam::123456789012:role/AuthRole"
# As DescribeUserPool tells of a pool, with what UpdateUserPool does not take among it.
_DESCRIBED: dict[str, Any] = {
    "Id": _POOL,
    "Name": "users",
    "Arn": f"arn:aws:cognito-idp:eu-west-1:123456789012:userpool/{_POOL}",
    "EstimatedNumberOfUsers": 7,
    "SchemaAttributes": [{"Name": "email"}, {"Name": f"custom:{_MARKER}"}],
    "UsernameConfiguration": {"CaseSensitive": False},
    "AutoVerifiedAttributes": ["email"],
    "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"},
    "AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
    "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"},
    "UserPoolTier": "PLUS",
    "UserPoolTags": {"team": "platform", "aws:cloudformation:stack-name": "AmplifyPubSub"},
    "DeletionProtection": "ACTIVE",
    "MfaConfiguration": "OPTIONAL",
    "Policies": {"PasswordPolicy": {"MinimumLength": 12, "TemporaryPasswordValidityDays": 7}},
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False, "UnusedAccountValidityDays": 7},
}
_KEPT: dict[str, Any] = {
    "UserPoolId": _POOL,
    "UserPoolTags": {"team": "platform"},
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False},
} | {
    name: _DESCRIBED[name]
    for name in (
        "AccountRecoverySetting",
        "AutoVerifiedAttributes",
        "DeletionProtection",
        "EmailConfiguration",
        "MfaConfiguration",
        "Policies",
        "UserPoolAddOns",
        "UserPoolTier",
    )
}
_TOTP: dict[str, Any] = {"SoftwareTokenMfaConfiguration": {"Enabled": True}, "MfaConfiguration": "OPTIONAL"}


class UserPool:
    def __init__(self, module: Any) -> None:
        self.module = module
        self.cognito = RawStubber(module._user_pools)
        self.cognito.activate()
        self.parameters = Parameters(module._ssm)

    @property
    def kept(self) -> Any:
        """What is kept of the pool's original settings."""
        return json.loads(self.parameters.get(_PARAMETER, "null"))

    def pool(self, triggers: dict[str, str], *, unknown: dict[str, Any] | None = None, **changes: Any) -> None:
        described = _DESCRIBED | {"LambdaConfig": triggers} | changes
        self.cognito.add_response(
            "describe_user_pool",
            {"UserPool": described},
            {"UserPoolId": _POOL},
            {"UserPool": unknown} if unknown else None,
        )

    def mfa(self, *, unknown: dict[str, Any] | None = None, **configuration: Any) -> None:
        self.cognito.add_response("get_user_pool_mfa_config", configuration, {"UserPoolId": _POOL}, unknown)

    def refuses_the_update(self, message: str, changes: dict[str, Any]) -> None:
        self.cognito.add_client_error(
            "update_user_pool", "InvalidParameterException", message, expected_params=_KEPT | changes
        )

    def updates(self, triggers: dict[str, str]) -> None:
        """Expect an update that keeps the rest of the pool."""
        self.cognito.add_response("update_user_pool", {}, _KEPT | {"LambdaConfig": triggers})

    def groups(self, *groups: dict[str, Any]) -> None:
        self.cognito.add_response("list_groups", {"Groups": list(groups)}, {"UserPoolId": _POOL})

    def run(self, request_type: str, *, outlives_stack: Any = True, **event: Any) -> dict[str, Any]:
        properties = {
            "UserPoolId": _POOL,
            "OutlivesStack": str(outlives_stack).lower(),
            "OriginalSettingsParameter": _PARAMETER,
            **event.pop("adopted", {}),
            "MarkerAttribute": event.pop("MarkerAttribute", _MARKER),
            "MarkerLength": "128",
            "Triggers": event.pop("Triggers", _TRIGGERS),
            "ChainedTriggers": event.pop("ChainedTriggers", []),
            "Groups": event.pop("Groups", []),
            "AuthRoleArn": _AUTH_ROLE,
        }
        physical_id = {} if request_type == "Create" else {"PhysicalResourceId": f"{_POOL}/triggers"}
        answer: dict[str, Any] = self.module.on_event(
            {"RequestType": request_type, "ResourceProperties": properties} | physical_id | event, None
        )
        self.cognito.assert_no_pending_responses()
        return answer


@pytest.fixture
def user_pool(load: Load) -> UserPool:
    return UserPool(load("user_pool_triggers"))


def _group(name: str, role: str, **details: Any) -> dict[str, Any]:
    return {"GroupName": name, "RoleArn": f"arn:aws:iam::123456789012:role/{role}"} | details


def _before(*groups: str, **triggers: str) -> dict[str, Any]:
    """What the resource's properties were before an update."""
    return {
        "Triggers": triggers or _TRIGGERS,
        "Groups": [{"Name": name, "RoleArn": f"arn:aws:iam::123456789012:role/{name}"} for name in groups],
    }


def test_a_pool_that_the_stack_has_wired_itself_is_left_alone(user_pool: UserPool) -> None:
    user_pool.pool(_SOMEBODYS | _TRIGGERS)
    user_pool.groups()
    assert user_pool.run("Create") == {"PhysicalResourceId": f"{_POOL}/triggers"}


def test_a_pool_left_over_gets_the_triggers_and_keeps_everything_else(user_pool: UserPool) -> None:
    user_pool.pool(_SOMEBODYS)
    user_pool.groups()
    user_pool.updates(_SOMEBODYS | _TRIGGERS)
    user_pool.run("Create")


def test_deletion_removes_only_our_triggers_from_a_kept_pool(user_pool: UserPool) -> None:
    user_pool.pool(_SOMEBODYS | _TRIGGERS)
    user_pool.updates(_SOMEBODYS)
    user_pool.run("Delete")


def test_a_trigger_that_somebody_has_set_to_another_function_stays(user_pool: UserPool) -> None:
    theirs = {"PostAuthentication": "arn:aws:lambda:x:1:function:theirs"}
    user_pool.pool(_TRIGGERS | theirs)
    user_pool.updates(theirs)
    user_pool.run("Delete")


def test_a_pool_that_goes_with_the_stack_is_not_touched(user_pool: UserPool) -> None:
    user_pool.run("Delete", outlives_stack=False)


def test_a_kept_pool_that_was_deleted_by_hand_needs_nothing(user_pool: UserPool) -> None:
    user_pool.cognito.add_client_error("describe_user_pool", "ResourceNotFoundException")
    user_pool.run("Delete")


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_what_could_not_be_created_is_not_left_behind(user_pool: UserPool, request_type: str) -> None:
    """CloudFormation sends no delete for it, and a pool must not go on calling functions that are rolled back."""
    user_pool.pool({})
    user_pool.groups()
    user_pool.cognito.add_client_error("update_user_pool", "InternalErrorException")
    if request_type == "Create":
        user_pool.pool(_TRIGGERS)  # the update had gone through after all
        user_pool.updates({})
    with pytest.raises(user_pool.module._user_pools.exceptions.InternalErrorException):
        user_pool.run(request_type, OldResourceProperties=_before())
    user_pool.cognito.assert_no_pending_responses()


_SMS_WANTED = "SMS configuration and Auto verification for phone_number are required when MFA is required/optional"
_WITHOUT_MFA = {name: value for name, value in _KEPT.items() if name != "MfaConfiguration"}


class TestMfaThatUpdateUserPoolRefuses:
    """It takes MFA by one-time password for MFA by SMS, for which the pool has no configuration."""

    def _is_refused_and_updated_without(self, user_pool: UserPool, triggers: dict[str, str]) -> None:
        user_pool.pool(_TRIGGERS)
        user_pool.refuses_the_update(_SMS_WANTED, {"LambdaConfig": triggers})
        user_pool.mfa(**_TOTP)
        user_pool.cognito.add_response("update_user_pool", {}, _WITHOUT_MFA | {"LambdaConfig": triggers})

    def test_what_the_update_leaves_on_is_not_set_again(self, user_pool: UserPool) -> None:
        self._is_refused_and_updated_without(user_pool, {})
        user_pool.mfa(**_TOTP)
        user_pool.run("Delete")
        assert user_pool.kept is None

    def test_what_the_update_switches_off_is_switched_on_as_it_was(self, user_pool: UserPool) -> None:
        self._is_refused_and_updated_without(user_pool, {})
        user_pool.mfa(MfaConfiguration="OFF")
        user_pool.cognito.add_response("set_user_pool_mfa_config", {}, {"UserPoolId": _POOL, **_TOTP})
        user_pool.run("Delete")
        assert user_pool.kept is None

    def test_failed_mfa_restoration_prints_the_command(self, user_pool: UserPool) -> None:
        self._is_refused_and_updated_without(user_pool, {})
        user_pool.mfa(MfaConfiguration="OFF")
        user_pool.cognito.add_client_error("set_user_pool_mfa_config", "TooManyRequestsException")
        command = (
            f"set-user-pool-mfa-config --user-pool-id {_POOL} --mfa-configuration OPTIONAL "
            """--software-token-mfa-configuration '{"Enabled": true}'"""
        )
        with pytest.raises(user_pool.module.MfaLostError) as lost:
            user_pool.run("Delete")
        assert sorted(str(lost.value).split(" --")[1:]) == sorted(command.split(" --")[1:])
        assert user_pool.kept == {"mfa": _TOTP}

    @pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
    def test_mfa_is_restored_first_after_an_interrupted_run(self, user_pool: UserPool, request_type: str) -> None:
        self._is_refused_and_updated_without(user_pool, {})
        user_pool.cognito.add_client_error("get_user_pool_mfa_config", "Killed")  # stands for the end of the function
        with pytest.raises(user_pool.module._user_pools.exceptions.ClientError):
            user_pool.run("Delete")
        assert user_pool.kept == {"mfa": _TOTP}

        user_pool.mfa(MfaConfiguration="OFF")
        user_pool.cognito.add_response("set_user_pool_mfa_config", {}, {"UserPoolId": _POOL, **_TOTP})
        if request_type == "Delete":
            user_pool.pool({})
        else:
            user_pool.pool(_TRIGGERS)
            user_pool.groups()
        user_pool.run(request_type, OldResourceProperties=_before())
        assert user_pool.kept is None

    def test_mfa_that_somebody_has_switched_on_since_stays(self, user_pool: UserPool) -> None:
        user_pool.parameters[_PARAMETER] = json.dumps({"mfa": _TOTP})
        user_pool.mfa(**_TOTP | {"MfaConfiguration": "ON"})
        user_pool.pool({})
        user_pool.run("Delete")
        assert user_pool.kept is None

    def test_mfa_of_which_the_sdk_does_not_know_everything_is_not_risked(self, user_pool: UserPool) -> None:
        """It could not be switched on again: the SDK refuses to send what it does not know."""
        user_pool.pool(_TRIGGERS)
        user_pool.refuses_the_update(_SMS_WANTED, {"LambdaConfig": {}})
        passkeys = {"RelyingPartyId": "shop.example", "UserVerification": "preferred"}
        unknown = {"WebAuthnConfiguration": {"Moonrise": "REQUIRED"}}
        user_pool.mfa(**_TOTP, WebAuthnConfiguration=passkeys, unknown=unknown)
        with pytest.raises(
            user_pool.module.SettingsWouldBeLostError, match=r"reset WebAuthnConfiguration\.Moonrise of"
        ):
            user_pool.run("Delete")
        user_pool.cognito.assert_no_pending_responses()
        assert user_pool.kept is None

    @pytest.mark.parametrize(
        ("mfa", "message"),
        [("OFF", _SMS_WANTED), ("OPTIONAL", "Invalid AttributeDataType")],
        ids=["a pool without MFA", "an error about something else"],
    )
    def test_any_other_invalid_parameter_is_no_reason_to_leave_it_out(
        self, user_pool: UserPool, mfa: str, message: str
    ) -> None:
        user_pool.pool(_TRIGGERS, MfaConfiguration=mfa)
        user_pool.refuses_the_update(message, {"LambdaConfig": {}, "MfaConfiguration": mfa})
        with pytest.raises(user_pool.module._user_pools.exceptions.InvalidParameterException):
            user_pool.run("Delete")


@pytest.mark.parametrize(
    ("changes", "properties", "message"),
    [
        (
            {"LambdaConfig": {"PostAuthentication": "arn:aws:lambda:x:1:function:theirs"}},
            {},
            "has arn:aws:lambda:x:1:function:theirs on its trigger PostAuthentication. Remove it, or have it call",
        ),
        (
            {"LambdaConfig": {"DefineAuthChallenge": "arn:aws:lambda:x:1:function:theirs"}},
            {"Triggers": _TRIGGERS, "ChainedTriggers": []},
            "has arn:aws:lambda:x:1:function:theirs on its trigger DefineAuthChallenge",
        ),
        (
            {"LambdaConfig": {}},
            {"Triggers": {}, "ChainedTriggers": ["PostAuthentication"]},
            "has no function of its own on its trigger PostAuthentication, which adopt.chainedTriggers names",
        ),
    ],
    ids=["another function", "another challenge", "nothing that could call ours"],
)
def test_pool_that_does_not_match_the_settings_is_not_changed(
    user_pool: UserPool, changes: dict[str, Any], properties: dict[str, Any], message: str
) -> None:
    user_pool.pool({}, **changes)
    user_pool.groups()
    with pytest.raises(user_pool.module.SettingsMismatchError, match=message):
        user_pool.run("Create", **properties)


def test_marker_attribute_is_added_after_everything_that_can_be_undone(user_pool: UserPool) -> None:
    user_pool.pool({}, SchemaAttributes=[{"Name": "email"}])
    user_pool.groups()
    user_pool.updates(_TRIGGERS)
    user_pool.cognito.add_response(
        "add_custom_attributes",
        {},
        {
            "UserPoolId": _POOL,
            "CustomAttributes": [
                {
                    "Name": _MARKER,
                    "AttributeDataType": "String",
                    "Mutable": True,
                    "StringAttributeConstraints": {"MinLength": "0", "MaxLength": "128"},
                }
            ],
        },
    )
    user_pool.run("Create")


def test_an_update_that_aws_denies_adds_no_attribute(user_pool: UserPool) -> None:
    user_pool.pool({}, SchemaAttributes=[{"Name": "email"}])
    user_pool.groups()
    user_pool.cognito.add_client_error("update_user_pool", "AccessDeniedException", "not authorized: iam:PassRole")
    user_pool.pool({})
    with pytest.raises(user_pool.module._user_pools.exceptions.ClientError, match="iam:PassRole"):
        user_pool.run("Create")
    user_pool.cognito.assert_no_pending_responses()


_SMS_ROLE = "arn:aws:iam::123456789012:role/shop-sns"
_KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
_SENDS: dict[str, Any] = {
    "SmsConfiguration": {"SnsCallerArn": _SMS_ROLE, "ExternalId": "shop"},
    "LambdaConfig": {
        "CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": "arn:aws:lambda:x:1:function:sender"},
        "KMSKeyID": _KEY,
    },
}


def test_pool_with_sms_and_senders_keeps_both(user_pool: UserPool) -> None:
    user_pool.pool({}, **_SENDS)
    user_pool.groups()
    user_pool.cognito.add_response(
        "update_user_pool",
        {},
        _KEPT | {"SmsConfiguration": _SENDS["SmsConfiguration"], "LambdaConfig": _SENDS["LambdaConfig"] | _TRIGGERS},
    )
    user_pool.run("Create", adopted={"SmsRoleArn": _SMS_ROLE, "CustomSenderKeyArn": _KEY})


@pytest.mark.parametrize(
    ("adopted", "settings"),
    [
        ({"SmsRoleArn": "", "CustomSenderKeyArn": ""}, ["smsRoleArn", "customSenderKeyArn"]),
        ({"SmsRoleArn": f"{_SMS_ROLE}-other", "CustomSenderKeyArn": _KEY}, ["smsRoleArn"]),
        ({"SmsRoleArn": _SMS_ROLE, "CustomSenderKeyArn": f"{_KEY[:-1]}6"}, ["customSenderKeyArn"]),
    ],
    ids=["none is given", "another role", "another key"],
)
@pytest.mark.parametrize("wired", [False, True])
def test_pool_with_sms_or_senders_is_not_changed_without_the_settings(
    user_pool: UserPool, adopted: dict[str, str], settings: list[str], wired: bool
) -> None:
    """A pool that is wired already would be refused when the stack is deleted."""
    config = _SENDS["LambdaConfig"] | (_TRIGGERS if wired else {})
    user_pool.pool({}, **_SENDS | {"LambdaConfig": config}, SchemaAttributes=[{"Name": "email"}])
    user_pool.groups()
    with pytest.raises(user_pool.module.SettingsMismatchError) as refused:
        user_pool.run("Create", adopted=adopted)
    told = str(refused.value)
    assert [each for each in ("smsRoleArn", "customSenderKeyArn") if f"Set adopt.{each}" in told] == settings
    user_pool.cognito.assert_no_pending_responses()


def test_new_sms_role_of_the_pool_stops_only_the_deletion(user_pool: UserPool) -> None:
    """Or the rollback of an update that was refused would be refused too."""
    adopted = {"SmsRoleArn": "", "CustomSenderKeyArn": ""}
    sends = {"SmsConfiguration": _SENDS["SmsConfiguration"]}
    user_pool.pool(_TRIGGERS, **sends)
    user_pool.groups()
    user_pool.run("Update", OldResourceProperties=_before(), adopted=adopted)
    user_pool.pool(_SOMEBODYS | _TRIGGERS, **sends)
    # Not by another deployment: CloudFormation does not update a stack whose deletion has failed.
    told = r"sends SMS with the role \S+, .* Remove DefineAuthChallenge and PostAuthentication .* Then delete the stack"
    with pytest.raises(user_pool.module.SettingsMismatchError, match=told) as refused:
        user_pool.run("Delete", adopted=adopted)
    assert "deploy again" not in str(refused.value)
    user_pool.pool(_SOMEBODYS, **sends)
    user_pool.run("Delete", adopted=adopted)


@pytest.mark.parametrize(
    ("unknown", "path"),
    [
        ({"Holidays": {"Country": "NO"}}, "Holidays"),
        ({"Policies": {"PasswordPolicy": {"Rhymes": False}}}, "Policies.PasswordPolicy.Rhymes"),
        ({"LambdaConfig": {"PreMoonrise": "arn:aws:lambda:x:1:function:theirs"}}, "LambdaConfig.PreMoonrise"),
    ],
)
@pytest.mark.parametrize("request_type", ["Create", "Delete"])
def test_a_pool_with_a_setting_that_the_sdk_does_not_know_is_not_updated(
    user_pool: UserPool, unknown: dict[str, Any], path: str, request_type: str
) -> None:
    """UpdateUserPool would reset it."""
    user_pool.pool({} if request_type == "Create" else _TRIGGERS, unknown=unknown)
    if request_type == "Create":
        user_pool.groups()
    with pytest.raises(Exception, match=f"UpdateUserPool would reset {path} of the pool") as refused:
        user_pool.run(request_type)
    assert type(refused.value).__name__ in ("SettingsMismatchError", "SettingsWouldBeLostError")
    instead = {
        "Create": "Use attachment self-attach",
        "Delete": "Remove DefineAuthChallenge and PostAuthentication from the pool in the Cognito console",
    }
    assert instead[request_type] in str(refused.value)
    user_pool.cognito.assert_no_pending_responses()


def test_what_is_empty_and_what_the_update_does_not_change_is_no_loss(user_pool: UserPool) -> None:
    user_pool.pool(
        {},
        unknown={"Holidays": {}, "Moon": None},
        Domain="shop",
        CreationDate=datetime.fromtimestamp(0, UTC),
    )
    user_pool.groups()
    user_pool.updates(_TRIGGERS)
    user_pool.run("Create")


def test_a_chained_trigger_keeps_its_own_function(user_pool: UserPool) -> None:
    theirs = {"PostAuthentication": "arn:aws:lambda:x:1:function:theirs"}
    ours = {"DefineAuthChallenge": _TRIGGERS["DefineAuthChallenge"]}
    user_pool.pool(theirs)
    user_pool.groups()
    user_pool.updates(theirs | ours)
    user_pool.run("Create", Triggers=ours, ChainedTriggers=["PostAuthentication"])


def test_new_chained_trigger_needs_its_own_function_first(user_pool: UserPool) -> None:
    user_pool.pool(_TRIGGERS)
    user_pool.groups()
    with pytest.raises(user_pool.module.SettingsMismatchError, match="no function of its own"):
        user_pool.run(
            "Update",
            Triggers={"DefineAuthChallenge": _TRIGGERS["DefineAuthChallenge"]},
            ChainedTriggers=["PostAuthentication"],
            OldResourceProperties=_before(),
        )


def test_function_of_the_previous_deployment_is_replaced(user_pool: UserPool) -> None:
    replaced = {"PostAuthentication": "arn:aws:lambda:x:1:function:before"}
    user_pool.pool(replaced)
    user_pool.groups()
    user_pool.updates(_TRIGGERS)
    user_pool.run("Update", OldResourceProperties=_before(**replaced))


def test_triggers_removed_from_the_settings_are_removed_from_the_pool(user_pool: UserPool) -> None:
    user_pool.pool(_TRIGGERS | _SOMEBODYS)
    user_pool.groups()
    user_pool.updates(_SOMEBODYS)
    user_pool.run("Update", Triggers={}, OldResourceProperties=_before())


def test_without_triggers_a_pool_needs_no_marker_attribute(user_pool: UserPool) -> None:
    user_pool.pool({}, SchemaAttributes=[{"Name": "email"}])
    user_pool.groups()
    user_pool.run("Create", Triggers={}, MarkerAttribute=None)


def _wanted(*groups: dict[str, Any]) -> list[dict[str, str]]:
    return [{"Name": each["GroupName"], "RoleArn": each["RoleArn"]} for each in groups]


@pytest.mark.parametrize(
    ("there", "adopted"),
    [
        (_group("admins", "of-an-earlier-stack"), {}),
        (_group("admins", "of-an-earlier-stack", Description=_MADE_HERE), {"ReplaceGroupRoles": {}}),
    ],
    ids=["in a pool of this stack", "made by an earlier stack in a pool that was kept"],
)
def test_groups_get_precedence_in_the_order_of_the_settings(
    user_pool: UserPool, there: dict[str, Any], adopted: dict[str, Any]
) -> None:
    user_pool.pool(_TRIGGERS)
    user_pool.groups(there)
    admins, editors = _group("admins", "admins"), _group("editors", "editors")
    user_pool.cognito.add_response("update_group", {}, {"UserPoolId": _POOL, "Precedence": 1, **admins})
    made = {"UserPoolId": _POOL, "Precedence": 2, "Description": _MADE_HERE, **editors}
    user_pool.cognito.add_response("create_group", {}, made)
    user_pool.run("Create", Groups=_wanted(admins, editors), adopted=adopted)
    assert user_pool.kept is None


class TestGroupsThatWereThereBefore:
    """On an adopted pool."""

    THEIRS = _group("admins", "theirs", Precedence=7)
    OURS = _group("admins", "ours")
    REPLACED: ClassVar = {"ReplaceGroupRoles": {"admins": THEIRS["RoleArn"]}}

    @pytest.mark.parametrize(
        ("there", "allowed"),
        [
            (THEIRS, {}),
            (THEIRS, {"admins": f"{THEIRS['RoleArn']}-before"}),
            ({"GroupName": "admins"}, {}),
        ],
        ids=["with a role", "with another role than the settings name", "without a role"],
    )
    def test_they_are_refused_unless_the_settings_name_their_role(
        self, user_pool: UserPool, there: dict[str, Any], allowed: dict[str, str]
    ) -> None:
        user_pool.pool({}, SchemaAttributes=[{"Name": "email"}])
        user_pool.groups(there)
        value = f'"{there["RoleArn"]}"' if "RoleArn" in there else "null"
        with pytest.raises(
            user_pool.module.SettingsMismatchError, match=f"set adopt.replaceGroupRoles.admins to {value}"
        ):
            user_pool.run("Create", Groups=_wanted(self.OURS), adopted={"ReplaceGroupRoles": allowed})
        user_pool.cognito.assert_no_pending_responses()

    @pytest.mark.parametrize("there", [THEIRS, {"GroupName": "admins"}], ids=["with a role", "without a role"])
    def test_the_rollback_of_an_update_that_was_refused_leaves_them_alone(
        self, user_pool: UserPool, there: dict[str, Any]
    ) -> None:
        """CloudFormation sends another update, with the properties of the refused one as the old ones."""
        refused = _before() | {"Groups": _wanted(self.OURS)}
        user_pool.pool(_TRIGGERS)
        user_pool.groups(there)
        with pytest.raises(user_pool.module.SettingsMismatchError, match=r"set adopt\.replaceGroupRoles\.admins"):
            user_pool.run(
                "Update",
                Groups=_wanted(self.OURS),
                OldResourceProperties=_before(),
                adopted={"ReplaceGroupRoles": {}},
            )
        user_pool.pool(_TRIGGERS)
        user_pool.groups(there)
        user_pool.run("Update", OldResourceProperties=refused, adopted={"ReplaceGroupRoles": {}})

    def _replace(self, user_pool: UserPool, there: dict[str, Any]) -> None:
        user_pool.pool(_TRIGGERS)
        user_pool.groups(there)
        user_pool.cognito.add_response("update_group", {}, {"UserPoolId": _POOL, "Precedence": 1, **self.OURS})
        adopted = {"ReplaceGroupRoles": {"admins": there.get("RoleArn", "")}}
        user_pool.run("Create", Groups=_wanted(self.OURS), adopted=adopted)

    def _restores(self, user_pool: UserPool, **restored: Any) -> None:
        user_pool.cognito.add_response("update_group", {}, {"UserPoolId": _POOL, "GroupName": "admins", **restored})

    def test_they_get_role_and_precedence_back_when_the_stack_goes(self, user_pool: UserPool) -> None:
        self._replace(user_pool, self.THEIRS)
        user_pool.pool({})
        user_pool.groups(self.OURS | {"Precedence": 1})
        self._restores(user_pool, RoleArn=self.THEIRS["RoleArn"], Precedence=7)
        user_pool.run("Delete", Groups=_wanted(self.OURS), adopted=self.REPLACED)
        assert user_pool.kept is None

    def test_they_get_them_back_when_they_leave_the_settings(self, user_pool: UserPool) -> None:
        self._replace(user_pool, self.THEIRS)
        user_pool.pool(_TRIGGERS)
        user_pool.groups(self.OURS | {"Precedence": 1})
        self._restores(user_pool, RoleArn=self.THEIRS["RoleArn"], Precedence=7)
        user_pool.run("Update", Groups=[], OldResourceProperties=_before("admins"), adopted={"ReplaceGroupRoles": {}})
        assert user_pool.kept is None

    def test_without_a_role_before_they_keep_one_and_come_after_all_others(self, user_pool: UserPool) -> None:
        self._replace(user_pool, {"GroupName": "admins"})
        user_pool.pool({})
        user_pool.groups(self.OURS | {"Precedence": 1})
        self._restores(user_pool, Precedence=2**31 - 1)
        user_pool.run("Delete", Groups=_wanted(self.OURS), adopted={"ReplaceGroupRoles": {"admins": ""}})

    def test_a_later_deployment_keeps_what_they_had_at_first(self, user_pool: UserPool) -> None:
        self._replace(user_pool, self.THEIRS)
        other = _group("admins", "ours-made-anew")
        user_pool.pool(_TRIGGERS)
        user_pool.groups(self.OURS | {"Precedence": 1})
        user_pool.cognito.add_response("update_group", {}, {"UserPoolId": _POOL, "Precedence": 1, **other})
        user_pool.run("Update", Groups=_wanted(other), OldResourceProperties=_before("admins"), adopted=self.REPLACED)
        assert user_pool.kept == {"groups": {"admins": _had(self.THEIRS) | {"ReplacedBy": other["RoleArn"]}}}

    @pytest.mark.parametrize("allowed", [{}, {"admins": OURS["RoleArn"]}], ids=["without it", "with another role"])
    def test_the_settings_must_go_on_naming_the_role_that_they_get_back(
        self, user_pool: UserPool, allowed: dict[str, str]
    ) -> None:
        """Without the permission that comes with it the stack could not be deleted."""
        self._replace(user_pool, self.THEIRS)
        user_pool.pool(_TRIGGERS)
        user_pool.groups(self.OURS | {"Precedence": 1})
        kept = f'keep "{self.THEIRS["RoleArn"]}" in adopt.replaceGroupRoles.admins'
        with pytest.raises(user_pool.module.SettingsMismatchError, match=kept):
            user_pool.run(
                "Update",
                Groups=_wanted(self.OURS),
                OldResourceProperties=_before("admins"),
                adopted={"ReplaceGroupRoles": allowed},
            )
        user_pool.cognito.assert_no_pending_responses()

    @pytest.mark.parametrize("now", [[], [_group("admins", "somebodys-since")]], ids=["gone", "changed since"])
    def test_what_somebody_has_done_to_them_since_stays(self, user_pool: UserPool, now: list[dict[str, Any]]) -> None:
        self._replace(user_pool, self.THEIRS)
        user_pool.pool({})
        user_pool.groups(*now)
        user_pool.run("Delete", Groups=_wanted(self.OURS), adopted=self.REPLACED)
        assert user_pool.kept is None

    def test_a_failed_creation_gives_them_back(self, user_pool: UserPool) -> None:
        """CloudFormation sends no Delete event for it."""
        user_pool.pool(_TRIGGERS, SchemaAttributes=[{"Name": "email"}])
        user_pool.groups(self.THEIRS)
        user_pool.cognito.add_response("update_group", {}, {"UserPoolId": _POOL, "Precedence": 1, **self.OURS})
        user_pool.cognito.add_client_error("add_custom_attributes", "InternalErrorException")
        user_pool.pool(_TRIGGERS)
        user_pool.updates({})
        user_pool.groups(self.OURS | {"Precedence": 1})
        self._restores(user_pool, RoleArn=self.THEIRS["RoleArn"], Precedence=7)
        with pytest.raises(user_pool.module._user_pools.exceptions.InternalErrorException):
            user_pool.run("Create", Groups=_wanted(self.OURS), adopted=self.REPLACED)
        user_pool.cognito.assert_no_pending_responses()
        assert user_pool.kept is None

    def test_too_many_to_remember_are_refused_before_one_is_changed(self, user_pool: UserPool) -> None:
        theirs = [_group(f"group-{number}", f"theirs-{number}") for number in range(40)]
        user_pool.pool(_TRIGGERS)
        user_pool.groups(*theirs)
        with pytest.raises(Exception, match=r"name fewer groups in adopt\.replaceGroupRoles"):
            user_pool.run(
                "Create",
                Groups=_wanted(*(each | {"RoleArn": f"{each['RoleArn']}-ours"} for each in theirs)),
                adopted={"ReplaceGroupRoles": {each["GroupName"]: each["RoleArn"] for each in theirs}},
            )
        assert user_pool.kept is None


def _had(group: dict[str, Any]) -> dict[str, Any]:
    return {name: group[name] for name in ("RoleArn", "Precedence") if name in group}


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_released_group_keeps_its_members_and_gets_auth_role(user_pool: UserPool, request_type: str) -> None:
    """Dropped from the settings, or left by an earlier stack: its role goes, and would leave its users without any."""
    user_pool.pool(_TRIGGERS)
    user_pool.groups(
        _group("dropped", "dropped"),
        _group("left", "of-an-earlier-stack", Description=_MADE_HERE),
        _group("demoted", "AuthRole", Description=_MADE_HERE),
        _group("somebodys", "theirs"),
    )
    for name in ["dropped", "left"] if request_type == "Update" else ["left"]:
        demoted = {"UserPoolId": _POOL, "GroupName": name, "RoleArn": _AUTH_ROLE, "Precedence": 2**31 - 1}
        user_pool.cognito.add_response("update_group", {}, demoted)
    before: dict[str, Any] = {"OldResourceProperties": _before("dropped")} if request_type == "Update" else {}
    user_pool.run(request_type, **before)
