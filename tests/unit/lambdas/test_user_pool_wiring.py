from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

if TYPE_CHECKING:
    from tests.unit.lambdas.conftest import Load

_POOL = "eu-west-1_pool"
_MARKER = "pubsub_attachment"
_TRIGGERS = {
    "PostAuthentication": "arn:aws:lambda:x:1:function:trigger",
    "DefineAuthChallenge": "arn:aws:lambda:x:1:function:challenge",
}
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
_TOTP = {"SoftwareTokenMfaConfiguration": {"Enabled": True}, "MfaConfiguration": "OPTIONAL"}


class Wiring:
    def __init__(self, module: Any) -> None:
        self.module = module
        self.cognito = Stubber(module._user_pools)
        self.cognito.activate()

    def pool(self, triggers: dict[str, str], **changes: Any) -> None:
        described = _DESCRIBED | {"LambdaConfig": triggers} | changes
        self.cognito.add_response("describe_user_pool", {"UserPool": described}, {"UserPoolId": _POOL})

    def updates(self, triggers: dict[str, str]) -> None:
        """Expect an update that keeps the rest of the pool."""
        self.cognito.add_response("update_user_pool", {}, _KEPT | {"LambdaConfig": triggers})

    def groups(self, *groups: dict[str, Any]) -> None:
        self.cognito.add_response("list_groups", {"Groups": list(groups)}, {"UserPoolId": _POOL})

    def run(self, request_type: str, *, outlives_stack: Any = True, **event: Any) -> dict[str, Any]:
        properties = {
            "UserPoolId": _POOL,
            "OutlivesStack": str(outlives_stack).lower(),
            "MarkerAttribute": event.pop("MarkerAttribute", _MARKER),
            "MarkerLength": "128",
            "Triggers": event.pop("Triggers", _TRIGGERS),
            "ChainedTriggers": event.pop("ChainedTriggers", []),
            "Groups": event.pop("Groups", []),
            "AuthRoleArn": _AUTH_ROLE,
        }
        physical_id = {} if request_type == "Create" else {"PhysicalResourceId": f"{_POOL}/wiring"}
        answer: dict[str, Any] = self.module.on_event(
            {"RequestType": request_type, "ResourceProperties": properties} | physical_id | event, None
        )
        self.cognito.assert_no_pending_responses()
        return answer


@pytest.fixture
def wiring(load: Load) -> Wiring:
    return Wiring(load("user_pool_wiring"))


def _group(name: str, role: str, **details: Any) -> dict[str, Any]:
    return {"GroupName": name, "RoleArn": f"arn:aws:iam::123456789012:role/{role}"} | details


def _before(*groups: str, **triggers: str) -> dict[str, Any]:
    """What the resource's properties were before an update."""
    return {
        "Triggers": triggers or _TRIGGERS,
        "Groups": [{"Name": name, "RoleArn": f"arn:aws:iam::123456789012:role/{name}"} for name in groups],
    }


def test_a_pool_that_the_stack_has_wired_itself_is_left_alone(wiring: Wiring) -> None:
    wiring.pool(_SOMEBODYS | _TRIGGERS)
    wiring.groups()
    assert wiring.run("Create") == {"PhysicalResourceId": f"{_POOL}/wiring"}


def test_a_pool_left_over_gets_the_triggers_and_keeps_everything_else(wiring: Wiring) -> None:
    wiring.pool(_SOMEBODYS)
    wiring.groups()
    wiring.updates(_SOMEBODYS | _TRIGGERS)
    wiring.run("Create")


def test_before_its_functions_go_a_kept_pool_loses_our_triggers_and_no_other(wiring: Wiring) -> None:
    wiring.pool(_SOMEBODYS | _TRIGGERS)
    wiring.updates(_SOMEBODYS)
    wiring.run("Delete")


def test_a_trigger_that_somebody_has_set_to_another_function_stays(wiring: Wiring) -> None:
    theirs = {"PostAuthentication": "arn:aws:lambda:x:1:function:theirs"}
    wiring.pool(_TRIGGERS | theirs)
    wiring.updates(theirs)
    wiring.run("Delete")


def test_a_pool_that_goes_with_the_stack_is_not_touched(wiring: Wiring) -> None:
    wiring.run("Delete", outlives_stack=False)


def test_a_kept_pool_that_was_deleted_by_hand_needs_nothing(wiring: Wiring) -> None:
    wiring.cognito.add_client_error("describe_user_pool", "ResourceNotFoundException")
    wiring.run("Delete")


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_what_could_not_be_created_is_not_left_behind(wiring: Wiring, request_type: str) -> None:
    """CloudFormation sends no delete for it, and a pool must not go on calling functions that are rolled back."""
    wiring.pool({})
    wiring.groups()
    wiring.cognito.add_client_error("update_user_pool", "InternalErrorException")
    if request_type == "Create":
        wiring.pool(_TRIGGERS)  # the update had gone through after all
        wiring.updates({})
    with pytest.raises(wiring.module._user_pools.exceptions.InternalErrorException):
        wiring.run(request_type, OldResourceProperties=_before())
    wiring.cognito.assert_no_pending_responses()


class TestSecondFactorThatUpdateUserPoolRefuses:
    """It takes one by one-time password for one by SMS, for which the pool has no configuration."""

    def _refuses_and_updates_without(self, wiring: Wiring, triggers: dict[str, str]) -> None:
        wiring.pool(_TRIGGERS)
        wiring.cognito.add_client_error(
            "update_user_pool", "InvalidParameterException", expected_params=_KEPT | {"LambdaConfig": triggers}
        )
        wiring.cognito.add_response("get_user_pool_mfa_config", _TOTP, {"UserPoolId": _POOL})
        without = {name: value for name, value in _KEPT.items() if name != "MfaConfiguration"}
        wiring.cognito.add_response("update_user_pool", {}, without | {"LambdaConfig": triggers})

    def test_it_is_switched_on_again_as_it_was(self, wiring: Wiring) -> None:
        self._refuses_and_updates_without(wiring, {})
        wiring.cognito.add_response("set_user_pool_mfa_config", {}, {"UserPoolId": _POOL, **_TOTP})
        wiring.run("Delete")

    def test_if_it_cannot_be_the_failure_says_how(self, wiring: Wiring) -> None:
        self._refuses_and_updates_without(wiring, {})
        wiring.cognito.add_client_error("set_user_pool_mfa_config", "TooManyRequestsException")
        command = f"set-user-pool-mfa-config --user-pool-id {_POOL} --mfa-configuration OPTIONAL"
        with pytest.raises(wiring.module.SecondFactorLostError, match=command):
            wiring.run("Delete")

    def test_any_other_invalid_parameter_is_no_reason_to_switch_it_off(self, wiring: Wiring) -> None:
        wiring.pool(_TRIGGERS, MfaConfiguration="OFF")
        wiring.cognito.add_client_error("update_user_pool", "InvalidParameterException")
        with pytest.raises(wiring.module._user_pools.exceptions.InvalidParameterException):
            wiring.run("Delete")


@pytest.mark.parametrize(
    ("changes", "properties", "message"),
    [
        (
            {"LambdaConfig": {"PostAuthentication": "arn:aws:lambda:x:1:function:theirs"}},
            {},
            "has arn:aws:lambda:x:1:function:theirs on its trigger PostAuthentication. Take it off, or have it call",
        ),
        (
            {"LambdaConfig": {"DefineAuthChallenge": "arn:aws:lambda:x:1:function:theirs"}},
            {"Triggers": _TRIGGERS, "ChainedTriggers": []},
            "has arn:aws:lambda:x:1:function:theirs on its trigger DefineAuthChallenge",
        ),
        (
            {"LambdaConfig": {}},
            {"Triggers": {}, "ChainedTriggers": ["PostAuthentication"]},
            f"{_POOL} has no function of its own on its trigger PostAuthentication, which adopt.chainedTriggers names",
        ),
    ],
    ids=["another function", "another challenge", "nothing that could call ours"],
)
def test_a_pool_that_is_not_as_the_settings_have_it_is_refused_before_it_is_changed(
    wiring: Wiring, changes: dict[str, Any], properties: dict[str, Any], message: str
) -> None:
    wiring.pool({}, **changes)
    with pytest.raises(wiring.module.NotAsExpectedError, match=message):
        wiring.run("Create", **properties)


def test_a_pool_without_the_marker_attribute_gets_it_before_its_triggers(wiring: Wiring) -> None:
    wiring.pool({}, SchemaAttributes=[{"Name": "email"}])
    wiring.cognito.add_response(
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
    wiring.groups()
    wiring.updates(_TRIGGERS)
    wiring.run("Create")


def test_a_chained_trigger_keeps_its_own_function(wiring: Wiring) -> None:
    theirs = {"PostAuthentication": "arn:aws:lambda:x:1:function:theirs"}
    ours = {"DefineAuthChallenge": _TRIGGERS["DefineAuthChallenge"]}
    wiring.pool(theirs)
    wiring.groups()
    wiring.updates(theirs | ours)
    wiring.run("Create", Triggers=ours, ChainedTriggers=["PostAuthentication"])


def test_a_trigger_that_becomes_a_chained_one_has_to_have_its_own_function_first(wiring: Wiring) -> None:
    wiring.pool(_TRIGGERS)
    with pytest.raises(wiring.module.NotAsExpectedError, match="no function of its own"):
        wiring.run(
            "Update",
            Triggers={"DefineAuthChallenge": _TRIGGERS["DefineAuthChallenge"]},
            ChainedTriggers=["PostAuthentication"],
            OldResourceProperties=_before(),
        )


def test_a_function_that_an_update_replaces_is_not_taken_for_somebody_elses(wiring: Wiring) -> None:
    replaced = {"PostAuthentication": "arn:aws:lambda:x:1:function:before"}
    wiring.pool(replaced)
    wiring.groups()
    wiring.updates(_TRIGGERS)
    wiring.run("Update", OldResourceProperties=_before(**replaced))


def test_triggers_that_the_settings_no_longer_want_come_off_a_pool_left_over(wiring: Wiring) -> None:
    wiring.pool(_TRIGGERS | _SOMEBODYS)
    wiring.groups()
    wiring.updates(_SOMEBODYS)
    wiring.run("Update", Triggers={}, OldResourceProperties=_before())


def test_without_triggers_a_pool_needs_no_marker_attribute(wiring: Wiring) -> None:
    wiring.pool({}, SchemaAttributes=[{"Name": "email"}])
    wiring.groups()
    wiring.run("Create", Triggers={}, MarkerAttribute=None)


def test_groups_are_made_or_taken_over_in_the_order_of_their_precedence(wiring: Wiring) -> None:
    wiring.pool(_TRIGGERS)
    wiring.groups(_group("admins", "of-an-earlier-stack"))
    admins, editors = _group("admins", "admins"), _group("editors", "editors")
    wiring.cognito.add_response("update_group", {}, {"UserPoolId": _POOL, "Precedence": 1, **admins})
    made = {"UserPoolId": _POOL, "Precedence": 2, "Description": wiring.module._MADE_HERE, **editors}
    wiring.cognito.add_response("create_group", {}, made)
    wiring.run("Create", Groups=[{"Name": each["GroupName"], "RoleArn": each["RoleArn"]} for each in (admins, editors)])


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_a_group_that_is_no_longer_wanted_keeps_its_members_and_gets_the_role_of_everybody(
    wiring: Wiring, request_type: str
) -> None:
    """Dropped from the settings, or left by an earlier stack: its role goes, and would leave its users without any."""
    wiring.pool(_TRIGGERS)
    wiring.groups(
        _group("dropped", "dropped"),
        _group("left", "of-an-earlier-stack", Description=wiring.module._MADE_HERE),
        _group("demoted", "AuthRole", Description=wiring.module._MADE_HERE),
        _group("somebodys", "theirs"),
    )
    for name in ["dropped", "left"] if request_type == "Update" else ["left"]:
        demoted = {"UserPoolId": _POOL, "GroupName": name, "RoleArn": _AUTH_ROLE, "Precedence": 2**31 - 1}
        wiring.cognito.add_response("update_group", {}, demoted)
    before: dict[str, Any] = {"OldResourceProperties": _before("dropped")} if request_type == "Update" else {}
    wiring.run(request_type, **before)
