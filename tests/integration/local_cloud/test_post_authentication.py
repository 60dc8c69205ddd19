from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from pycognito.aws_srp import AWSSRP

from tests.e2e.totp import totp
from tests.integration.local_cloud.account import (
    PASSWORD,
    let_cognito_invoke,
    make_app_client,
    make_function,
    make_user,
    make_user_pool,
    sign_in,
)
from tests.integration.local_cloud.user_pool import ECHO, Pool, events, recording, too_late_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local_cloud.process import LocalCloud


@pytest.fixture
def recorded(cloud: LocalCloud, tmp_path: Path) -> tuple[Pool, Callable[[], list[dict[str, Any]]]]:
    """A pool whose trigger writes down every event, and the events so far."""
    file = tmp_path / "events"
    return Pool(cloud, recording(ECHO, file)), lambda: events(file)


def test_the_event_is_the_one_aws_documents(
    recorded: tuple[Pool, Callable[[], list[dict[str, Any]]]],
) -> None:
    pool, events = recorded
    name = pool.user()
    sign_in(pool.cloud, pool.client_id, name)
    (event,) = events()
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


def test_the_client_metadata_of_a_challenge_answer_arrives(
    recorded: tuple[Pool, Callable[[], list[dict[str, Any]]]],
) -> None:
    pool, events = recorded
    by_custom_challenge(pool, ClientMetadata={"from": "the front end"})
    assert events()[0]["request"]["clientMetadata"] == {"from": "the front end"}


def test_the_client_metadata_of_initiate_auth_does_not_arrive(
    recorded: tuple[Pool, Callable[[], list[dict[str, Any]]]],
) -> None:
    pool, events = recorded
    pool.sign_in(ClientMetadata={"from": "the front end"})
    assert "clientMetadata" not in events()[0]["request"]


def by_srp(pool: Pool) -> None:
    unsigned = boto3.client(
        "cognito-idp",
        region_name=pool.cloud.region,
        endpoint_url=pool.cloud.endpoint_url,
        config=Config(signature_version=UNSIGNED),
    )
    user = AWSSRP(
        username=pool.user(),
        password=PASSWORD,
        pool_id=pool.user_pool_id,
        client_id=pool.client_id,
        client=unsigned,
    )
    user.authenticate_user()


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


def by_new_password(pool: Pool) -> None:
    name = pool.user_with_temporary_password()
    challenge = pool.give_password(name)
    assert challenge["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    pool.answer(challenge, name, NEW_PASSWORD=f"{PASSWORD}-new")


@pytest.mark.parametrize("way", [by_srp, by_password, by_custom_challenge, by_new_password])
def test_every_way_to_sign_in_fires_it_once(
    recorded: tuple[Pool, Callable[[], list[dict[str, Any]]]], way: Callable[[Pool], None]
) -> None:
    pool, events = recorded
    way(pool)
    assert len(events()) == 1


def test_a_new_password_fires_it_after_the_answer_when_the_user_is_not_yet_confirmed(
    recorded: tuple[Pool, Callable[[], list[dict[str, Any]]]],
) -> None:
    pool, events = recorded
    name = pool.user_with_temporary_password()
    challenge = pool.give_password(name)
    assert events() == []
    pool.answer(challenge, name, NEW_PASSWORD=f"{PASSWORD}-new")
    (event,) = events()
    assert event["request"]["userAttributes"]["cognito:user_status"] == "FORCE_CHANGE_PASSWORD"
    assert pool.status(name) == "CONFIRMED"


def test_a_second_factor_fires_it_after_the_code(recorded: tuple[Pool, Callable[[], list[dict[str, Any]]]]) -> None:
    pool, events = recorded
    pool.allow_totp()
    name, secret = pool.user_with_totp()
    before = len(events())
    challenge = pool.give_password(name)
    with pytest.raises(ClientError, match="CodeMismatchException"):
        pool.answer(challenge, name, SOFTWARE_TOKEN_MFA_CODE="000000")
    assert len(events()) == before
    pool.answer(challenge, name, SOFTWARE_TOKEN_MFA_CODE=totp(secret))
    assert len(events()) == before + 1


def test_a_refresh_does_not_fire_it(recorded: tuple[Pool, Callable[[], list[dict[str, Any]]]]) -> None:
    pool, events = recorded
    token = pool.sign_in()["RefreshToken"]
    pool.idp.initiate_auth(
        ClientId=pool.client_id,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": token},
    )
    assert len(events()) == 1


def test_a_wrong_password_does_not_fire_it(recorded: tuple[Pool, Callable[[], list[dict[str, Any]]]]) -> None:
    pool, events = recorded
    with pytest.raises(ClientError, match="NotAuthorizedException"):
        pool.idp.initiate_auth(
            ClientId=pool.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": pool.user(), "PASSWORD": "wrong"},
        )
    assert events() == []


def test_a_sign_in_nested_in_the_trigger_fires_it_too(cloud: LocalCloud, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        (
            "def handler(event, context): raise ValueError('not today')",
            "UserLambdaValidationException",
            "PostAuthentication failed with error not today.",
        ),
        (
            "def handler(event, context): return None",
            "InvalidLambdaResponseException",
            "Unrecognizable lambda output",
        ),
        (
            "def handler(event, context): return {'response': {}}",
            "InvalidLambdaResponseException",
            "Unrecognizable lambda output",
        ),
        (
            "def handler(event, context): return 'welcome'",
            "InvalidLambdaResponseException",
            "Unrecognizable lambda output",
        ),
    ],
    ids=["error", "nothing", "part of the event", "text"],
)
def test_a_trigger_that_does_not_return_the_event_fails_the_sign_in(
    cloud: LocalCloud, source: str, code: str, message: str
) -> None:
    with pytest.raises(ClientError) as failure:
        Pool(cloud, source).sign_in()
    assert failure.value.response["Error"] == {"Code": code, "Message": message}


def test_a_trigger_without_an_answer_in_three_times_five_seconds_fails_the_sign_in(cloud: LocalCloud) -> None:
    pool = Pool(cloud, "import time\ndef handler(event, context):\n    time.sleep(7)\n    return event")
    begun = time.monotonic()
    with pytest.raises(ClientError) as failure:
        pool.sign_in()
    assert failure.value.response["Error"] == {
        "Code": "UnexpectedLambdaException",
        "Message": ("PostAuthentication invocation failed due to error Socket timeout while invoking Lambda function."),
    }
    assert 15 <= time.monotonic() - begun < 20


def test_a_trigger_whose_second_answer_is_in_time_lets_the_user_in(cloud: LocalCloud, tmp_path: Path) -> None:
    pool = Pool(cloud, too_late_once(tmp_path / "called"))
    assert "IdToken" in pool.sign_in()
    assert (tmp_path / "called").read_text().splitlines() == ["called", "called"]


def test_a_trigger_that_raises_an_error_is_not_called_again(cloud: LocalCloud, tmp_path: Path) -> None:
    source = recording("def handler(event, context):\n    raise ValueError", tmp_path / "events")
    with pytest.raises(ClientError, match="UserLambdaValidationException"):
        Pool(cloud, source).sign_in()
    assert len(events(tmp_path / "events")) == 1


def test_a_function_that_lets_another_user_pool_invoke_it_fails_the_sign_in(cloud: LocalCloud) -> None:
    trigger = make_function(cloud, "def handler(event, context): return event")
    user_pool_id, client_id = make_user_pool(cloud, {"LambdaConfig": {"PostAuthentication": trigger}})
    let_cognito_invoke(cloud, trigger, "us-east-1_another")
    name = make_user(cloud, user_pool_id)
    with pytest.raises(ClientError, match="PostAuthentication invocation failed due to error AccessDenied"):
        sign_in(cloud, client_id, name)
