"""When a session asks Cognito, and what it does with the answers."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from pubsub_client import CognitoSession, Credentials
from pubsub_client.exceptions import SessionError, SignInError

ISSUER = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool"
TOKEN_MINUTES = 60
CREDENTIAL_MINUTES = 60


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: int) -> None:
        self.now += timedelta(**time)


class Cognito:
    """Both services, as far as a session asks them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls: Counter[str] = Counter()
        self.logins: list[dict[str, str]] = []
        self.first_answer: dict[str, Any] = {
            "ChallengeName": "PASSWORD_VERIFIER",
            "ChallengeParameters": {
                "USER_ID_FOR_SRP": "ada",
                "SALT": "a1",
                "SRP_B": "b2",
                "SECRET_BLOCK": base64.b64encode(b"block").decode(),
            },
        }
        self.second_answer: dict[str, Any] | None = None
        self.failing: dict[str, Exception] = {}

    def initiate_auth(self, **request: Any) -> dict[str, Any]:
        if request["AuthFlow"] == "USER_SRP_AUTH":
            self._count("sign-in")
            return self.first_answer
        self._count("refresh")
        assert request["AuthParameters"] == {"REFRESH_TOKEN": "refresh-token"}
        return {"AuthenticationResult": {"IdToken": self._id_token()}}

    def respond_to_auth_challenge(self, **_: Any) -> dict[str, Any]:
        result = {"IdToken": self._id_token(), "RefreshToken": "refresh-token"}
        return self.second_answer or {"AuthenticationResult": result}

    def revoke_token(self, **request: Any) -> dict[str, Any]:
        self._count("revoke")
        assert request == {"Token": "refresh-token", "ClientId": "client"}
        return {}

    def get_id(self, **request: Any) -> dict[str, Any]:
        self._count("identity")
        self.logins.append(request["Logins"])
        return {"IdentityId": "eu-west-1:identity"}

    def get_credentials_for_identity(self, **request: Any) -> dict[str, Any]:
        self._count("credentials")
        self.logins.append(request["Logins"])
        expiration = self.clock() + timedelta(minutes=CREDENTIAL_MINUTES)
        number = self.calls["credentials"]
        given = {
            "AccessKeyId": f"key-{number}",
            "SecretKey": "s3cret",
            "SessionToken": "t0ken",
            "Expiration": expiration,
        }
        return {"Credentials": given}

    def _id_token(self) -> str:
        exp = int((self.clock() + timedelta(minutes=TOKEN_MINUTES)).timestamp())
        claims = json.dumps({"iss": f"https://{ISSUER}", "exp": exp}).encode()
        return f"header.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.signature"

    def _count(self, call: str) -> None:
        self.calls[call] += 1
        if call in self.failing:
            raise self.failing[call]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def cognito(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Cognito:
    fake = Cognito(clock)
    monkeypatch.setattr("pubsub_client._cognito.boto3.client", lambda *_, **__: fake)
    return fake


@pytest.fixture
def session(clock: Clock) -> CognitoSession:
    return CognitoSession(
        region="eu-west-1",
        user_pool_id="eu-west-1_Pool",
        user_pool_client_id="client",
        identity_pool_id="eu-west-1:pool",
        now=clock,
    )


async def test_credentials_are_kept_until_five_minutes_before_they_end(
    session: CognitoSession, cognito: Cognito, clock: Clock
) -> None:
    await session.sign_in("ada", "password")
    first = await session.credentials()
    clock.advance(minutes=CREDENTIAL_MINUTES - 5, seconds=-1)
    assert await session.credentials() is first
    clock.advance(seconds=1)
    second = await session.credentials()
    assert second.access_key_id == "key-2"
    assert second.expiration == clock() + timedelta(minutes=CREDENTIAL_MINUTES)
    assert cognito.calls == {"sign-in": 1, "identity": 1, "credentials": 2}


async def test_an_ended_id_token_is_renewed_by_the_refresh_token(
    session: CognitoSession, cognito: Cognito, clock: Clock
) -> None:
    await session.sign_in("ada", "password")
    first_token = cognito._id_token()
    await session.credentials()
    clock.advance(minutes=TOKEN_MINUTES)
    await session.credentials()
    assert cognito.calls["refresh"] == 1
    assert cognito.logins[0] == {ISSUER: first_token}
    assert cognito.logins[-1] == {ISSUER: cognito._id_token()}


async def test_many_who_ask_at_once_share_one_answer(session: CognitoSession, cognito: Cognito) -> None:
    await session.sign_in("ada", "password")
    given = await asyncio.gather(*(session.credentials() for _ in range(10)))
    assert {each.access_key_id for each in given} == {"key-1"}
    assert cognito.calls["credentials"] == 1


async def test_the_identity_id_is_asked_for_once(session: CognitoSession, cognito: Cognito) -> None:
    await session.sign_in("ada", "password")
    assert await session.identity_id() == await session.identity_id() == "eu-west-1:identity"
    assert cognito.calls["identity"] == 1


async def test_another_sign_in_forgets_who_was_signed_in_before(session: CognitoSession, cognito: Cognito) -> None:
    await session.sign_in("ada", "password")
    await session.credentials()
    await session.sign_in("bob", "password")
    await session.credentials()
    assert (cognito.calls["identity"], cognito.calls["credentials"]) == (2, 2)


async def test_signing_out_revokes_the_refresh_token_and_forgets_everything(
    session: CognitoSession, cognito: Cognito
) -> None:
    await session.sign_in("ada", "password")
    await session.credentials()
    await session.sign_out()
    assert cognito.calls["revoke"] == 1
    with pytest.raises(SessionError, match="nobody is signed in"):
        await session.credentials()


async def test_signing_out_forgets_everything_even_if_the_token_cannot_be_revoked(
    session: CognitoSession, cognito: Cognito
) -> None:
    await session.sign_in("ada", "password")
    cognito.failing["revoke"] = ClientError(
        {"Error": {"Code": "UnsupportedTokenTypeException", "Message": "no"}}, "RevokeToken"
    )
    with pytest.raises(SessionError, match="UnsupportedTokenTypeException"):
        await session.sign_out()
    with pytest.raises(SessionError, match="nobody is signed in"):
        await session.identity_id()


async def test_signing_out_when_nobody_is_signed_in_asks_nothing(session: CognitoSession, cognito: Cognito) -> None:
    await session.sign_out()
    assert cognito.calls == {}


@pytest.mark.parametrize(
    ("challenge", "advice"),
    [
        ("NEW_PASSWORD_REQUIRED", "AdminSetUserPassword"),
        ("SOFTWARE_TOKEN_MFA", "second factor"),
        ("SMS_MFA", "second factor"),
        ("MFA_SETUP", "not set up yet"),
        ("SOMETHING_NEW", "cannot answer"),
    ],
)
async def test_a_challenge_is_told_with_what_to_do(
    session: CognitoSession, cognito: Cognito, challenge: str, advice: str
) -> None:
    cognito.second_answer = {"ChallengeName": challenge, "ChallengeParameters": {}}
    with pytest.raises(SignInError, match=advice) as refusal:
        await session.sign_in("ada", "password")
    assert refusal.value.code == challenge


async def test_a_refused_sign_in_names_cognitos_error_code(session: CognitoSession, cognito: Cognito) -> None:
    cognito.failing["sign-in"] = ClientError(
        {"Error": {"Code": "UserNotConfirmedException", "Message": "User is not confirmed."}}, "InitiateAuth"
    )
    with pytest.raises(SignInError, match="User is not confirmed") as refusal:
        await session.sign_in("ada", "password")
    assert refusal.value.code == "UserNotConfirmedException"


async def test_a_cognito_that_cannot_be_reached_is_told(session: CognitoSession, cognito: Cognito) -> None:
    cognito.failing["sign-in"] = EndpointConnectionError(endpoint_url="https://cognito.example")
    with pytest.raises(SignInError, match=r"https://cognito\.example"):
        await session.sign_in("ada", "password")


async def test_a_refresh_token_that_has_ended_is_told(session: CognitoSession, cognito: Cognito, clock: Clock) -> None:
    await session.sign_in("ada", "password")
    clock.advance(days=31)
    cognito.failing["refresh"] = ClientError(
        {"Error": {"Code": "NotAuthorizedException", "Message": "Refresh Token has expired"}}, "InitiateAuth"
    )
    with pytest.raises(SessionError, match="Refresh Token has expired"):
        await session.credentials()


def test_what_is_secret_in_credentials_is_not_shown() -> None:
    shown = repr(Credentials("AKID", "s3cret", "t0ken", datetime(2026, 1, 1, tzinfo=UTC)))
    assert "AKID" in shown
    assert "s3cret" not in shown
    assert "t0ken" not in shown
