from __future__ import annotations

from typing import Any

import pytest

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import PASSWORD
from tests.integration.local_cloud.user_pool import Pool, refusal
from tests.tokens import totp

Asked = tuple[str, dict[str, Any], dict[str, str]]

REFUSED = ("NotAuthorizedException", "Invalid session for the user.")


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud) -> Pool:
    pool = Pool(cloud)
    pool.allow_totp()
    return pool


@pytest.fixture(params=["new password", "second factor"])
def asked(pool: Pool, request: pytest.FixtureRequest) -> Asked:
    """A user, what Cognito asks after the password, and the right responses."""
    if request.param == "new password":
        name, responses = pool.user_with_temporary_password(), {"NEW_PASSWORD": f"{PASSWORD}-new"}
    else:
        name, secret = pool.user_with_totp()
        responses = {"SOFTWARE_TOKEN_MFA_CODE": totp(secret)}
    return name, pool.give_password(name), responses


def test_the_session_of_the_challenge_is_good_once(pool: Pool, asked: Asked) -> None:
    name, challenge, responses = asked
    assert "AuthenticationResult" in pool.answer(challenge, name, **responses)
    assert refusal(lambda: pool.answer(challenge, name, **responses)) == REFUSED


def test_without_the_password_there_is_no_session_and_no_way_in(pool: Pool, asked: Asked) -> None:
    name, challenge, responses = asked
    forged = challenge | {"Session": "x" * 40}
    assert refusal(lambda: pool.answer(forged, name, **responses)) == REFUSED


def test_another_users_session_does_not_serve(pool: Pool, asked: Asked) -> None:
    name, challenge, responses = asked
    mallory = pool.user_with_temporary_password()
    others = pool.give_password(mallory)
    forged = challenge | {"Session": others["Session"]}
    assert refusal(lambda: pool.answer(forged, name, **responses)) == REFUSED


def test_another_app_client_cannot_answer(pool: Pool, asked: Asked) -> None:
    name, challenge, responses = asked
    other = pool.add_client()
    assert refusal(lambda: pool.answer(challenge, name, other, **responses)) == REFUSED


def test_a_new_password_cannot_be_set_with_a_session_that_asks_for_a_code(pool: Pool) -> None:
    name, _ = pool.user_with_totp()
    challenge = pool.give_password(name) | {"ChallengeName": "NEW_PASSWORD_REQUIRED"}
    assert refusal(lambda: pool.answer(challenge, name, NEW_PASSWORD=f"{PASSWORD}-new")) == REFUSED


def test_after_a_wrong_code_the_right_one_is_good_still(pool: Pool) -> None:
    name, secret = pool.user_with_totp()
    challenge = pool.give_password(name)
    wrong = refusal(lambda: pool.answer(challenge, name, SOFTWARE_TOKEN_MFA_CODE="000000"))
    assert wrong[0] == "CodeMismatchException"
    assert "AuthenticationResult" in pool.answer(challenge, name, SOFTWARE_TOKEN_MFA_CODE=totp(secret))
