from __future__ import annotations

import base64
import threading
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from attachment import proof
from attachment.errors import NewPasswordRequiredError, UnexpectedChallengeError
from attachment.internal_sign_in import NESTED, ClientSecrets, InternalSignIn
from attachment.sdk_session import guarded_session
from tests.unit.lambdas.conftest import Load

_MAC = bytes(range(32))
# printf '%s' adainternalclient | openssl dgst -sha256 -hmac 24-characters-or-more-of -binary | base64
_SECRET = "24-characters-or-more-of"  # noqa: S105
_HASH = "h2kysyahOA/QyRoWk3HzfjdpsYnIaMwBtS9SnPu2zRg="
_CHALLENGE = {
    "ChallengeName": "CUSTOM_CHALLENGE",
    "ChallengeParameters": {"nonce": "n1"},
    "Session": "session-long-enough-for-cognito",
}


class Chain:
    """A internal sign-in whose Cognito and KMS answer what a test says, and only to the requests they must get.

    Args:
        secret: the internal client's; None for a client without one.
    """

    def __init__(self, secret: str | None = _SECRET) -> None:
        options: dict[str, Any] = {
            "region_name": "eu-west-1", "aws_access_key_id": "unit", "aws_secret_access_key": "unit"
        }  # fmt: skip
        cognito, answering = boto3.client("cognito-idp", **options), boto3.client("cognito-idp", **options)
        kms = boto3.client("kms", **options)
        self.cognito, self.answering, self.kms = Stubber(cognito), Stubber(answering), Stubber(kms)
        for stub in (self.cognito, self.answering, self.kms):
            stub.activate()
        self.sign_in = InternalSignIn(
            cognito, answering, kms, "mac-key", "eu-west-1_pool", "internalclient", ClientSecrets()
        )
        self.who = {"USERNAME": "ada", **({"SECRET_HASH": _HASH} if secret else {})}
        self.describes(secret)

    def describes(self, secret: str | None) -> None:
        self.cognito.add_response(
            "describe_user_pool_client",
            {"UserPoolClient": {"ClientId": "internalclient", **({"ClientSecret": secret} if secret else {})}},
            {"UserPoolId": "eu-west-1_pool", "ClientId": "internalclient"},
        )

    def starts(self, answer: dict[str, Any]) -> None:
        self.cognito.add_response(
            "admin_initiate_auth",
            answer,
            {
                "UserPoolId": "eu-west-1_pool",
                "ClientId": "internalclient",
                "AuthFlow": "CUSTOM_AUTH",
                "AuthParameters": self.who,
            },
        )

    def makes_the_mac(self) -> None:
        message = proof.message(user_pool_id="eu-west-1_pool", client_id="internalclient", user_name="ada", nonce="n1")
        self.kms.add_response(
            "generate_mac",
            {"Mac": _MAC, "MacAlgorithm": "HMAC_SHA_256", "KeyId": "mac-key"},
            {"KeyId": "mac-key", "MacAlgorithm": "HMAC_SHA_256", "Message": message},
        )

    def answers(self, answer: dict[str, Any]) -> None:
        self.answering.add_response(
            "admin_respond_to_auth_challenge",
            answer,
            {
                "UserPoolId": "eu-west-1_pool",
                "ClientId": "internalclient",
                "ChallengeName": "CUSTOM_CHALLENGE",
                "ChallengeResponses": {**self.who, "ANSWER": base64.b64encode(_MAC).decode()},
                "Session": _CHALLENGE["Session"],
                "ClientMetadata": NESTED,
            },
        )


@pytest.mark.parametrize("secret", [_SECRET, None])
def test_the_mac_of_the_challenge_is_exchanged_for_the_id_token(secret: str | None) -> None:
    chain = Chain(secret)
    chain.starts(_CHALLENGE)
    chain.makes_the_mac()
    chain.answers({"AuthenticationResult": {"IdToken": "id-token"}})
    assert chain.sign_in.id_token("ada") == "id-token"
    chain.cognito.assert_no_pending_responses()
    chain.kms.assert_no_pending_responses()


def test_the_secret_is_read_once() -> None:
    chain = Chain()
    for _ in range(2):
        chain.starts(_CHALLENGE)
        chain.makes_the_mac()
        chain.answers({"AuthenticationResult": {"IdToken": "id-token"}})
        chain.sign_in.id_token("ada")
    chain.cognito.assert_no_pending_responses()


def test_the_secret_is_read_again_after_a_refusal() -> None:
    chain = Chain()
    chain.cognito.add_client_error("admin_initiate_auth", "NotAuthorizedException")
    with pytest.raises(chain.sign_in.cognito.exceptions.NotAuthorizedException):
        chain.sign_in.id_token("ada")
    chain.describes(_SECRET)
    chain.starts(_CHALLENGE)
    chain.makes_the_mac()
    chain.answers({"AuthenticationResult": {"IdToken": "id-token"}})
    assert chain.sign_in.id_token("ada") == "id-token"


def test_no_representation_of_the_sign_in_shows_the_secret() -> None:
    chain = Chain()
    chain.cognito.add_client_error("admin_initiate_auth", "InternalErrorException")
    with pytest.raises(chain.sign_in.cognito.exceptions.InternalErrorException):
        chain.sign_in.id_token("ada")
    assert _SECRET not in f"{chain.sign_in!r} {chain.sign_in.secrets!r}"


@pytest.mark.parametrize("challenge", ["SMS_MFA", "SOFTWARE_TOKEN_MFA"])
def test_what_cognito_asks_instead_of_the_challenge_is_not_answered(challenge: str) -> None:
    chain = Chain()
    chain.starts({"ChallengeName": challenge, "Session": _CHALLENGE["Session"]})
    with pytest.raises(UnexpectedChallengeError, match=challenge):
        chain.sign_in.id_token("ada")


def test_a_temporary_password_is_told_from_what_never_passes() -> None:
    chain = Chain()
    chain.starts({"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": _CHALLENGE["Session"]})
    with pytest.raises(NewPasswordRequiredError):
        chain.sign_in.id_token("ada")


@pytest.mark.parametrize("challenge", ["EMAIL_OTP", "SOFTWARE_TOKEN_MFA"])
def test_what_cognito_asks_after_the_challenge_is_not_answered(challenge: str) -> None:
    chain = Chain()
    chain.starts(_CHALLENGE)
    chain.makes_the_mac()
    chain.answers({"ChallengeName": challenge, "Session": _CHALLENGE["Session"]})
    with pytest.raises(UnexpectedChallengeError, match=challenge):
        chain.sign_in.id_token("ada")


def test_an_answer_which_is_good_once_is_sent_once(load: Load) -> None:
    chain = load("attachment.attach").Chain(guarded_session(threading.Event()))
    assert chain._answering.meta.config.retries["total_max_attempts"] == 1
    assert chain._cognito.meta.config.retries["total_max_attempts"] == 2


def test_every_client_of_the_chain_tries_again_in_the_same_mode(load: Load) -> None:
    chain = load("attachment.attach").Chain(guarded_session(threading.Event()))
    for client in (chain._ssm, chain._cognito, chain._answering, chain._kms, chain._iot):
        assert client.meta.config.retries["mode"] == "standard"
