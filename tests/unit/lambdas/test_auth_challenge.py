"""The challenge triggers: only trigger and worker can complete an internal sign-in.

tests/e2e/test_internal_sign_in_security.py attacks the deployed ones.
"""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from attachment.mac import sign_in_mac_input
from tests.unit.lambdas.conftest import ENVIRONMENT, Load
from tests.unit.lambdas.fake_aws import AwsError, FakeKms, FakeSsm

_INTERNAL = "internal-client"
_PASSED = {"challengeName": "CUSTOM_CHALLENGE", "challengeResult": True}


class Challenge:
    """The function, which verifies a challenge of ada with the nonce n1."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.ssm, self.kms = FakeSsm(module._ssm), FakeKms(module._kms)
        value = {"userPoolProvider": "provider", "internalClientId": _INTERNAL, "identityPoolId": "pool"}
        self.ssm.values = {ENVIRONMENT["CONFIGURATION_PARAMETER"]: json.dumps(value)}

    def define(self, session: list[dict[str, Any]], client_id: str = _INTERNAL, **request: Any) -> dict[str, Any]:
        return self._call("DefineAuthChallenge", client_id, {"session": session, **request})

    def create(self) -> dict[str, Any]:
        return self._call("CreateAuthChallenge", _INTERNAL, {"session": [], "challengeName": "CUSTOM_CHALLENGE"})

    def verify(self, answer: str, client_id: str = _INTERNAL, **request: Any) -> object:
        request = {"challengeAnswer": answer, "privateChallengeParameters": {"nonce": "n1"}, **request}
        return self._call("VerifyAuthChallengeResponse", client_id, request)["answerCorrect"]

    def _call(self, trigger: str, client_id: str, request: dict[str, Any]) -> dict[str, Any]:
        event = {
            "version": "1",
            "triggerSource": f"{trigger}_Authentication",
            "region": "eu-west-1",
            "userPoolId": "eu-west-1_pool",
            "userName": "ada",
            "callerContext": {"awsSdkVersion": "x", "clientId": client_id},
            "request": {"userAttributes": {}, "userNotFound": False, **request},
            "response": {},
        }
        response: dict[str, Any] = self.module.handler(event, None)["response"]
        return response


@pytest.fixture
def challenge(load: Load) -> Challenge:
    return Challenge(load("auth_challenge"))


def _answer(**other: str) -> str:
    """Return the correct answer, or one for other parts."""
    parts = {"user_pool_id": "eu-west-1_pool", "client_id": _INTERNAL, "user_name": "ada", "nonce": "n1"}
    mac = hmac.digest(b"secret", sign_in_mac_input(**(parts | other)), "sha256")
    return base64.b64encode(mac).decode()


@pytest.mark.parametrize("user_not_found", [False, True])
def test_define_starts_with_a_challenge_whether_the_user_exists(challenge: Challenge, user_not_found: bool) -> None:
    challenge_next = {"challengeName": "CUSTOM_CHALLENGE", "issueTokens": False, "failAuthentication": False}
    assert challenge.define([], userNotFound=user_not_found) == challenge_next


@pytest.mark.parametrize(
    ("session", "request_members"),
    [
        ([{**_PASSED, "challengeResult": False}], {}),
        ([{**_PASSED, "challengeResult": False}, _PASSED], {}),
        ([_PASSED, _PASSED], {}),
        ([{"challengeName": "CUSTOM_CHALLENGE"}], {}),
        ([{**_PASSED, "challengeResult": 1}], {}),
        ([{**_PASSED, "challengeResult": "true"}], {}),
        ([{"challengeName": "SRP_A", "challengeResult": True}], {}),
        ([{"challengeName": "SRP_A", "challengeResult": True}, _PASSED], {}),
        ([_PASSED], {"userNotFound": True}),
        *(
            (session, {"client_id": client})
            for session in ([], [_PASSED])
            for client in ("web-client", "", _INTERNAL.upper(), f"{_INTERNAL} ")
        ),
    ],
)
def test_define_fails_closed(
    challenge: Challenge, session: list[dict[str, Any]], request_members: dict[str, Any]
) -> None:
    """Tokens need exactly one passed challenge, the internal client and a user who exists."""
    assert challenge.define([_PASSED]) == {"issueTokens": True, "failAuthentication": False}
    assert challenge.define(session, **request_members) == {"issueTokens": False, "failAuthentication": True}


def test_define_issues_no_tokens_without_the_configuration(challenge: Challenge) -> None:
    challenge.ssm.failures["get_parameters"] = [AwsError("AccessDeniedException")]
    with pytest.raises(ClientError, match="AccessDenied"):
        challenge.define([_PASSED])


def test_create_makes_a_new_nonce_each_time(challenge: Challenge) -> None:
    nonces = {challenge.create()["privateChallengeParameters"]["nonce"] for _ in range(50)}
    assert len(nonces) == 50
    assert min(len(nonce) for nonce in nonces) >= 43  # 32 random bytes


@pytest.mark.parametrize("part", ["user_pool_id", "client_id", "user_name", "nonce"])
def test_verify_accepts_only_the_mac_of_the_challenge(challenge: Challenge, part: str) -> None:
    assert challenge.verify(_answer()) is True
    assert challenge.verify(_answer(**{part: "other"})) is False


def test_verify_rejects_the_mac_if_kms_refuses(challenge: Challenge) -> None:
    challenge.kms.failures["verify_mac"] = [AwsError("AccessDeniedException")]
    assert challenge.verify(_answer()) is False


def test_verify_raises_a_retryable_error(challenge: Challenge) -> None:
    challenge.kms.failures["verify_mac"] = [AwsError("ThrottlingException")]
    with pytest.raises(ClientError, match="Throttling"):
        challenge.verify(_answer())


@pytest.mark.parametrize("answer", ["", "no base64!", "c2hvcnQ=", f"{_answer()[:-1]}AAA=", "\u2713"])
def test_verify_rejects_what_is_not_a_mac_without_calling_kms(challenge: Challenge, answer: str) -> None:
    assert challenge.verify(answer) is False
    assert challenge.kms.calls == []


def test_verify_rejects_every_answer_of_unknown_users_and_other_clients(challenge: Challenge) -> None:
    assert challenge.verify(_answer(), userNotFound=True) is False
    assert challenge.verify(_answer(client_id="web-client"), client_id="web-client") is False


def test_handler_rejects_another_trigger(challenge: Challenge) -> None:
    with pytest.raises(ValueError, match="PreSignUp"):
        challenge.module.handler({"triggerSource": "PreSignUp_SignUp"}, None)
