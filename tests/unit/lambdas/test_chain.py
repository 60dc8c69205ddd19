"""The chain with AWS in memory: internal sign-in, identity and attachment."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from typing import Any

import pytest

from attachment.clients import abandonable_session
from attachment.errors import (
    CannotSignInError,
    InternalSignInLoopError,
    MfaUserError,
    NewPasswordRequiredError,
    UnexpectedChallengeError,
)
from attachment.internal_sign_in import CLIENT_METADATA
from attachment.mac import sign_in_mac_input
from attachment.pending import PendingAttachment
from tests.unit.lambdas.conftest import ENVIRONMENT, Load
from tests.unit.lambdas.fake_aws import AwsError, FakeIot, FakeKms, FakeService, FakeSsm

_SUB = "first-sub"
_IDENTITY = "eu-west-1:identity"
# printf '%s' adainternalclient | openssl dgst -sha256 -hmac 24-characters-or-more-of -binary | base64
_SECRET = "24-characters-or-more-of"  # noqa: S105
_HASH = {"SECRET_HASH": "h2kysyahOA/QyRoWk3HzfjdpsYnIaMwBtS9SnPu2zRg="}
_CLIENT = {"UserPoolId": "pool", "ClientId": "internalclient"}
_SESSION = "session-long-enough-for-cognito"
_CHALLENGE = {"ChallengeName": "CUSTOM_CHALLENGE", "ChallengeParameters": {"nonce": "n1"}, "Session": _SESSION}
_CONFIGURATION = {"userPoolProvider": "provider", "internalClientId": "internalclient", "identityPoolId": "eu-west-1:p"}


def _token(sub: str) -> str:
    """Return an ID token without padding, as Cognito does."""
    parts = (json.dumps(each).encode() for each in ({"alg": "RS256"}, {"sub": sub}))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "signature"])


class FakeCognito(FakeService):
    """The user ada, and the internal app client."""

    def __init__(self, *clients: Any) -> None:
        super().__init__(*clients)
        self.secret: str | None = _SECRET
        self.challenge: dict[str, Any] = _CHALLENGE
        self.result: dict[str, Any] = {"AuthenticationResult": {"IdToken": _token(_SUB)}}
        self.user: dict[str, Any] | None = {
            "Username": "ada",
            "UserAttributes": [{"Name": "sub", "Value": _SUB}],
            "Enabled": True,
            "UserStatus": "CONFIRMED",
        }

    def describe_user_pool_client(self, **_: Any) -> dict[str, Any]:
        return {"UserPoolClient": {"ClientSecret": self.secret} if self.secret else {}}

    def admin_initiate_auth(self, **request: Any) -> dict[str, Any]:
        secret_hash = _HASH if self.secret else {}
        user = {"AuthFlow": "CUSTOM_AUTH", "AuthParameters": {"USERNAME": "ada", **secret_hash}}
        if request != _CLIENT | user:
            raise AwsError("NotAuthorizedException")
        return self.challenge

    def admin_respond_to_auth_challenge(self, **_: Any) -> dict[str, Any]:
        return self.result

    def admin_get_user(self, **_: Any) -> dict[str, Any]:
        if self.user is None:
            raise AwsError("UserNotFoundException")
        return self.user

    def admin_update_user_attributes(self, **_: Any) -> None:
        raise AwsError("TooManyRequestsException")


class FakeIdentityPool(FakeService):
    def get_id(self, *, IdentityPoolId: str, Logins: dict[str, str]) -> dict[str, Any]:  # noqa: N803
        assert (IdentityPoolId, Logins) == ("eu-west-1:p", {"provider": _token(_SUB)})
        return {"IdentityId": _IDENTITY}


class Aws:
    """A chain, and the services that it calls."""

    def __init__(self, module: Any) -> None:
        self.chain = module.Chain(abandonable_session(threading.Event()))
        sign_in = self.chain._sign_in
        self.cognito = FakeCognito(self.chain._cognito, sign_in._cognito_once)
        self.iot, self.ssm = FakeIot(self.chain._iot), FakeSsm(self.chain._ssm)
        FakeKms(sign_in._kms)
        FakeIdentityPool(self.chain._identities)
        self.ssm.values = {
            ENVIRONMENT["CONFIGURATION_PARAMETER"]: json.dumps(_CONFIGURATION),
            ENVIRONMENT["PAUSE_PARAMETER"]: "false",
        }

    def find_identity(self, pending: PendingAttachment | None = None) -> None:
        self.chain.find_identity(pending or PendingAttachment("pool", "ada", _SUB))


@pytest.fixture
def aws(load: Load) -> Aws:
    return Aws(load("attachment.chain"))


@pytest.mark.parametrize("secret", [_SECRET, None])
def test_chain_finds_the_identity_by_the_mac_of_the_challenge(aws: Aws, secret: str | None) -> None:
    aws.cognito.secret = secret
    pending = PendingAttachment("pool", "ada")
    for _ in range(2):
        aws.find_identity(pending)
    assert (pending.identity_id, pending.sub) == (_IDENTITY, _SUB)
    mac_input = sign_in_mac_input(user_pool_id="pool", client_id="internalclient", user_name="ada", nonce="n1")
    answer = base64.b64encode(hmac.digest(b"secret", mac_input, "sha256")).decode()
    request = {
        **_CLIENT,
        "ChallengeName": "CUSTOM_CHALLENGE",
        "ChallengeResponses": {"USERNAME": "ada", **(_HASH if secret else {}), "ANSWER": answer},
        "Session": _SESSION,
        "ClientMetadata": CLIENT_METADATA,
    }
    assert aws.cognito.requests("admin_respond_to_auth_challenge") == [request] * 2
    assert len(aws.cognito.requests("describe_user_pool_client")) == 1


def test_chain_finds_no_identity_for_another_user_of_the_name(aws: Aws) -> None:
    pending = PendingAttachment("pool", "ada", "second-sub")
    with pytest.raises(CannotSignInError):
        aws.find_identity(pending)
    assert pending.identity_id is None


def test_chain_reads_the_secret_again_after_a_rejection(aws: Aws) -> None:
    aws.cognito.secret = "an-older-secret-of-the-client"  # noqa: S105
    with pytest.raises(aws.chain._cognito.exceptions.NotAuthorizedException):
        aws.find_identity()
    aws.cognito.secret = _SECRET
    aws.find_identity()


@pytest.mark.parametrize("member", ["challenge", "result"])
@pytest.mark.parametrize(
    ("name", "error"), [("SMS_MFA", UnexpectedChallengeError), ("NEW_PASSWORD_REQUIRED", NewPasswordRequiredError)]
)
def test_chain_does_not_answer_other_challenges(aws: Aws, member: str, name: str, error: type[Exception]) -> None:
    setattr(aws.cognito, member, {"ChallengeName": name, "Session": _SESSION})
    with pytest.raises(error):
        aws.find_identity()
    assert len(aws.cognito.requests("admin_respond_to_auth_challenge")) == (member == "result")


def test_chain_does_not_sign_in_a_user_with_mfa(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFA", "optional")
    aws = Aws(load("attachment.chain"))
    aws.find_identity()
    assert aws.cognito.user
    aws.cognito.user["UserMFASettingList"] = ["SMS_MFA"]
    with pytest.raises(MfaUserError):
        aws.find_identity()
    assert len(aws.cognito.requests("admin_initiate_auth")) == 1


def test_chain_rejects_a_sign_in_on_the_internal_client(aws: Aws) -> None:
    aws.chain.check_not_internal("web")
    with pytest.raises(InternalSignInLoopError):
        aws.chain.check_not_internal("internalclient")


def test_chain_reads_both_parameters_in_one_call(aws: Aws) -> None:
    aws.chain.check_not_paused()
    aws.chain.check_not_internal("web")
    assert len(aws.ssm.calls) == 1


@pytest.mark.parametrize(
    ("changes", "can_sign_in"),
    [
        ({}, True),
        ({"UserAttributes": [{"Name": "sub", "Value": "second-sub"}]}, False),
        ({"Enabled": False}, False),
        ({"UserStatus": "RESET_REQUIRED"}, False),
        (None, False),
    ],
    ids=["unchanged", "another user of the name", "disabled", "must reset the password", "deleted"],
)
def test_chain_checks_that_the_same_user_can_sign_in(
    aws: Aws, changes: dict[str, Any] | None, can_sign_in: bool
) -> None:
    assert aws.cognito.user
    aws.cognito.user = None if changes is None else aws.cognito.user | changes
    assert aws.chain.can_sign_in(PendingAttachment("pool", "ada", _SUB)) is can_sign_in


def test_chain_attaches_the_policy_although_the_marker_cannot_be_set(aws: Aws) -> None:
    aws.iot.policies = {_IDENTITY: set()}
    warning = aws.chain.attach(PendingAttachment("pool", "ada", _SUB, _IDENTITY))
    assert warning == "marker not set: AdminUpdateUserAttributes: TooManyRequestsException"
    assert aws.iot.policies == {_IDENTITY: {"myIoTPolicy"}}


def test_chain_sends_the_answer_to_a_challenge_once(aws: Aws) -> None:
    once, several = aws.chain._sign_in._cognito_once, aws.chain._cognito
    assert once.meta.config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert several.meta.config.retries == {"mode": "standard", "total_max_attempts": 2}


def test_no_representation_shows_the_secret(aws: Aws) -> None:
    aws.find_identity()
    assert _SECRET not in f"{aws.chain._sign_in!r} {aws.chain._sign_in._secrets!r}"
