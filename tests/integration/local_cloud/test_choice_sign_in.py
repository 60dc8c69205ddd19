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
    code_sent_by_sms,
    events,
    recording,
    refusal,
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


def test_unavailable_challenge_is_answered_with_the_available_ones(pool: ChoicePool) -> None:
    name, _ = pool.user_with_email()
    challenge = pool.start(name, PREFERRED_CHALLENGE="WEB_AUTHN")
    assert challenge["ChallengeName"] == "SELECT_CHALLENGE"
    assert "WEB_AUTHN" not in challenge["AvailableChallenges"]
    assert refusal(lambda: pool.respond(challenge, name, ANSWER="SMS_OTP"))[0] == "InvalidParameterException"


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
    ways: list[Callable[[str], dict[str, Any]]] = [
        lambda srp_a: pool.start(name, PREFERRED_CHALLENGE="PASSWORD_SRP", SRP_A=srp_a),
        lambda srp_a: pool.respond(pool.start(name), name, ANSWER="PASSWORD_SRP", SRP_A=srp_a),
    ]
    for begin in ways:
        srp = pool.srp(name)
        challenge = begin(srp.get_auth_params()["SRP_A"])
        assert challenge["ChallengeName"] == "PASSWORD_VERIFIER"
        proof = srp.process_challenge(challenge["ChallengeParameters"], srp.get_auth_params())
        assert is_signed_in_as(pool.respond(challenge, name, **proof), name)


def test_code_comes_by_email_or_sms_and_verifies_the_address(pool: ChoicePool) -> None:
    name, email = pool.user_with_email(phone_number=PHONE)
    challenge = pool.start(name, PREFERRED_CHALLENGE="EMAIL_OTP")
    assert challenge["ChallengeParameters"]["CODE_DELIVERY_DELIVERY_MEDIUM"] == "EMAIL"
    assert email not in challenge["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"]
    answer = pool.respond(challenge, name, EMAIL_OTP_CODE=code_sent_by_email(pool.cloud, email))
    assert is_signed_in_as(answer, name)
    assert claims(answer["AuthenticationResult"]["IdToken"])["email_verified"] in (True, "true")
    challenge = pool.respond(pool.start(name), name, ANSWER="SMS_OTP")
    code = code_sent_by_sms(pool.cloud, PHONE)
    assert is_signed_in_as(pool.respond(challenge, name, SMS_OTP_CODE=code), name)


def test_code_confirms_a_user_who_has_signed_up(pool: ChoicePool) -> None:
    name = unique("user")
    email = f"{name}@example.com"
    attributes = [{"Name": "email", "Value": email}]
    pool.idp.sign_up(ClientId=pool.choice_client_id, Username=name, Password=PASSWORD, UserAttributes=attributes)
    refused = refusal(lambda: pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD))
    assert refused[0] == "UserNotConfirmedException"
    challenge = pool.start(name, PREFERRED_CHALLENGE="EMAIL_OTP")
    pool.respond(challenge, name, EMAIL_OTP_CODE=code_sent_by_email(pool.cloud, email))
    assert pool.status(name) == "CONFIRMED"


def test_wrong_passwords_codes_and_sessions_are_refused(pool: ChoicePool) -> None:
    name, email = pool.user_with_email()
    other, _ = pool.user_with_email()
    wrong = refusal(lambda: pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD="Wrong-1234"))
    assert wrong == ("NotAuthorizedException", "Incorrect username or password.")
    challenge = pool.start(name, PREFERRED_CHALLENGE="EMAIL_OTP")
    code = code_sent_by_email(pool.cloud, email)
    wrong_code = f"{(int(code) + 1) % 10**8:08}"
    assert refusal(lambda: pool.respond(challenge, name, EMAIL_OTP_CODE=wrong_code))[0] == "CodeMismatchException"
    assert refusal(lambda: pool.respond(challenge, other, EMAIL_OTP_CODE=code)) == INVALID_SESSION
    selecting = {**challenge, "ChallengeName": "SELECT_CHALLENGE"}
    assert refusal(lambda: pool.respond(selecting, name, ANSWER="PASSWORD")) == INVALID_SESSION
    assert is_signed_in_as(pool.respond(challenge, name, EMAIL_OTP_CODE=code), name)
    assert refusal(lambda: pool.respond(challenge, name, EMAIL_OTP_CODE=code)) == INVALID_SESSION


def test_user_with_mfa_signs_in_by_password(cloud: LocalCloud) -> None:
    pool = ChoicePool(cloud)
    pool.allow_totp()
    name, _ = pool.user_with_totp()
    assert pool.start(name)["AvailableChallenges"] == ["PASSWORD_SRP", "PASSWORD"]
    challenge = pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD)
    assert challenge["ChallengeName"] == "SOFTWARE_TOKEN_MFA"


def test_disabled_and_unknown_users_are_refused(pool: ChoicePool) -> None:
    name, _ = pool.user_with_email()
    pool.idp.admin_disable_user(UserPoolId=pool.user_pool_id, Username=name)
    assert refusal(lambda: pool.start(name)) == ("NotAuthorizedException", "User is disabled.")
    assert refusal(lambda: pool.start("missing"))[0] == "UserNotFoundException"


def test_app_client_must_allow_each_flow(pool: ChoicePool) -> None:
    name, _ = pool.user_with_email()
    not_allowed = refusal(
        lambda: pool.idp.initiate_auth(ClientId=pool.client_id, AuthFlow="USER_AUTH", AuthParameters={"USERNAME": name})
    )
    assert not_allowed == ("InvalidParameterException", "USER_AUTH is not enabled for the client.")
    assert refusal(lambda: pool.srp(name).authenticate_user()) == (
        "InvalidParameterException",
        "USER_SRP_AUTH is not enabled for the client.",
    )


def test_post_authentication_runs_once_for_each_way(cloud: LocalCloud, tmp_path: Path) -> None:
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
