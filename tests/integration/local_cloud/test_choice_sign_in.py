"""Choice-based sign-in: which challenges a user can choose, and what each of them asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import ECHO, PASSWORD, unique
from tests.integration.local_cloud.sent_codes import code_sent_by_email, code_sent_by_sms
from tests.integration.local_cloud.user_pool import Choosing, events, recording, refusal
from tests.tokens import claims

PHONE = "+15555550100"
INVALID_SESSION = ("NotAuthorizedException", "Invalid session for the user.")


@pytest.fixture(scope="module")
def pool(cloud: LocalCloud) -> Choosing:
    return Choosing(cloud)


def is_signed_in_as(answer: dict[str, Any], name: str) -> bool:
    return bool(claims(answer["AuthenticationResult"]["IdToken"])["cognito:username"] == name)


def test_challenges_depend_on_the_pool_and_the_attributes(pool: Choosing) -> None:
    with_email, _ = pool.someone()
    with_both, _ = pool.someone(phone_number=PHONE)
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


def test_unavailable_challenge_is_answered_with_the_available_ones(pool: Choosing) -> None:
    name, _ = pool.someone()
    asked = pool.start(name, PREFERRED_CHALLENGE="WEB_AUTHN")
    assert asked["ChallengeName"] == "SELECT_CHALLENGE"
    assert "WEB_AUTHN" not in asked["AvailableChallenges"]
    assert refusal(lambda: pool.respond(asked, name, ANSWER="SMS_OTP"))[0] == "InvalidParameterException"


def test_password_is_given_at_once_or_after_the_choice(pool: Choosing) -> None:
    name, _ = pool.someone()
    at_once = pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD)
    chosen = pool.respond(pool.start(name), name, ANSWER="PASSWORD", PASSWORD=PASSWORD)
    asked = pool.start(name, PREFERRED_CHALLENGE="PASSWORD")
    assert asked["ChallengeName"] == "PASSWORD"
    asked_for = pool.respond(asked, name, PASSWORD=PASSWORD)
    assert all(is_signed_in_as(each, name) for each in (at_once, chosen, asked_for))


def test_srp_begins_at_once_or_after_the_choice(pool: Choosing) -> None:
    name, _ = pool.someone()
    ways: list[Callable[[str], dict[str, Any]]] = [
        lambda srp_a: pool.start(name, PREFERRED_CHALLENGE="PASSWORD_SRP", SRP_A=srp_a),
        lambda srp_a: pool.respond(pool.start(name), name, ANSWER="PASSWORD_SRP", SRP_A=srp_a),
    ]
    for begin in ways:
        srp = pool.srp(name)
        asked = begin(srp.get_auth_params()["SRP_A"])
        assert asked["ChallengeName"] == "PASSWORD_VERIFIER"
        proof = srp.process_challenge(asked["ChallengeParameters"], srp.get_auth_params())
        assert is_signed_in_as(pool.respond(asked, name, **proof), name)


def test_code_comes_by_email_or_sms_and_verifies_the_address(pool: Choosing) -> None:
    name, email = pool.someone(phone_number=PHONE)
    asked = pool.start(name, PREFERRED_CHALLENGE="EMAIL_OTP")
    assert asked["ChallengeParameters"]["CODE_DELIVERY_DELIVERY_MEDIUM"] == "EMAIL"
    assert email not in asked["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"]
    answer = pool.respond(asked, name, EMAIL_OTP_CODE=code_sent_by_email(pool.cloud, email))
    assert is_signed_in_as(answer, name)
    assert claims(answer["AuthenticationResult"]["IdToken"])["email_verified"] in (True, "true")
    asked = pool.respond(pool.start(name), name, ANSWER="SMS_OTP")
    code = code_sent_by_sms(pool.cloud, PHONE)
    assert is_signed_in_as(pool.respond(asked, name, SMS_OTP_CODE=code), name)


def test_code_confirms_a_user_who_has_signed_up(pool: Choosing) -> None:
    name = unique("user")
    email = f"{name}@example.com"
    attributes = [{"Name": "email", "Value": email}]
    pool.idp.sign_up(ClientId=pool.choosing, Username=name, Password=PASSWORD, UserAttributes=attributes)
    refused = refusal(lambda: pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD))
    assert refused[0] == "UserNotConfirmedException"
    asked = pool.start(name, PREFERRED_CHALLENGE="EMAIL_OTP")
    pool.respond(asked, name, EMAIL_OTP_CODE=code_sent_by_email(pool.cloud, email))
    assert pool.status(name) == "CONFIRMED"


def test_wrong_passwords_codes_and_sessions_are_refused(pool: Choosing) -> None:
    name, email = pool.someone()
    other, _ = pool.someone()
    wrong = refusal(lambda: pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD="Wrong-1234"))
    assert wrong == ("NotAuthorizedException", "Incorrect username or password.")
    asked = pool.start(name, PREFERRED_CHALLENGE="EMAIL_OTP")
    code = code_sent_by_email(pool.cloud, email)
    wrong_code = f"{(int(code) + 1) % 10**8:08}"
    assert refusal(lambda: pool.respond(asked, name, EMAIL_OTP_CODE=wrong_code))[0] == "CodeMismatchException"
    assert refusal(lambda: pool.respond(asked, other, EMAIL_OTP_CODE=code)) == INVALID_SESSION
    selecting = {**asked, "ChallengeName": "SELECT_CHALLENGE"}
    assert refusal(lambda: pool.respond(selecting, name, ANSWER="PASSWORD")) == INVALID_SESSION
    assert is_signed_in_as(pool.respond(asked, name, EMAIL_OTP_CODE=code), name)
    assert refusal(lambda: pool.respond(asked, name, EMAIL_OTP_CODE=code)) == INVALID_SESSION


def test_user_with_a_second_factor_signs_in_by_password(cloud: LocalCloud) -> None:
    pool = Choosing(cloud)
    pool.allow_totp()
    name, _ = pool.user_with_totp()
    assert pool.start(name)["AvailableChallenges"] == ["PASSWORD_SRP", "PASSWORD"]
    asked = pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD)
    assert asked["ChallengeName"] == "SOFTWARE_TOKEN_MFA"


def test_disabled_and_unknown_users_are_refused(pool: Choosing) -> None:
    name, _ = pool.someone()
    pool.idp.admin_disable_user(UserPoolId=pool.user_pool_id, Username=name)
    assert refusal(lambda: pool.start(name)) == ("NotAuthorizedException", "User is disabled.")
    assert refusal(lambda: pool.start("nobody"))[0] == "UserNotFoundException"


def test_app_client_must_allow_each_flow(pool: Choosing) -> None:
    name, _ = pool.someone()
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
    pool = Choosing(cloud, recording(ECHO, file))
    name, email = pool.someone()
    pool.start(name, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD)
    srp = pool.srp(name)
    asked = pool.start(name, PREFERRED_CHALLENGE="PASSWORD_SRP", SRP_A=srp.get_auth_params()["SRP_A"])
    pool.respond(asked, name, **srp.process_challenge(asked["ChallengeParameters"], srp.get_auth_params()))
    asked = pool.start(name, PREFERRED_CHALLENGE="EMAIL_OTP")
    assert len(events(file)) == 2
    pool.respond(asked, name, EMAIL_OTP_CODE=code_sent_by_email(cloud, email))
    assert [each["userName"] for each in events(file)] == [name] * 3
    assert "code" not in json.dumps(events(file))
