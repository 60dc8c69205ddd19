from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pycognito.aws_srp import AWSSRP

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import (
    ECHO,
    PASSWORD,
    let_cognito_invoke,
    make_app_client,
    make_function,
    make_user,
    make_user_pool,
    sign_in,
)
from tests.integration.local_cloud.user_pool import Pool, error_of, events, recording
from tests.tokens import totp

Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file to which the trigger writes its events."""
    return tmp_path_factory.mktemp("trigger") / "events"


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud, file: Path) -> Pool:
    """A pool whose trigger writes every event to the file."""
    pool = Pool(cloud, recording(ECHO, file))
    pool.allow_totp()
    return pool


@pytest.fixture
def invoked(file: Path) -> Events:
    """The trigger's events in this test."""
    before = len(events(file))
    return lambda: events(file)[before:]


def test_post_authentication_event_has_the_documented_form(pool: Pool, invoked: Events) -> None:
    name = pool.user()
    sign_in(pool.cloud, pool.client_id, name)
    (event,) = invoked()
    user = pool.idp.admin_get_user(UserPoolId=pool.user_pool_id, Username=name)
    attributes = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
    assert event == {
        "version": "1",
        "triggerSource": "PostAuthentication_Authentication",
        "region": "us-east-1",
        "userPoolId": pool.user_pool_id,
        "userName": name,
        "callerContext": {
            "awsSdkVersion": event["callerContext"]["awsSdkVersion"],
            "clientId": pool.client_id,
        },
        "request": {
            "userAttributes": {
                "sub": attributes["sub"],
                "email": "ada@example.com",
                "cognito:user_status": "CONFIRMED",
            },
            "newDeviceUsed": False,
        },
        "response": {},
    }


def test_client_metadata_arrives_only_from_a_challenge_answer(pool: Pool, invoked: Events) -> None:
    by_custom_challenge(pool, ClientMetadata={"from": "the front end"})
    pool.sign_in(ClientMetadata={"from": "the front end"})
    with_metadata, without = invoked()
    assert with_metadata["request"]["clientMetadata"] == {"from": "the front end"}
    assert "clientMetadata" not in without["request"]


def by_srp(pool: Pool) -> None:
    AWSSRP(pool.user(), PASSWORD, pool.user_pool_id, pool.client_id, client=pool.idp).authenticate_user()


def by_password(pool: Pool) -> None:
    pool.sign_in()


def by_custom_challenge(pool: Pool, **settings: Any) -> None:
    name = pool.user()
    challenge = pool.start_challenge(name)
    pool.idp.respond_to_auth_challenge(
        ClientId=pool.client_id,
        ChallengeName="CUSTOM_CHALLENGE",
        Session=challenge["Session"],
        ChallengeResponses={"USERNAME": name, "ANSWER": "yes"},
        **settings,
    )


@pytest.mark.parametrize("sign_in_by", [by_srp, by_password, by_custom_challenge])
def test_every_kind_of_sign_in_invokes_the_trigger_once(
    pool: Pool, invoked: Events, sign_in_by: Callable[[Pool], None]
) -> None:
    sign_in_by(pool)
    assert len(invoked()) == 1


def test_new_password_invokes_the_trigger_before_the_user_is_confirmed(pool: Pool, invoked: Events) -> None:
    name = pool.user_with_temporary_password()
    challenge = pool.give_password(name)
    assert challenge["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert invoked() == []
    pool.answer(challenge, name, NEW_PASSWORD=f"{PASSWORD}-new")
    (event,) = invoked()
    assert event["request"]["userAttributes"]["cognito:user_status"] == "FORCE_CHANGE_PASSWORD"
    assert pool.status(name) == "CONFIRMED"


def test_mfa_sign_in_invokes_the_trigger_after_the_code(pool: Pool, invoked: Events) -> None:
    name, secret = pool.user_with_totp()
    before = len(invoked())
    challenge = pool.give_password(name)
    with pytest.raises(ClientError, match="CodeMismatchException"):
        pool.answer(challenge, name, SOFTWARE_TOKEN_MFA_CODE="000000")
    assert len(invoked()) == before
    pool.answer(challenge, name, SOFTWARE_TOKEN_MFA_CODE=totp(secret))
    assert len(invoked()) == before + 1


def test_refresh_and_wrong_password_do_not_invoke_the_trigger(pool: Pool, invoked: Events) -> None:
    token = pool.sign_in()["RefreshToken"]
    pool.idp.initiate_auth(
        ClientId=pool.client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": token}
    )
    with pytest.raises(ClientError, match="NotAuthorizedException"):
        pool.give_password(pool.user(), "wrong")
    assert len(invoked()) == 1


def test_sign_in_inside_the_trigger_invokes_it(cloud: LocalCloud, tmp_path: Path) -> None:
    seen, inner = tmp_path / "seen", tmp_path / "inner"
    source = f"""
import boto3
def handler(event, context):
    inner, client_id = open({str(inner)!r}).read(), event["callerContext"]["clientId"]
    with open({str(seen)!r}, "a") as seen:
        seen.write(client_id + "\\n")
    if client_id != inner:
        boto3.client("cognito-idp").initiate_auth(
            ClientId=inner, AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={{"USERNAME": event["userName"], "PASSWORD": {PASSWORD!r}}})
    return event
"""
    pool = Pool(cloud, source)
    inner.write_text(make_app_client(cloud, pool.user_pool_id))
    pool.sign_in()
    assert seen.read_text().split() == [pool.client_id, inner.read_text()]


@pytest.fixture(scope="module")
def failing(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pool, Path]:
    """A pool whose trigger fails as the user's nickname says, and the file with its events."""
    file = tmp_path_factory.mktemp("trigger") / "events"
    source = """
def handler(event, context):
    kind = event["request"]["userAttributes"]["nickname"]
    if kind == "error":
        raise ValueError("not today")
    if kind == "late":
        import time
        time.sleep(1)
    return {"nothing": None, "part of the event": {"response": {}}, "text": "welcome"}.get(kind, event)
"""
    return Pool(cloud, recording(source, file)), file


@pytest.mark.parametrize("kind", ["nothing", "part of the event", "text"])
def test_answer_that_is_not_the_event_fails_the_sign_in(failing: tuple[Pool, Path], kind: str) -> None:
    pool, _ = failing
    name = pool.user(nickname=kind)
    assert error_of(lambda: pool.give_password(name)) == (
        "InvalidLambdaResponseException",
        "Unrecognizable lambda output",
    )


def test_error_fails_the_sign_in_and_is_not_retried(failing: tuple[Pool, Path]) -> None:
    pool, file = failing
    name, before = pool.user(nickname="error"), len(events(file))
    error = error_of(lambda: pool.give_password(name))
    assert error == ("UserLambdaValidationException", "PostAuthentication failed with error not today.")
    assert len(events(file)) == before + 1


def test_trigger_that_is_late_three_times_fails_the_sign_in(
    failing: tuple[Pool, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, _ = failing
    name, begun = pool.user(nickname="late"), time.monotonic()
    monkeypatch.setattr(pool.cloud, "trigger_timeout_seconds", 0.2)
    error = error_of(lambda: pool.give_password(name))
    assert error == (
        "UnexpectedLambdaException",
        "PostAuthentication invocation failed due to error Socket timeout while invoking Lambda function.",
    )
    assert time.monotonic() - begun >= 0.6


def test_function_without_permission_for_the_user_pool_fails_the_sign_in(cloud: LocalCloud) -> None:
    trigger = make_function(cloud, ECHO)
    user_pool_id, client_id = make_user_pool(cloud, {"LambdaConfig": {"PostAuthentication": trigger}})
    let_cognito_invoke(cloud, trigger, "us-east-1_another")
    name = make_user(cloud, user_pool_id)
    with pytest.raises(ClientError, match="PostAuthentication invocation failed due to error AccessDenied"):
        sign_in(cloud, client_id, name)


def test_pre_authentication_event_has_the_documented_form(cloud: LocalCloud, tmp_path: Path) -> None:
    pool = Pool(cloud, pre_authentication=recording(ECHO, tmp_path / "events"))
    name = pool.user()
    pool.idp.initiate_auth(
        ClientId=pool.client_id,
        AuthFlow="CUSTOM_AUTH",
        AuthParameters={"USERNAME": name},
        ClientMetadata={"from": "the front end"},
    )
    (event,) = events(tmp_path / "events")
    assert event["triggerSource"] == "PreAuthentication_Authentication"
    assert (event["userName"], event["callerContext"]["clientId"]) == (name, pool.client_id)
    assert event["request"]["validationData"] == {"from": "the front end"}
    assert event["request"]["userAttributes"]["email"] == "ada@example.com"
    assert event["request"]["userNotFound"] is False
    token = pool.give_password(name)["AuthenticationResult"]["RefreshToken"]
    pool.idp.initiate_auth(
        ClientId=pool.client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": token}
    )
    error_of(lambda: pool.give_password("missing"))
    assert len(events(tmp_path / "events")) == 2


def test_error_of_pre_authentication_rejects_every_sign_in(cloud: LocalCloud) -> None:
    pool = Pool(cloud, pre_authentication="def handler(event, context): raise ValueError('an unknown app client')")
    name = pool.user()
    error = ("UserLambdaValidationException", "PreAuthentication failed with error an unknown app client.")
    assert error_of(lambda: pool.start_challenge(name)) == error
    assert error_of(lambda: pool.give_password(name)) == error
    assert error_of(lambda: pool.give_password(name, "wrong")) == error
