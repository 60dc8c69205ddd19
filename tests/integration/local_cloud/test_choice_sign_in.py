from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import ECHO, PASSWORD, unique
from tests.integration.local_cloud.user_pool import (
    ChoicePool,
    code_sent_by_email,
    error_of,
    events,
    recording,
)
from tests.tokens import claims

PHONE = "+15555550100"
INVALID_SESSION = ("NotAuthorizedException", "Invalid session for the user.")


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud) -> ChoicePool:
    return ChoicePool(cloud)


def is_signed_in_as(answer: dict[str, Any], name: str) -> bool:
    return bool(claims(answer["AuthenticationResult"]["IdToken"])["cognito:username"] == name)


def test_challenges_depend_on_the_pool_and_the_attributes(pool: ChoicePool) -> None:
    with_email, _ = pool.user_with_email()
    with_both, _ = pool.user_with_email(phone_number=PHONE)
    passwordless = unique("user")
    pool.idp.admin_create_user(
        UserPoolId=pool.user_pool_id,
        Username=passwordless,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "email", "Value": f"{passwordless}@example.com"}],
    )
    assert pool.start(with_email)["AvailableChallenges"] == ["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP"]
    assert pool.start(with_both)["AvailableChallenges"] == ["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP"]
    assert pool.start(passwordless)["AvailableChallenges"] == ["EMAIL_OTP"]
    assert pool.status(passwordless) == "CONFIRMED"


def test_password_is_given_at_once_or_after_the_choice(pool: ChoicePool) -> None:
    name, _ = pool.user_with_email()
    at_once = pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD)
    chosen = pool.respond(pool.start(name), name, ANSWER="PASSWORD", PASSWORD=PASSWORD)
    challenge = pool.start(name, PREFERRED_CHALLENGE="PASSWORD")
    assert challenge["ChallengeName"] == "PASSWORD"
    tokens_later = pool.respond(challenge, name, PASSWORD=PASSWORD)
    assert all(is_signed_in_as(each, name) for each in (at_once, chosen, tokens_later))


def test_srp_begins_at_once_or_after_the_choice(pool: ChoicePool) -> None:
    name, _ = pool.user_with_email()
    starts: list[Callable[[str], dict[str, Any]]] = [
        lambda srp_a: pool.start(name, PREFERRED_CHALLENGE="PASSWORD_SRP", SRP_A=srp_a),
        lambda srp_a: pool.respond(pool.start(name), name, ANSWER="PASSWORD_SRP", SRP_A=srp_a),
    ]
    for begin in starts:
        srp = pool.srp(name)
        challenge = begin(srp.get_auth_params()["SRP_A"])
        assert challenge["ChallengeName"] == "PASSWORD_VERIFIER"
        proof = srp.process_challenge(challenge["ChallengeParameters"], srp.get_auth_params())
        assert is_signed_in_as(pool.respond(challenge, name, **proof), name)


def test_code_confirms_a_user_who_has_signed_up(pool: ChoicePool) -> None:
    name = unique("user")
    email = f"{name}@example.com"
    attributes = [{"Name": "email", "Value": email}]
    pool.idp.sign_up(ClientId=pool.choice_client_id, Username=name, Password=PASSWORD, UserAttributes=attributes)
    error = error_of(lambda: pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD))
    assert error[0] == "UserNotConfirmedException"
    challenge = pool.start(name, PREFERRED_CHALLENGE="EMAIL_OTP")
    pool.respond(challenge, name, EMAIL_OTP_CODE=code_sent_by_email(pool.cloud, email))
    assert pool.status(name) == "CONFIRMED"


def test_wrong_answers_and_sessions_are_rejected(pool: ChoicePool) -> None:
    name, email = pool.user_with_email()
    other, _ = pool.user_with_email()
    wrong = error_of(lambda: pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD="Wrong-1234"))
    assert wrong == ("NotAuthorizedException", "Incorrect username or password.")
    unavailable = error_of(lambda: pool.respond(pool.start(name), name, ANSWER="SMS_OTP"))
    assert unavailable[0] == "InvalidParameterException"
    challenge = pool.start(name, PREFERRED_CHALLENGE="EMAIL_OTP")
    code = code_sent_by_email(pool.cloud, email)
    wrong_code = f"{(int(code) + 1) % 10**8:08}"
    assert error_of(lambda: pool.respond(challenge, name, EMAIL_OTP_CODE=wrong_code))[0] == "CodeMismatchException"
    assert error_of(lambda: pool.respond(challenge, other, EMAIL_OTP_CODE=code)) == INVALID_SESSION
    selecting = {**challenge, "ChallengeName": "SELECT_CHALLENGE"}
    assert error_of(lambda: pool.respond(selecting, name, ANSWER="PASSWORD")) == INVALID_SESSION
    assert is_signed_in_as(pool.respond(challenge, name, EMAIL_OTP_CODE=code), name)
    assert error_of(lambda: pool.respond(challenge, name, EMAIL_OTP_CODE=code)) == INVALID_SESSION


def test_disabled_and_unknown_users_are_rejected(pool: ChoicePool) -> None:
    name, _ = pool.user_with_email()
    pool.idp.admin_disable_user(UserPoolId=pool.user_pool_id, Username=name)
    assert error_of(lambda: pool.start(name)) == ("NotAuthorizedException", "User is disabled.")
    assert error_of(lambda: pool.start("missing"))[0] == "UserNotFoundException"


def test_every_choice_invokes_post_authentication_once(cloud: LocalCloud, tmp_path: Path) -> None:
    file = tmp_path / "events"
    pool = ChoicePool(cloud, recording(ECHO, file))
    name, email = pool.user_with_email()
    pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD)
    srp = pool.srp(name)
    challenge = pool.start(name, PREFERRED_CHALLENGE="PASSWORD_SRP", SRP_A=srp.get_auth_params()["SRP_A"])
    pool.respond(challenge, name, **srp.process_challenge(challenge["ChallengeParameters"], srp.get_auth_params()))
    challenge = pool.start(name, PREFERRED_CHALLENGE="EMAIL_OTP")
    assert len(events(file)) == 2
    pool.respond(challenge, name, EMAIL_OTP_CODE=code_sent_by_email(cloud, email))
    assert [each["userName"] for each in events(file)] == [name] * 3
    assert "code" not in json.dumps(events(file))
