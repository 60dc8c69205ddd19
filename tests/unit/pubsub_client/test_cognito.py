"""When a session calls Cognito, and how it handles responses and errors."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from pubsub_client import AwsIot, CognitoSession, Credentials
from pubsub_client.exceptions import ConfigurationError, SessionError, SignInError

ISSUER = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, time: timedelta) -> None:
        self.now += time


class Cognito:
    """A fake of the operations of both Cognito services that a session calls."""

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
        self.hanging: dict[str, threading.Event] = {}
        """Calls that wait for their event."""
        self.token_life = HOUR
        self.credentials_life: timedelta | None = HOUR
        self.rotating = False
        """Whether each refresh token is valid once and is replaced."""
        self.refresh_token = "refresh-token"
        self.device: dict[str, str] = {}

    def initiate_auth(self, **request: Any) -> dict[str, Any]:
        assert request["AuthFlow"] == "USER_SRP_AUTH"
        self._count("sign-in")
        return self.first_answer

    def respond_to_auth_challenge(self, **_: Any) -> dict[str, Any]:
        result: dict[str, Any] = {"IdToken": self._id_token(), "RefreshToken": self.refresh_token}
        if self.device:
            result["NewDeviceMetadata"] = self.device
        return self.second_answer or {"AuthenticationResult": result}

    def get_tokens_from_refresh_token(self, **request: Any) -> dict[str, Any]:
        self._count("refresh")
        assert request == {"RefreshToken": self.refresh_token, "ClientId": "client", **self.device}
        result = {"IdToken": self._id_token()}
        if self.rotating:
            result["RefreshToken"] = self.refresh_token = f"refresh-token-{self.calls['refresh']}"
        return {"AuthenticationResult": result}

    def revoke_token(self, **request: Any) -> dict[str, Any]:
        self._count("revoke")
        assert request == {"Token": self.refresh_token, "ClientId": "client"}
        return {}

    def get_id(self, **request: Any) -> dict[str, Any]:
        self._count("identity")
        self.logins.append(request["Logins"])
        return {"IdentityId": "eu-west-1:identity"}

    def get_credentials_for_identity(self, **request: Any) -> dict[str, Any]:
        self._count("credentials")
        self.logins.append(request["Logins"])
        keys = {
            "AccessKeyId": f"key-{self.calls['credentials']}",
            "SecretKey": "s3cret",
            "SessionToken": "t0ken",
        }
        end = {} if self.credentials_life is None else {"Expiration": self.clock() + self.credentials_life}
        return {"Credentials": keys | end}

    def _id_token(self) -> str:
        exp = int((self.clock() + self.token_life).timestamp())
        claims = json.dumps({"iss": f"https://{ISSUER}", "exp": exp}).encode()
        return f"header.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.signature"

    def _count(self, call: str) -> None:
        self.calls[call] += 1
        if call in self.hanging:
            assert self.hanging[call].wait(10)
        if call in self.failing:
            raise self.failing[call]


UNREACHABLE = EndpointConnectionError(endpoint_url="https://cognito.example")


def client_error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetTokensFromRefreshToken")


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


@pytest.mark.parametrize(
    ("life", "left"),
    [(HOUR, 5 * MINUTE), (25 * MINUTE, 5 * MINUTE), (15 * MINUTE, 3 * MINUTE), (MINUTE, 12 * SECOND)],
)
async def test_credentials_are_renewed_when_a_fifth_of_their_lifetime_is_left(
    session: CognitoSession, cognito: Cognito, clock: Clock, life: timedelta, left: timedelta
) -> None:
    cognito.token_life, cognito.credentials_life = 24 * HOUR, life
    await session.sign_in("ada", "password")
    first = await session.credentials()
    clock.advance(life - left - SECOND)
    assert await session.credentials() is first
    clock.advance(SECOND)
    second = await session.credentials()
    assert second.access_key_id == "key-2"
    assert second.expiration == clock() + life
    assert cognito.calls == {"sign-in": 1, "identity": 1, "credentials": 2}


@pytest.mark.parametrize("life", [None, -HOUR], ids=["unknown", "expired by a wrong clock"])
async def test_credentials_without_a_known_lifetime_are_returned_but_not_cached(
    session: CognitoSession, cognito: Cognito, life: timedelta | None
) -> None:
    cognito.credentials_life = life
    await session.sign_in("ada", "password")
    returned = [await session.credentials() for _ in range(2)]
    assert [each.access_key_id for each in returned] == ["key-1", "key-2"]


async def test_clock_that_is_set_back_does_not_extend_the_lifetime(session: CognitoSession, clock: Clock) -> None:
    await session.sign_in("ada", "password")
    await session.credentials()
    clock.advance(-SECOND)
    assert (await session.credentials()).access_key_id == "key-2"


async def test_id_token_that_expires_soon_is_refreshed(session: CognitoSession, cognito: Cognito, clock: Clock) -> None:
    cognito.credentials_life = MINUTE
    await session.sign_in("ada", "password")
    first_token = cognito._id_token()
    await session.credentials()
    clock.advance(HOUR - 5 * MINUTE - SECOND)
    await session.credentials()
    assert cognito.calls["refresh"] == 0
    clock.advance(MINUTE)
    await session.credentials()
    assert cognito.calls["refresh"] == 1
    assert cognito.logins[-2:] == [{ISSUER: first_token}, {ISSUER: cognito._id_token()}]


async def test_rotated_refresh_token_is_used_with_the_device_key_and_revoked(
    session: CognitoSession, cognito: Cognito, clock: Clock
) -> None:
    cognito.rotating = True
    cognito.device = {"DeviceKey": "eu-west-1_device"}
    await session.sign_in("ada", "password")
    for _ in range(3):
        await session.credentials()
        clock.advance(HOUR)
    assert cognito.calls["refresh"] == 2
    await session.sign_out()
    assert cognito.calls["revoke"] == 1


async def test_rotated_refresh_token_survives_a_cancelled_call(
    session: CognitoSession, cognito: Cognito, clock: Clock
) -> None:
    cognito.rotating = True
    await session.sign_in("ada", "password")
    clock.advance(HOUR)
    answered = cognito.hanging["refresh"] = threading.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(session.credentials(), 0.05)
    answered.set()
    assert (await session.credentials()).access_key_id == "key-1"
    assert cognito.calls["refresh"] == 1


@pytest.mark.parametrize("call", ["refresh", "credentials"])
@pytest.mark.parametrize(
    "failure",
    [UNREACHABLE, client_error("NotAuthorizedException", "Refresh Token has been revoked"), KeyError("Credentials")],
)
async def test_failed_renewal_is_retried_and_raises_only_after_the_expiration(
    session: CognitoSession, cognito: Cognito, clock: Clock, call: str, failure: Exception
) -> None:
    cognito.token_life = HOUR / 2
    await session.sign_in("ada", "password")
    first = await session.credentials()
    clock.advance(HOUR - MINUTE)
    cognito.failing[call] = failure
    before = cognito.calls[call]
    assert [await session.credentials() for _ in range(2)] == [first, first]
    assert cognito.calls[call] == before + 2
    clock.advance(MINUTE)
    with pytest.raises((SessionError, KeyError)):
        await session.credentials()
    del cognito.failing[call]
    assert (await session.credentials()).expiration == clock() + HOUR


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


async def test_each_cause_of_a_failed_renewal_is_logged_once(
    session: CognitoSession, cognito: Cognito, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cognito.token_life = 24 * HOUR
    await session.sign_in("ada", "password")
    await session.credentials()
    clock.advance(HOUR - MINUTE)
    for failure in (UNREACHABLE, UNREACHABLE, client_error("TooManyRequestsException", "slower"), UNREACHABLE):
        cognito.failing["credentials"] = failure
        await session.credentials()
    first, second = warnings_of(caplog)
    assert "renewing the AWS credentials failed" in first
    assert "https://cognito.example" in first
    assert "TooManyRequestsException" in second
    assert session.renewal_error
    del cognito.failing["credentials"]
    await session.credentials()
    assert session.renewal_error is None
    clock.advance(HOUR - MINUTE)
    cognito.failing["credentials"] = UNREACHABLE
    await session.credentials()
    assert len(warnings_of(caplog)) == 3
    assert "s3cret" not in caplog.text
    assert "t0ken" not in caplog.text


async def test_failed_refresh_of_a_valid_id_token_is_logged_without_tokens(
    session: CognitoSession, cognito: Cognito, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cognito.credentials_life = MINUTE
    await session.sign_in("ada", "password")
    clock.advance(HOUR - 4 * MINUTE)
    cognito.failing["refresh"] = client_error("NotAuthorizedException", "Refresh Token has been revoked")
    for _ in range(3):
        await session.credentials()
        clock.advance(MINUTE)
    assert cognito.calls["refresh"] == 3
    (warning,) = warnings_of(caplog)
    assert "renewing the tokens failed" in warning
    assert "session has ended; sign in again" in warning
    assert session.renewal_error
    assert "session has ended" in session.renewal_error
    assert cognito.refresh_token not in caplog.text


async def test_slow_renewal_returns_valid_credentials_and_its_failure_is_logged(
    session: CognitoSession,
    cognito: Cognito,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("pubsub_client._cognito._RENEWAL_TIMEOUT_SECONDS", 0.05)
    await session.sign_in("ada", "password")
    first = await session.credentials()
    clock.advance(HOUR - MINUTE)
    answered = cognito.hanging["credentials"] = threading.Event()
    cognito.failing["credentials"] = UNREACHABLE
    assert await session.credentials() is first
    assert session.renewal_error == "no response within 0.05 s"
    answered.set()
    async with session._calls:  # free when the renewal has ended
        pass
    assert ["no response within" in each for each in warnings_of(caplog)] == [True, False]
    assert "https://cognito.example" in warnings_of(caplog)[1]


async def test_error_after_a_failed_renewal_names_both_causes(
    session: CognitoSession, cognito: Cognito, clock: Clock
) -> None:
    await session.sign_in("ada", "password")
    await session.credentials()
    clock.advance(HOUR - MINUTE)
    cognito.failing["refresh"] = UNREACHABLE
    cognito.failing["credentials"] = client_error("NotAuthorizedException", "Token is not from a supported provider")
    await session.credentials()
    clock.advance(MINUTE)
    with pytest.raises(SessionError, match=r"cognito\.example.*the previous renewal failed too.*supported provider"):
        await session.credentials()


async def test_rejected_signature_names_the_failed_renewal(
    session: CognitoSession, cognito: Cognito, clock: Clock
) -> None:
    provider = AwsIot(endpoint="a-ats.iot.eu-west-1.amazonaws.com", credentials=session)
    await session.sign_in("ada", "password")
    await session.credentials()
    assert "renewed" not in provider.explain_denied_upgrade()
    clock.advance(HOUR - MINUTE)
    cognito.failing["credentials"] = UNREACHABLE
    await session.credentials()
    assert "could not be renewed" in provider.explain_denied_upgrade()
    assert "https://cognito.example" in provider.explain_denied_upgrade()


async def test_concurrent_calls_share_one_request(session: CognitoSession, cognito: Cognito) -> None:
    await session.sign_in("ada", "password")
    returned = await asyncio.gather(*(session.credentials() for _ in range(10)))
    assert {each.access_key_id for each in returned} == {"key-1"}
    assert cognito.calls["credentials"] == 1


async def test_another_sign_in_forgets_the_previous_user(
    session: CognitoSession, cognito: Cognito, clock: Clock
) -> None:
    await session.sign_in("ada", "password")
    await session.credentials()
    clock.advance(HOUR - MINUTE)
    cognito.failing["credentials"] = UNREACHABLE
    await session.credentials()
    del cognito.failing["credentials"]
    await session.sign_in("bob", "password")
    assert session.renewal_error is None
    await session.credentials()
    assert (cognito.calls["identity"], cognito.calls["credentials"]) == (2, 3)


async def test_sign_out_forgets_the_user_even_if_revocation_fails(session: CognitoSession, cognito: Cognito) -> None:
    await session.sign_out()
    assert cognito.calls == {}
    await session.sign_in("ada", "password")
    cognito.failing["revoke"] = ClientError(
        {"Error": {"Code": "UnsupportedTokenTypeException", "Message": "no"}}, "RevokeToken"
    )
    with pytest.raises(SessionError, match="UnsupportedTokenTypeException"):
        await session.sign_out()
    with pytest.raises(SessionError, match="no user is signed in"):
        await session.identity_id()


@pytest.mark.parametrize(
    ("challenge", "advice"),
    [
        ("NEW_PASSWORD_REQUIRED", "AdminSetUserPassword"),
        ("SOFTWARE_TOKEN_MFA", "has MFA"),
        ("SMS_MFA", "has MFA"),
        ("MFA_SETUP", "has not set it up"),
        ("SOMETHING_NEW", "does not support"),
    ],
)
async def test_unsupported_challenge_is_named_with_the_fix(
    session: CognitoSession, cognito: Cognito, challenge: str, advice: str
) -> None:
    cognito.second_answer = {"ChallengeName": challenge, "ChallengeParameters": {}}
    with pytest.raises(SignInError, match=advice) as refusal:
        await session.sign_in("ada", "password")
    assert refusal.value.code == challenge


async def test_unreachable_cognito_is_named(session: CognitoSession, cognito: Cognito) -> None:
    cognito.failing["sign-in"] = EndpointConnectionError(endpoint_url="https://cognito.example")
    with pytest.raises(SignInError, match=r"https://cognito\.example"):
        await session.sign_in("ada", "password")


@pytest.mark.parametrize(
    ("failure", "ended"),
    [
        (client_error("NotAuthorizedException", "Refresh Token has expired"), True),
        (client_error("RefreshTokenReuseException", "Refresh token has been rotated"), True),
        (UNREACHABLE, False),
    ],
)
async def test_only_a_rejected_refresh_token_asks_for_a_sign_in(
    session: CognitoSession, cognito: Cognito, clock: Clock, failure: Exception, ended: bool
) -> None:
    await session.sign_in("ada", "password")
    clock.advance(HOUR)
    cognito.failing["refresh"] = failure
    with pytest.raises(SessionError) as error:
        await session.credentials()
    assert ("the session has ended; sign in again" in str(error.value)) is ended
    assert str(failure).rpartition(": ")[2] in str(error.value)
    del cognito.failing["refresh"]
    assert (await session.credentials()).access_key_id == "key-1"


async def test_id_token_from_other_code_is_not_renewed(session: CognitoSession, cognito: Cognito, clock: Clock) -> None:
    await session.use_id_token(cognito._id_token())
    first = await session.credentials()
    clock.advance(HOUR - SECOND)
    assert (await session.credentials()).access_key_id == "key-2"
    assert first.access_key_id == "key-1"
    clock.advance(HOUR)
    with pytest.raises(SessionError, match="ID token expired at 01:00:00 UTC; pass a new one"):
        await session.credentials()
    assert cognito.calls["refresh"] == 0


OUTPUTS = {
    "Region": "eu-west-1",
    "UserPoolId": "eu-west-1_Pool",
    "UserPoolClientId": "client",
    "IdentityPoolId": "eu-west-1:pool",
}


def test_session_from_outputs_can_self_attach_if_the_stack_can() -> None:
    url = {"SelfAttachUrl": "https://abc123.execute-api.eu-west-1.amazonaws.com/self-attach"}
    assert not CognitoSession.from_outputs(OUTPUTS).can_self_attach
    assert CognitoSession.from_outputs(OUTPUTS | url).can_self_attach


@pytest.mark.parametrize("missing", OUTPUTS)
def test_missing_output_is_named(missing: str) -> None:
    outputs = {name: value for name, value in OUTPUTS.items() if name != missing}
    with pytest.raises(ConfigurationError, match=f"the outputs lack {missing};"):
        CognitoSession.from_outputs(outputs)


def test_credentials_do_not_show_their_secrets() -> None:
    shown = repr(Credentials("AKID", "s3cret", "t0ken", datetime(2026, 1, 1, tzinfo=UTC)))
    assert "AKID" in shown
    assert "s3cret" not in shown
    assert "t0ken" not in shown
