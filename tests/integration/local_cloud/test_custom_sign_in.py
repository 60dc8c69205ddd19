from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import PASSWORD, unique
from tests.integration.local_cloud.user_pool import CHALLENGES, Pool, error_of, events, recording

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


def test_user_whose_password_was_reset_gets_no_tokens(pool: Pool) -> None:
    name = pool.user()
    pool.idp.admin_reset_user_password(UserPoolId=pool.user_pool_id, Username=name)
    assert error_of(lambda: _by_challenge(pool, name))[0] == "PasswordResetRequiredException"


def test_unconfirmed_user_is_rejected_before_any_trigger(
    pool: Pool, invoked: Callable[[], list[dict[str, Any]]]
) -> None:
    name = unique("user")
    pool.idp.sign_up(ClientId=pool.client_id, Username=name, Password=PASSWORD)
    error = error_of(lambda: pool.start_challenge(name))
    assert error == ("UserNotConfirmedException", "User is not confirmed.")
    assert invoked() == []


def test_user_disabled_after_the_challenge_gets_no_tokens(pool: Pool) -> None:
    name = pool.user()
    challenge = pool.start_challenge(name)
    pool.idp.admin_disable_user(UserPoolId=pool.user_pool_id, Username=name)
    error = error_of(lambda: pool.answer(challenge, name, ANSWER="yes"))
    assert error == ("NotAuthorizedException", "User is disabled.")


def test_wrong_answer_does_not_reveal_a_temporary_password(pool: Pool) -> None:
    name = pool.user_with_temporary_password()
    challenge = pool.answer(pool.start_challenge(name), name, ANSWER="no")
    assert challenge["ChallengeName"] == "CUSTOM_CHALLENGE"


def test_user_with_mfa_gets_tokens_without_a_code(pool: Pool) -> None:
    name, _ = pool.user_with_totp()
    assert "AuthenticationResult" in _by_challenge(pool, name)


def test_unknown_user_is_challenged_and_gets_no_tokens(pool: Pool, invoked: Callable[[], list[dict[str, Any]]]) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors="ENABLED")
    challenge = pool.start_challenge("missing", client_id)
    assert pool.answer(challenge, "missing", client_id, ANSWER="no")["ChallengeName"] == "CUSTOM_CHALLENGE"
    challenge = pool.start_challenge("missing", client_id)
    error = error_of(lambda: pool.answer(challenge, "missing", client_id, ANSWER="yes"))
    assert error[0] == "NotAuthorizedException"
    assert _triggers(invoked())[-len(_FLOW) :] == _FLOW
    assert all(each["request"]["userNotFound"] for each in invoked())


def test_unknown_user_of_a_legacy_client_invokes_no_trigger(
    pool: Pool, invoked: Callable[[], list[dict[str, Any]]]
) -> None:
    client_id = pool.add_client(PreventUserExistenceErrors="LEGACY")
    error = error_of(lambda: pool.start_challenge("missing", client_id))
    assert error == ("UserNotFoundException", "User does not exist.")
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
