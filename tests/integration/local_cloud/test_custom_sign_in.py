"""What custom authentication answers a user of each status; each has answered the challenge rightly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pycognito.aws_srp import AWSSRP

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import PASSWORD, unique
from tests.integration.local_cloud.user_pool import CHALLENGES, Pool, events, recording, refusal
from tests.tokens import totp


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud) -> Pool:
    pool = Pool(cloud)
    pool.allow_totp()
    return pool


def by_challenge(pool: Pool, name: str) -> dict[str, Any]:
    return pool.answer(pool.start_challenge(name), name, ANSWER="yes")


def by_password_in_the_custom_flow(pool: Pool, name: str) -> dict[str, Any]:
    """Give the password that comes before the challenge, and return what Cognito asks then."""
    srp = AWSSRP(name, PASSWORD, pool.user_pool_id, pool.client_id, client=pool.idp)
    asked = pool.idp.initiate_auth(
        ClientId=pool.client_id,
        AuthFlow="CUSTOM_AUTH",
        AuthParameters=srp.get_auth_params() | {"CHALLENGE_NAME": "SRP_A"},
    )
    responses = srp.process_challenge(asked["ChallengeParameters"], srp.get_auth_params())
    return pool.answer(asked, **({"name": responses.pop("USERNAME")} | responses))


def test_a_confirmed_user_gets_tokens(pool: Pool) -> None:
    assert "AuthenticationResult" in by_challenge(pool, pool.user())


def test_a_user_with_a_temporary_password_is_asked_for_a_new_one_in_place_of_tokens(pool: Pool) -> None:
    name = pool.user_with_temporary_password()
    asked = by_challenge(pool, name)
    assert asked["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert "AuthenticationResult" not in asked
    assert pool.status(name) == "FORCE_CHANGE_PASSWORD"
    assert "AuthenticationResult" in pool.answer(asked, name, NEW_PASSWORD=f"{PASSWORD}-new")
    assert pool.status(name) == "CONFIRMED"


def test_a_user_whose_password_was_reset_is_refused_in_place_of_tokens(pool: Pool) -> None:
    name = pool.user()
    pool.idp.admin_reset_user_password(UserPoolId=pool.user_pool_id, Username=name)
    assert refusal(lambda: by_challenge(pool, name))[0] == "PasswordResetRequiredException"


def test_an_unconfirmed_user_is_refused_before_any_challenge(cloud: LocalCloud, tmp_path: Path) -> None:
    file, name = tmp_path / "events", unique("user")
    pool = Pool(cloud, challenges=recording(CHALLENGES, file))
    pool.idp.sign_up(ClientId=pool.client_id, Username=name, Password=PASSWORD)
    refused = refusal(lambda: pool.start_challenge(name))
    assert refused == ("UserNotConfirmedException", "User is not confirmed.")
    assert events(file) == []


def test_a_user_disabled_after_the_challenge_gets_no_tokens_for_the_answer(pool: Pool) -> None:
    name = pool.user()
    asked = pool.start_challenge(name)
    pool.idp.admin_disable_user(UserPoolId=pool.user_pool_id, Username=name)
    refused = refusal(lambda: pool.answer(asked, name, ANSWER="yes"))
    assert refused == ("NotAuthorizedException", "User is disabled.")


def test_a_wrong_answer_does_not_tell_of_the_temporary_password(pool: Pool) -> None:
    name = pool.user_with_temporary_password()
    asked = pool.answer(pool.start_challenge(name), name, ANSWER="no")
    assert asked["ChallengeName"] == "CUSTOM_CHALLENGE"


def test_without_a_password_no_second_factor_is_asked_for(pool: Pool) -> None:
    name, _ = pool.user_with_totp()
    assert "AuthenticationResult" in by_challenge(pool, name)


def test_after_a_password_the_second_factor_is_asked_for_in_place_of_the_challenge(pool: Pool) -> None:
    name, secret = pool.user_with_totp()
    asked = by_password_in_the_custom_flow(pool, name)
    assert asked["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    assert "AuthenticationResult" in pool.answer(asked, name, SOFTWARE_TOKEN_MFA_CODE=totp(secret))


def test_after_a_temporary_password_a_new_one_is_asked_for_in_place_of_the_challenge(pool: Pool) -> None:
    asked = by_password_in_the_custom_flow(pool, pool.user_with_temporary_password())
    assert asked["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


def test_after_any_other_password_comes_the_challenge(pool: Pool) -> None:
    assert by_password_in_the_custom_flow(pool, pool.user())["ChallengeName"] == "CUSTOM_CHALLENGE"
