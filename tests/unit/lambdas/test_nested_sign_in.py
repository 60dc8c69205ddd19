from __future__ import annotations

import base64
import threading
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from attachment import proof
from attachment.errors import NewPasswordRequiredError, UnexpectedChallengeError
from attachment.nested_sign_in import NESTED, NestedSignIn
from attachment.sdk_session import guarded_session

if TYPE_CHECKING:
    from tests.unit.lambdas.conftest import Load

_MAC = bytes(range(32))
_CHALLENGE = {
    "ChallengeName": "CUSTOM_CHALLENGE",
    "ChallengeParameters": {"nonce": "n1"},
    "Session": "session-long-enough-for-cognito",
}


class Chain:
    """A nested sign-in whose Cognito and KMS answer what a test says, and only to the requests they must get."""

    def __init__(self) -> None:
        options: dict[str, Any] = {
            "region_name": "eu-west-1", "aws_access_key_id": "unit", "aws_secret_access_key": "unit"
        }  # fmt: skip
        cognito, answering = boto3.client("cognito-idp", **options), boto3.client("cognito-idp", **options)
        kms = boto3.client("kms", **options)
        self.cognito, self.answering, self.kms = Stubber(cognito), Stubber(answering), Stubber(kms)
        for stub in (self.cognito, self.answering, self.kms):
            stub.activate()
        self.sign_in = NestedSignIn(cognito, answering, kms, "mac-key", "eu-west-1_pool", "internalclient")

    def starts(self, answer: dict[str, Any]) -> None:
        self.cognito.add_response(
            "admin_initiate_auth",
            answer,
            {
                "UserPoolId": "eu-west-1_pool",
                "ClientId": "internalclient",
                "AuthFlow": "CUSTOM_AUTH",
                "AuthParameters": {"USERNAME": "ada"},
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
                "ChallengeResponses": {"USERNAME": "ada", "ANSWER": base64.b64encode(_MAC).decode()},
                "Session": _CHALLENGE["Session"],
                "ClientMetadata": NESTED,
            },
        )


def test_the_mac_of_the_challenge_is_exchanged_for_the_id_token() -> None:
    chain = Chain()
    chain.starts(_CHALLENGE)
    chain.makes_the_mac()
    chain.answers({"AuthenticationResult": {"IdToken": "id-token"}})
    assert chain.sign_in.id_token("ada") == "id-token"
    chain.cognito.assert_no_pending_responses()
    chain.kms.assert_no_pending_responses()


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
