from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.aws import Aws
from pubsub_cli.checks.update import set_triggers, set_triggers_fix, update_of
from pubsub_cli.finding import AwsCommand, Finding, PubSubCommand, failed

ATTACH = AwsCommand("iot", "AttachPolicy", {"policyName": "myIoTPolicy", "target": "eu-west-1:1"}, safe=True)


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
def test_a_command_is_a_line_for_the_shell(command: AwsCommand | PubSubCommand, line: str) -> None:
    assert str(command) == line


@given(
    st.recursive(
        st.text(), lambda each: st.lists(each, max_size=2) | st.dictionaries(st.text(), each, max_size=2), max_leaves=3
    )
)
def test_whatever_a_value_is_the_shell_gives_it_back(value: Any) -> None:
    *_, told = shlex.split(str(AwsCommand("s", "Do", {"Value": value})))
    assert told == value if isinstance(value, str) else json.loads(told) == value


def test_what_is_printed_is_what_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    aws = Aws(region="eu-west-1")
    monkeypatch.setattr(aws, "call", lambda *arguments: calls.append(arguments))
    ATTACH.run(aws)
    assert calls == [("iot", "AttachPolicy", ATTACH.parameters)]


def _fix(*fix: str | AwsCommand) -> Finding:
    return failed("wrong", resource="r", fix=fix)


def test_a_fix_is_safe_where_all_of_it_is() -> None:
    detach = AwsCommand("iot", "DetachPolicy", {})
    assert _fix(ATTACH, ATTACH).safe_commands == (ATTACH, ATTACH)
    assert _fix(ATTACH, detach).safe_commands == ()
    assert _fix("first think", ATTACH).safe_commands == ()
    assert _fix("first think", ATTACH).fix == f"first think\n{ATTACH}"


def test_an_update_keeps_what_it_does_not_change_and_leaves_out_what_it_cannot_take() -> None:
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
    command = update_of(Aws(region="eu-west-1").user_pools, "UpdateUserPool", described, changes)
    assert isinstance(command, AwsCommand)
    assert command.service == "cognito-idp"
    assert command.parameters == {
        "UserPoolId": "eu-west-1_1",
        "MfaConfiguration": "OFF",
        "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
        "UserPoolTags": {"team": "t"},
        **changes,
    }


def _pool(**changes: Any) -> Any:
    return {
        "Id": "eu-west-1_1",
        "Name": "p",
        "LambdaConfig": {"PreSignUp": "theirs"},
        "MfaConfiguration": "OFF",
        **changes,
    }


def test_a_trigger_is_added_to_those_there_are() -> None:
    (update,) = set_triggers(Aws(region="eu-west-1").user_pools, _pool(), {"PostAuthentication": "ours"})
    assert isinstance(update, AwsCommand)
    assert update.parameters["LambdaConfig"] == {"PreSignUp": "theirs", "PostAuthentication": "ours"}
    assert update.parameters["MfaConfiguration"] == "OFF"
    assert update.safe


def test_to_take_a_trigger_from_somebody_is_not_safe() -> None:
    (update,) = set_triggers(Aws(region="eu-west-1").user_pools, _pool(), {"PreSignUp": "ours"})
    assert isinstance(update, AwsCommand)
    assert not update.safe


def test_who_may_not_ask_for_the_second_factor_is_told_what_to_wire_in_words() -> None:
    user_pools = Aws(region="eu-west-1").user_pools
    with Stubber(user_pools) as stub:
        stub.add_client_error("get_user_pool_mfa_config", "AccessDeniedException")
        fix = set_triggers_fix(user_pools, _pool(MfaConfiguration="OPTIONAL"), {"PostAuthentication": "ours"})
    assert isinstance(fix, str)
    assert "PostAuthentication ours" in fix
    assert "GetUserPoolMfaConfig" in fix
    stub.add_client_error("get_user_pool_mfa_config", "InternalErrorException")
    with stub, pytest.raises(ClientError):
        set_triggers_fix(user_pools, _pool(MfaConfiguration="OPTIONAL"), {"PostAuthentication": "ours"})


def test_a_second_factor_is_switched_on_again_by_the_operation_made_for_it() -> None:
    user_pools = Aws(region="eu-west-1").user_pools
    factor = {"SoftwareTokenMfaConfiguration": {"Enabled": True}, "MfaConfiguration": "OPTIONAL"}
    with Stubber(user_pools) as stub:
        stub.add_response("get_user_pool_mfa_config", factor, {"UserPoolId": "eu-west-1_1"})
        update, again = set_triggers(user_pools, _pool(MfaConfiguration="OPTIONAL"), {"PostAuthentication": "ours"})
    assert isinstance(update, AwsCommand)
    assert isinstance(again, AwsCommand)
    assert "MfaConfiguration" not in update.parameters
    assert again.parameters == {"UserPoolId": "eu-west-1_1", **factor}
    assert not update.safe


def test_no_update_is_given_out_after_which_the_second_factor_could_not_be_set_again() -> None:
    user_pools = Aws(region="eu-west-1").user_pools
    passkeys = {"RelyingPartyId": "shop.example"}
    factor: Any = {"MfaConfiguration": "OPTIONAL", "WebAuthnConfiguration": passkeys}
    with Stubber(user_pools) as stub:
        stub.add_response("get_user_pool_mfa_config", factor, {"UserPoolId": "eu-west-1_1"})
        answer = stub._queue[-1]["response"][0]  # type: ignore[attr-defined]
        answer.raw = answer
        answer._content = json.dumps({"WebAuthnConfiguration": passkeys | {"Moonrise": "REQUIRED"}}).encode()
        (words,) = set_triggers(user_pools, _pool(MfaConfiguration="OPTIONAL"), {"PostAuthentication": "ours"})
    assert isinstance(words, str)
    assert "could not be set again with WebAuthnConfiguration.Moonrise" in words


def test_what_cognito_asks_besides_is_said_before_the_command() -> None:
    pool = _pool(
        SmsConfiguration={"SnsCallerArn": "arn:aws:iam::1:role/sns"},
        LambdaConfig={"KMSKeyID": "arn:aws:kms:eu-west-1:1:key/k", "CustomSMSSender": {"LambdaArn": "theirs"}},
    )
    needs, update = set_triggers(Aws(region="eu-west-1").user_pools, pool, {"PostAuthentication": "ours"})
    assert isinstance(needs, str)
    assert "iam:PassRole on arn:aws:iam::1:role/sns and kms:CreateGrant on arn:aws:kms:eu-west-1:1:key/k" in needs
    assert isinstance(update, AwsCommand)
    assert update.parameters["SmsConfiguration"] == pool["SmsConfiguration"]


@pytest.mark.parametrize(
    ("operation", "described", "lost"),
    [
        ("UpdateUserPool", {"Holidays": {"Country": "NO"}}, "Holidays"),
        ("UpdateUserPool", {"Policies": {"PasswordPolicy": {"Rhymes": False}}}, "Policies.PasswordPolicy.Rhymes"),
        ("UpdateUserPoolClient", {"ClientId": "c", "Moon": "full"}, "Moon"),
    ],
)
def test_no_command_is_given_out_that_would_reset_a_setting(
    operation: str, described: dict[str, Any], lost: str
) -> None:
    user_pools = Aws(region="eu-west-1").user_pools
    words = update_of(user_pools, operation, described, {"LambdaConfig": {}})
    assert isinstance(words, str)
    assert f"would reset {lost}, which the AWS SDK here does not know" in words


def test_triggers_of_a_pool_that_would_lose_a_setting_are_told_in_words() -> None:
    pool = _pool(Holidays={"Country": "NO"}, MfaConfiguration="OPTIONAL")
    (words,) = set_triggers(Aws(region="eu-west-1").user_pools, pool, {"PostAuthentication": "ours"})
    assert isinstance(words, str)
    assert "UpdateUserPool from here would reset Holidays" in words
