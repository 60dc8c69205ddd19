"""The chain with stubs of AWS: internal sign-in, identity and attachment."""

from __future__ import annotations

import base64
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber

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

_MAC = bytes(range(32))
_SUB = "first-sub"
# printf '%s' adainternalclient | openssl dgst -sha256 -hmac 24-characters-or-more-of -binary | base64
_SECRET = "24-characters-or-more-of"  # noqa: S105
_HASH = "h2kysyahOA/QyRoWk3HzfjdpsYnIaMwBtS9SnPu2zRg="
_CLIENT = {"UserPoolId": "pool", "ClientId": "internalclient"}
_CHALLENGE = {
    "ChallengeName": "CUSTOM_CHALLENGE",
    "ChallengeParameters": {"nonce": "n1"},
    "Session": "session-long-enough-for-cognito",
}
_USER = {
    "Username": "ada",
    "UserAttributes": [{"Name": "sub", "Value": _SUB}],
    "Enabled": True,
    "UserStatus": "CONFIRMED",
}


class Stubs:
    """A chain with stubbed clients, which respond only to the expected requests."""

    def __init__(self, module: Any) -> None:
        self.chain = module.Chain(abandonable_session(threading.Event()))
        self.clients = {
            **{name: getattr(self.chain, name) for name in ("_ssm", "_cognito", "_iot", "_identities")},
            **{name: getattr(self.chain._sign_in, name) for name in ("_cognito_once", "_kms")},
        }
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()
        configuration = {
            "userPoolProvider": "provider",
            "internalClientId": "internalclient",
            "identityPoolId": "eu-west-1:pool",
        }
        self.parameters = {
            ENVIRONMENT["CONFIGURATION_PARAMETER"]: json.dumps(configuration),
            ENVIRONMENT["PAUSE_PARAMETER"]: "false",
        }
        self.secret: dict[str, str] = {"SECRET_HASH": _HASH}

    def read_parameters(self) -> None:
        parameters = [{"Name": name, "Value": value} for name, value in self.parameters.items()]
        self.stubs["_ssm"].add_response("get_parameters", {"Parameters": parameters}, {"Names": [*self.parameters]})

    def describe_client(self, **client: str) -> None:
        self.stubs["_cognito"].add_response("describe_user_pool_client", {"UserPoolClient": client}, _CLIENT)

    def start_sign_in(self, challenge: dict[str, Any] = _CHALLENGE) -> None:
        self.stubs["_cognito"].add_response(
            "admin_initiate_auth",
            challenge,
            {**_CLIENT, "AuthFlow": "CUSTOM_AUTH", "AuthParameters": {"USERNAME": "ada", **self.secret}},
        )

    def answer_challenge(self, result: dict[str, Any]) -> None:
        mac_input = sign_in_mac_input(user_pool_id="pool", client_id="internalclient", user_name="ada", nonce="n1")
        self.stubs["_kms"].add_response(
            "generate_mac",
            {"Mac": _MAC},
            {"KeyId": "mac-key", "MacAlgorithm": "HMAC_SHA_256", "Message": mac_input},
        )
        answer = base64.b64encode(_MAC).decode()
        self.stubs["_cognito_once"].add_response(
            "admin_respond_to_auth_challenge",
            result,
            {
                **_CLIENT,
                "ChallengeName": "CUSTOM_CHALLENGE",
                "ChallengeResponses": {"USERNAME": "ada", **self.secret, "ANSWER": answer},
                "Session": _CHALLENGE["Session"],
                "ClientMetadata": CLIENT_METADATA,
            },
        )

    def sign_in(self, sub: str = _SUB) -> None:
        """Let the internal sign-in return an ID token of this user, and GetId an identity for the token."""
        token = _token(sub)
        self.start_sign_in()
        self.answer_challenge({"AuthenticationResult": {"IdToken": token}})
        self.stubs["_identities"].add_response(
            "get_id",
            {"IdentityId": "eu-west-1:identity"},
            {"IdentityPoolId": "eu-west-1:pool", "Logins": {"provider": token}},
        )

    def all_were_called(self) -> None:
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def stubs(load: Load) -> Stubs:
    made = Stubs(load("attachment.chain"))
    made.read_parameters()
    return made


def _token(sub: str) -> str:
    """Return an ID token without padding, as Cognito does."""
    parts = (json.dumps(each).encode() for each in ({"alg": "RS256"}, {"sub": sub}))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "signature"])


def _pending() -> PendingAttachment:
    return PendingAttachment("pool", "ada", _SUB)


@pytest.mark.parametrize("secret", [_SECRET, None])
def test_chain_finds_the_identity_by_the_mac_of_the_challenge(stubs: Stubs, secret: str | None) -> None:
    stubs.secret = {"SECRET_HASH": _HASH} if secret else {}
    stubs.describe_client(**({"ClientSecret": secret} if secret else {}))
    pending = PendingAttachment("pool", "ada")
    for _ in range(2):  # the secret is read once
        stubs.sign_in()
        stubs.chain.find_identity(pending)
    assert (pending.identity_id, pending.sub) == ("eu-west-1:identity", _SUB)
    stubs.all_were_called()


def test_chain_finds_no_identity_for_another_user_of_the_name(stubs: Stubs) -> None:
    stubs.describe_client(ClientSecret=_SECRET)
    stubs.sign_in("second-sub")
    pending = _pending()
    with pytest.raises(CannotSignInError):
        stubs.chain.find_identity(pending)
    assert pending.identity_id is None


def test_chain_reads_the_secret_again_after_a_rejection(stubs: Stubs) -> None:
    stubs.describe_client(ClientSecret="an-older-secret-of-the-client")
    stubs.stubs["_cognito"].add_client_error("admin_initiate_auth", "NotAuthorizedException")
    pending = _pending()
    with pytest.raises(stubs.chain._cognito.exceptions.NotAuthorizedException):
        stubs.chain.find_identity(pending)
    stubs.describe_client(ClientSecret=_SECRET)
    stubs.sign_in()
    stubs.chain.find_identity(pending)
    assert pending.identity_id == "eu-west-1:identity"


@pytest.mark.parametrize("answered", [False, True], ids=["instead of the challenge", "after the challenge"])
@pytest.mark.parametrize(
    ("challenge", "error"),
    [("SMS_MFA", UnexpectedChallengeError), ("NEW_PASSWORD_REQUIRED", NewPasswordRequiredError)],
)
def test_chain_does_not_answer_other_challenges(
    stubs: Stubs, answered: bool, challenge: str, error: type[Exception]
) -> None:
    other = {"ChallengeName": challenge, "Session": _CHALLENGE["Session"]}
    stubs.describe_client(ClientSecret=_SECRET)
    stubs.start_sign_in(_CHALLENGE if answered else other)
    if answered:
        stubs.answer_challenge(other)
    with pytest.raises(error):
        stubs.chain.find_identity(_pending())


def test_chain_does_not_sign_in_a_user_with_mfa(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFA", "optional")
    stubs = Stubs(load("attachment.chain"))
    stubs.stubs["_cognito"].add_response("admin_get_user", {**_USER, "UserMFASettingList": ["SMS_MFA"]})
    with pytest.raises(MfaUserError):
        stubs.chain.find_identity(_pending())


def test_chain_rejects_a_sign_in_on_the_internal_client(stubs: Stubs) -> None:
    stubs.chain.check_not_internal("web")
    stubs.chain.check_not_paused()  # read in the same call
    with pytest.raises(InternalSignInLoopError):
        stubs.chain.check_not_internal("internalclient")


@pytest.mark.parametrize(
    ("user", "can_sign_in"),
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
    stubs: Stubs, user: dict[str, Any] | None, can_sign_in: bool
) -> None:
    cognito = stubs.stubs["_cognito"]
    if user is None:
        cognito.add_client_error("admin_get_user", "UserNotFoundException")
    else:
        cognito.add_response("admin_get_user", _USER | user, {"UserPoolId": "pool", "Username": "ada"})
    assert stubs.chain.can_sign_in(_pending()) is can_sign_in


def test_chain_attaches_the_policy_although_the_marker_cannot_be_set(stubs: Stubs) -> None:
    attached: list[dict[str, str]] = []
    stubs.chain._iot = SimpleNamespace(attach_policy=lambda **request: attached.append(request))
    stubs.stubs["_cognito"].add_client_error("admin_update_user_attributes", "TooManyRequestsException")
    warning = stubs.chain.attach(PendingAttachment("pool", "ada", _SUB, "identity"))
    assert warning == "marker not set: AdminUpdateUserAttributes: TooManyRequestsException"
    assert attached == [{"policyName": "myIoTPolicy", "target": "identity"}]


def test_chain_sends_the_answer_to_a_challenge_once(stubs: Stubs) -> None:
    retries = {name: client.meta.config.retries for name, client in stubs.clients.items()}
    assert retries["_cognito_once"]["total_max_attempts"] == 1
    assert retries["_cognito"]["total_max_attempts"] == 2
    assert {each["mode"] for each in retries.values()} == {"standard"}


def test_no_representation_shows_the_secret(stubs: Stubs) -> None:
    stubs.describe_client(ClientSecret=_SECRET)
    stubs.sign_in()
    stubs.chain.find_identity(_pending())
    assert _SECRET not in f"{stubs.chain._sign_in!r} {stubs.chain._sign_in._secrets!r}"
