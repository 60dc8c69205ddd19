"""The rules that keep the internal sign-in from becoming anybody's way in."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.stub import Stubber

from attachment import proof
from tests.unit.lambdas.conftest import Load

_MAC = bytes(range(32))
_INTERNAL = "internal-client"
_PARAMETER = "/AmplifyPubSub/sign-in-attachment"
_PASSED = {"challengeName": "CUSTOM_CHALLENGE", "challengeResult": True}
_NOT_PASSED = {"challengeName": "CUSTOM_CHALLENGE", "challengeResult": False}


class Challenge:
    """The function under test with Systems Manager and KMS stubbed."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.ssm = Stubber(module._ssm)
        self.kms = Stubber(module._kms)
        parameter = {
            "userPoolProvider": "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool",
            "internalClientId": _INTERNAL,
            "identityPoolId": "eu-west-1:identity-pool",
        }
        self.ssm.add_response(
            "get_parameters",
            {"Parameters": [{"Name": _PARAMETER, "Value": json.dumps(parameter)}]},
            {"Names": [_PARAMETER]},
        )
        self.ssm.activate()
        self.kms.activate()

    def accepts(self, user_name: str = "ada", nonce: str = "n1", client_id: str = _INTERNAL) -> None:
        """Let KMS accept the MAC of this message and no other."""
        message = proof.message(user_pool_id="eu-west-1_pool", client_id=client_id, user_name=user_name, nonce=nonce)
        self.kms.add_response(
            "verify_mac",
            {"MacValid": True, "KeyId": "mac-key", "MacAlgorithm": "HMAC_SHA_256"},
            {"KeyId": "mac-key", "MacAlgorithm": "HMAC_SHA_256", "Message": message, "Mac": _MAC},
        )

    def refuses(self) -> None:
        """Let KMS refuse whatever it is asked, as it does for a wrong MAC."""
        self.kms.add_client_error("verify_mac", "KMSInvalidMacException")

    def define(self, session: list[dict[str, Any]], client_id: str = _INTERNAL, **request: Any) -> dict[str, Any]:
        return self._call("DefineAuthChallenge", client_id, {"session": session, **request})

    def create(self) -> dict[str, Any]:
        return self._call("CreateAuthChallenge", _INTERNAL, {"session": [], "challengeName": "CUSTOM_CHALLENGE"})

    def verify(
        self,
        answer: str,
        client_id: str = _INTERNAL,
        user_name: str = "ada",
        nonce: str = "n1",
        **request: Any,
    ) -> object:
        request = {"challengeAnswer": answer, "privateChallengeParameters": {"nonce": nonce}, **request}
        return self._call("VerifyAuthChallengeResponse", client_id, request, user_name)["answerCorrect"]

    def _call(self, trigger: str, client_id: str, request: dict[str, Any], user_name: str = "ada") -> dict[str, Any]:
        event = {
            "version": "1",
            "triggerSource": f"{trigger}_Authentication",
            "region": "eu-west-1",
            "userPoolId": "eu-west-1_pool",
            "userName": user_name,
            "callerContext": {"awsSdkVersion": "x", "clientId": client_id},
            "request": {"userAttributes": {}, "userNotFound": False, **request},
            "response": {},
        }
        response: dict[str, Any] = self.module.handler(event, None)["response"]
        return response


@pytest.fixture
def challenge(load: Load) -> Challenge:
    return Challenge(load("auth_challenge"))


def _answer(mac: bytes = _MAC) -> str:
    return base64.b64encode(mac).decode()


def test_the_first_step_on_the_internal_client_is_one_custom_challenge(challenge: Challenge) -> None:
    assert challenge.define([]) == {
        "challengeName": "CUSTOM_CHALLENGE",
        "issueTokens": False,
        "failAuthentication": False,
    }


def test_tokens_are_issued_after_exactly_one_passed_challenge(challenge: Challenge) -> None:
    assert challenge.define([_PASSED]) == {"issueTokens": True, "failAuthentication": False}


@pytest.mark.parametrize(
    "session",
    [
        [_NOT_PASSED],
        [_NOT_PASSED, _PASSED],
        [_PASSED, _PASSED],
        [_PASSED, _NOT_PASSED],
        [{"challengeName": "CUSTOM_CHALLENGE"}],
        [{"challengeName": "CUSTOM_CHALLENGE", "challengeResult": None}],
        [{"challengeName": "CUSTOM_CHALLENGE", "challengeResult": 1}],
        [{"challengeName": "CUSTOM_CHALLENGE", "challengeResult": "true"}],
        [{"challengeName": "SRP_A", "challengeResult": True}],
        [{"challengeName": "SRP_A", "challengeResult": True}, _PASSED],
        [{"challengeName": "PASSWORD_VERIFIER", "challengeResult": True}],
    ],
)
def test_any_other_history_fails_the_authentication(challenge: Challenge, session: list[dict[str, Any]]) -> None:
    assert challenge.define(session) == {"issueTokens": False, "failAuthentication": True}


@pytest.mark.parametrize("session", [[], [_PASSED]])
@pytest.mark.parametrize("client_id", ["web-client", "", _INTERNAL.upper(), f"{_INTERNAL} "])
def test_every_other_app_client_fails_the_authentication(
    challenge: Challenge, client_id: str, session: list[dict[str, Any]]
) -> None:
    assert challenge.define(session, client_id=client_id) == {
        "issueTokens": False,
        "failAuthentication": True,
    }


def test_a_user_who_does_not_exist_is_challenged_like_any_other(challenge: Challenge) -> None:
    assert challenge.define([], userNotFound=True) == challenge.define([])


@pytest.mark.parametrize("result", [True, False])
def test_a_user_who_does_not_exist_is_given_no_tokens(challenge: Challenge, result: bool) -> None:
    session = [{**_PASSED, "challengeResult": result}]
    assert challenge.define(session, userNotFound=True) == {"issueTokens": False, "failAuthentication": True}


def test_a_configuration_that_cannot_be_read_issues_no_tokens(load: Load) -> None:
    module = load("auth_challenge")
    with Stubber(module._ssm) as ssm:
        ssm.add_client_error("get_parameters", "AccessDeniedException")
        challenge = Challenge.__new__(Challenge)
        challenge.module = module
        with pytest.raises(module._ssm.exceptions.ClientError):
            challenge.define([_PASSED])


def test_each_challenge_has_a_nonce_of_its_own(challenge: Challenge) -> None:
    nonces = {challenge.create()["privateChallengeParameters"]["nonce"] for _ in range(50)}
    assert len(nonces) == 50
    assert min(len(nonce) for nonce in nonces) >= 43  # 32 random bytes


def test_the_answer_is_correct_when_kms_says_so(challenge: Challenge) -> None:
    challenge.accepts()
    assert challenge.verify(_answer()) is True


def test_a_mac_that_kms_refuses_is_wrong(challenge: Challenge) -> None:
    challenge.refuses()
    assert challenge.verify(_answer()) is False


@pytest.mark.parametrize("answer", ["", "no base64!", _answer(b"short"), _answer(_MAC + b"x"), "\u2713"])
def test_what_is_no_mac_is_wrong_without_asking_kms(challenge: Challenge, answer: str) -> None:
    assert challenge.verify(answer) is False
    challenge.kms.assert_no_pending_responses()


def test_a_user_who_does_not_exist_has_no_correct_answer(challenge: Challenge) -> None:
    assert challenge.verify(_answer(), userNotFound=True) is False


def test_no_answer_is_correct_on_another_app_client(challenge: Challenge) -> None:
    assert challenge.verify(_answer(), client_id="web-client") is False


@pytest.mark.parametrize("other", [{"user_name": "eve"}, {"nonce": "n2"}])
def test_the_mac_is_bound_to_the_user_and_to_the_one_challenge(challenge: Challenge, other: dict[str, str]) -> None:
    challenge.accepts(user_name="ada", nonce="n1")
    # The stub takes the one message it was told; what is asked here differs from it in one part.
    with pytest.raises(Exception, match="Message"):
        challenge.verify(_answer(), **other)


def test_a_mac_names_pool_client_user_and_nonce_without_ambiguity() -> None:
    parts = {"user_pool_id": "p", "client_id": "c", "user_name": "u", "nonce": "n"}
    messages = {proof.message(**(parts | {name: 'x","y'})) for name in parts}
    assert len(messages | {proof.message(**parts)}) == 5


def test_another_trigger_is_an_error(challenge: Challenge) -> None:
    with pytest.raises(ValueError, match="PreSignUp"):
        challenge.module.handler({"triggerSource": "PreSignUp_SignUp"}, None)
