"""Custom authentication and the sessions of challenges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pycognito.aws_srp import AWSSRP

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import PASSWORD, unique
from tests.integration.local_cloud.user_pool import CHALLENGES, Pool, events, recording, refusal
from tests.tokens import totp

Challenged = tuple[str, dict[str, Any], dict[str, str]]

_INVALID_SESSION = ("NotAuthorizedException", "Invalid session for the user.")
_NEW_PASSWORD = f"{PASSWORD}-new"
_FLOW = ["DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse", "DefineAuthChallenge"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file to which the challenge triggers write their events."""
    return tmp_path_factory.mktemp("triggers") / "events"


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud, file: Path) -> Pool:
    pool = Pool(cloud, challenges=recording(CHALLENGES, file), AliasAttributes=["email"])
    pool.allow_totp()
    return pool


@pytest.fixture
def invoked(file: Path) -> Callable[[], list[dict[str, Any]]]:
    """The triggers' events in this test."""
    before = len(events(file))
    return lambda: events(file)[before:]


def _triggers(invoked: list[dict[str, Any]]) -> list[str]:
    return [each["triggerSource"].split("_")[0] for each in invoked]


def _by_challenge(pool: Pool, name: str) -> dict[str, Any]:
    return pool.answer(pool.start_challenge(name), name, ANSWER="yes")


def _by_password_in_the_custom_flow(pool: Pool, name: str) -> dict[str, Any]:
    """Give the password before the challenge and return Cognito's answer."""
    srp = AWSSRP(name, PASSWORD, pool.user_pool_id, pool.client_id, client=pool.idp)
    challenge = pool.idp.initiate_auth(
        ClientId=pool.client_id,
        AuthFlow="CUSTOM_AUTH",
        AuthParameters=srp.get_auth_params() | {"CHALLENGE_NAME": "SRP_A"},
    )
    responses = srp.process_challenge(challenge["ChallengeParameters"], srp.get_auth_params())
    return pool.answer(challenge, **({"name": responses.pop("USERNAME")} | responses))


def test_user_whose_password_was_reset_gets_no_tokens(pool: Pool) -> None:
    name = pool.user()
    pool.idp.admin_reset_user_password(UserPoolId=pool.user_pool_id, Username=name)
    assert refusal(lambda: _by_challenge(pool, name))[0] == "PasswordResetRequiredException"


def test_unconfirmed_user_is_rejected_before_any_trigger(
    pool: Pool, invoked: Callable[[], list[dict[str, Any]]]
) -> None:
    name = unique("user")
    pool.idp.sign_up(ClientId=pool.client_id, Username=name, Password=PASSWORD)
    refused = refusal(lambda: pool.start_challenge(name))
    assert refused == ("UserNotConfirmedException", "User is not confirmed.")
    assert invoked() == []


def test_user_disabled_after_the_challenge_gets_no_tokens(pool: Pool) -> None:
    name = pool.user()
    challenge = pool.start_challenge(name)
    pool.idp.admin_disable_user(UserPoolId=pool.user_pool_id, Username=name)
    refused = refusal(lambda: pool.answer(challenge, name, ANSWER="yes"))
    assert refused == ("NotAuthorizedException", "User is disabled.")


def test_wrong_answer_does_not_reveal_a_temporary_password(pool: Pool) -> None:
    name = pool.user_with_temporary_password()
    challenge = pool.answer(pool.start_challenge(name), name, ANSWER="no")
    assert challenge["ChallengeName"] == "CUSTOM_CHALLENGE"


def test_mfa_follows_only_a_password(pool: Pool) -> None:
    name, secret = pool.user_with_totp()
    assert "AuthenticationResult" in _by_challenge(pool, name)
    challenge = _by_password_in_the_custom_flow(pool, name)
    assert challenge["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    assert "AuthenticationResult" in pool.answer(challenge, name, SOFTWARE_TOKEN_MFA_CODE=totp(secret))


def test_password_in_the_custom_flow_is_followed_by_its_challenge(pool: Pool) -> None:
    temporary = _by_password_in_the_custom_flow(pool, pool.user_with_temporary_password())
    permanent = _by_password_in_the_custom_flow(pool, pool.user())
    assert (temporary["ChallengeName"], permanent["ChallengeName"]) == ("NEW_PASSWORD_REQUIRED", "CUSTOM_CHALLENGE")


def test_unknown_user_is_challenged_and_gets_no_tokens(pool: Pool, invoked: Callable[[], list[dict[str, Any]]]) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors="ENABLED")
    challenge = pool.start_challenge("missing", client_id)
    assert pool.answer(challenge, "missing", client_id, ANSWER="no")["ChallengeName"] == "CUSTOM_CHALLENGE"
    challenge = pool.start_challenge("missing", client_id)
    refused = refusal(lambda: pool.answer(challenge, "missing", client_id, ANSWER="yes"))
    assert refused[0] == "NotAuthorizedException"
    assert _triggers(invoked())[-len(_FLOW) :] == _FLOW
    assert all(each["request"]["userNotFound"] for each in invoked())


def test_unknown_user_of_a_legacy_client_invokes_no_trigger(
    pool: Pool, invoked: Callable[[], list[dict[str, Any]]]
) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors="LEGACY")
    refused = refusal(lambda: pool.start_challenge("missing", client_id))
    assert refused == ("UserNotFoundException", "User does not exist.")
    assert invoked() == []


@pytest.mark.parametrize("setting", ["ENABLED", "LEGACY"])
def test_user_signs_in_by_alias_and_triggers_receive_the_user_name(
    pool: Pool, invoked: Callable[[], list[dict[str, Any]]], setting: str
) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors=setting)
    email = f"{unique('ada')}@example.com"
    name = pool.user(email=email, email_verified="true")
    answered = pool.answer(pool.start_challenge(email, client_id), email, client_id, ANSWER="yes")
    assert "AuthenticationResult" in answered
    assert _triggers(invoked()) == _FLOW
    assert {each["userName"] for each in invoked()} == {name}
    assert not any(each["request"]["userNotFound"] for each in invoked())
    statuses = {each["request"]["userAttributes"]["cognito:user_status"] for each in invoked()}
    assert statuses == {"CONFIRMED"}


@pytest.fixture(params=["new password", "MFA code"])
def challenged(pool: Pool, request: pytest.FixtureRequest) -> Challenged:
    """A user, the challenge after the password, and its right responses."""
    if request.param == "new password":
        name, responses = pool.user_with_temporary_password(), {"NEW_PASSWORD": _NEW_PASSWORD}
    else:
        name, secret = pool.user_with_totp()
        responses = {"SOFTWARE_TOKEN_MFA_CODE": totp(secret)}
    return name, pool.give_password(name), responses


def test_session_of_a_challenge_is_valid_once(pool: Pool, challenged: Challenged) -> None:
    name, challenge, responses = challenged
    assert "AuthenticationResult" in pool.answer(challenge, name, **responses)
    assert refusal(lambda: pool.answer(challenge, name, **responses)) == _INVALID_SESSION


def test_session_is_valid_for_its_user_app_client_and_challenge(pool: Pool, challenged: Challenged) -> None:
    name, challenge, responses = challenged
    others = pool.give_password(pool.user_with_temporary_password())
    forged = challenge | {"Session": others["Session"]}
    assert refusal(lambda: pool.answer(forged, name, **responses)) == _INVALID_SESSION
    other_client = pool.add_client()
    assert refusal(lambda: pool.answer(challenge, name, other_client, **responses)) == _INVALID_SESSION


def test_session_of_an_mfa_code_does_not_set_a_new_password(pool: Pool) -> None:
    name, _ = pool.user_with_totp()
    challenge = pool.give_password(name) | {"ChallengeName": "NEW_PASSWORD_REQUIRED"}
    assert refusal(lambda: pool.answer(challenge, name, NEW_PASSWORD=_NEW_PASSWORD)) == _INVALID_SESSION
