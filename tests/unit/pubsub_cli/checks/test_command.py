"""The commands of fixes, and commands that update a pool and keep its other settings."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.aws import Aws
from pubsub_cli.cognito_updates import set_triggers, update_of
from pubsub_cli.finding import AwsCommand, Finding, PubSubCommand, failed
from tests.unit.pubsub_cli.checks.stubbed_aws import StubbedAws, error

ATTACH = AwsCommand("iot", "AttachPolicy", {"policyName": "myIoTPolicy", "target": "eu-west-1:1"}, safe=True)
OURS = {"PostAuthentication": "ours"}


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (ATTACH, "aws iot attach-policy --policy-name myIoTPolicy --target eu-west-1:1"),
        (
            AwsCommand("lambda", "UpdateEventSourceMapping", {"UUID": "u", "Enabled": True}),
            "aws lambda update-event-source-mapping --uuid u --enabled",
        ),
        (AwsCommand("x", "DoIt", {"Enabled": False, "Count": 3}), "aws x do-it --no-enabled --count 3"),
        (
            AwsCommand("cognito-idp", "UpdateUserPoolClient", {"AllowedOAuthFlowsUserPoolClient": False}),
            "aws cognito-idp update-user-pool-client --no-allowed-o-auth-flows-user-pool-client",
        ),
        (PubSubCommand(("attach", "--user", "o'neil")), """pubsub attach --user 'o'"'"'neil'"""),
    ],
)
def test_command_is_printed_as_a_line_for_the_shell(command: AwsCommand | PubSubCommand, line: str) -> None:
    assert str(command) == line


@given(
    st.recursive(
        st.text(), lambda each: st.lists(each, max_size=2) | st.dictionaries(st.text(), each, max_size=2), max_leaves=3
    )
)
def test_command_quotes_any_value_for_the_shell(value: Any) -> None:
    *_, parsed = shlex.split(str(AwsCommand("s", "Do", {"Value": value})))
    assert parsed == value if isinstance(value, str) else json.loads(parsed) == value


def test_command_calls_the_operation_that_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    aws = Aws(region="eu-west-1")
    monkeypatch.setattr(aws, "call", lambda *arguments: calls.append(arguments))
    ATTACH.run(aws)
    assert calls == [("iot", "AttachPolicy", ATTACH.parameters)]


def _fix(*fix: str | AwsCommand) -> Finding:
    return failed("wrong", resource="r", fix=fix)


def test_fix_is_safe_only_if_all_its_lines_are_safe_commands() -> None:
    assert _fix(ATTACH, ATTACH).safe_commands == (ATTACH, ATTACH)
    assert _fix(ATTACH, AwsCommand("iot", "DetachPolicy", {})).safe_commands == ()
    assert _fix("first think", ATTACH).safe_commands == ()
    assert _fix("first think", ATTACH).fix == f"first think\n{ATTACH}"


def test_update_repeats_the_other_settings_that_it_accepts() -> None:
    described = {
        "Id": "eu-west-1_1",
        "UserPoolId": "eu-west-1_1",
        "MfaConfiguration": "OFF",
        "EstimatedNumberOfUsers": 3,
        "LambdaConfig": {"PreSignUp": "arn"},
        "SmsConfiguration": {},
        "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True, "UnusedAccountValidityDays": 7},
        "UserPoolTags": {"aws:cloudformation:stack-name": "s", "team": "t"},
    }
    changes = {"LambdaConfig": {"PreSignUp": "arn", "PostAuthentication": "ours"}}
    command = update_of(StubbedAws().user_pools, "UpdateUserPool", described, changes)
    assert isinstance(command, AwsCommand)
    assert command.service == "cognito-idp"
    assert command.parameters == {
        "UserPoolId": "eu-west-1_1",
        "MfaConfiguration": "OFF",
        "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
        "UserPoolTags": {"team": "t"},
        **changes,
    }


@pytest.mark.parametrize(
    ("operation", "described", "lost"),
    [
        ("UpdateUserPool", {"Holidays": {"Country": "NO"}}, "Holidays"),
        ("UpdateUserPool", {"Policies": {"PasswordPolicy": {"Rhymes": False}}}, "Policies.PasswordPolicy.Rhymes"),
        ("UpdateUserPoolClient", {"ClientId": "c", "Moon": "full"}, "Moon"),
    ],
)
def test_update_that_would_reset_a_setting_becomes_an_instruction(
    operation: str, described: dict[str, Any], lost: str
) -> None:
    text = update_of(StubbedAws().user_pools, operation, described, {"LambdaConfig": {}})
    assert str(text).endswith(f"With this SDK, {operation} would reset {lost}")


def _pool(**changes: Any) -> Any:
    triggers = {"PreSignUp": "theirs"}
    return {"Id": "eu-west-1_1", "Name": "p", "LambdaConfig": triggers, "MfaConfiguration": "OFF", **changes}


@pytest.mark.parametrize(("triggers", "safe"), [(OURS, True), ({"PreSignUp": "ours"}, False)])
def test_other_triggers_are_kept_and_replacing_one_is_not_safe(triggers: dict[str, str], safe: bool) -> None:
    (update,) = set_triggers(StubbedAws().user_pools, _pool(), triggers)
    assert isinstance(update, AwsCommand)
    assert update.parameters["LambdaConfig"] == {"PreSignUp": "theirs", **triggers}
    assert update.parameters["MfaConfiguration"] == "OFF"
    assert update.safe is safe


def test_triggers_become_an_instruction_if_mfa_cannot_be_read() -> None:
    pool = _pool(MfaConfiguration="OPTIONAL")
    denied = StubbedAws(GetUserPoolMfaConfig=error("AccessDeniedException"))
    (fix,) = set_triggers(denied.user_pools, pool, OURS)
    assert "PostAuthentication ours" in str(fix)
    assert "GetUserPoolMfaConfig" in str(fix)
    with pytest.raises(ClientError):
        set_triggers(StubbedAws(GetUserPoolMfaConfig=error("InternalErrorException")).user_pools, pool, OURS)


def test_mfa_is_set_again_after_the_triggers() -> None:
    mfa = {"SoftwareTokenMfaConfiguration": {"Enabled": True}, "MfaConfiguration": "OPTIONAL"}
    user_pools = StubbedAws(GetUserPoolMfaConfig=mfa).user_pools
    update, again = set_triggers(user_pools, _pool(MfaConfiguration="OPTIONAL"), OURS)
    assert isinstance(update, AwsCommand)
    assert isinstance(again, AwsCommand)
    assert "MfaConfiguration" not in update.parameters
    assert again.parameters == {"UserPoolId": "eu-west-1_1", **mfa}
    assert not update.safe


@pytest.mark.parametrize(
    ("settings", "mfa", "reason"),
    [
        ({}, {"WebAuthnConfiguration": {"Moonrise": "REQUIRED"}}, "WebAuthnConfiguration.Moonrise could not be set"),
        ({"Holidays": {"Country": "NO"}}, {}, "UpdateUserPool would reset Holidays"),
    ],
)
def test_triggers_become_an_instruction_if_a_setting_would_be_lost(
    settings: dict[str, Any], mfa: dict[str, Any], reason: str
) -> None:
    user_pools = StubbedAws(GetUserPoolMfaConfig=mfa).user_pools
    (text,) = set_triggers(user_pools, _pool(MfaConfiguration="OPTIONAL", **settings), OURS)
    assert reason in str(text)


def test_permissions_that_an_update_needs_precede_the_command() -> None:
    pool = _pool(
        SmsConfiguration={"SnsCallerArn": "arn:aws:iam::1:role/sns"},
        LambdaConfig={"KMSKeyID": "arn:aws:kms:eu-west-1:1:key/k", "CustomSMSSender": {"LambdaArn": "theirs"}},
    )
    needs, update = set_triggers(StubbedAws().user_pools, pool, OURS)
    assert "iam:PassRole on arn:aws:iam::1:role/sns and kms:CreateGrant on arn:aws:kms:eu-west-1:1:key/k" in str(needs)
    assert isinstance(update, AwsCommand)
    assert update.parameters["SmsConfiguration"] == pool["SmsConfiguration"]
