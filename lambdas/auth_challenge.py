"""The three challenge triggers of the internal sign-in: define, create and verify.

They serve the whole user pool, so they fail closed: tokens are issued only on the internal app client, only for exactly
one challenge, only when its answer is the MAC that the PostAuthentication trigger alone can make.
Events: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-challenge.html
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from typing import Any

import boto3
from botocore.exceptions import ClientError

from attachment import proof
from attachment.configuration import ConfigurationParameter
from attachment.limits import LIMITS
from attachment.passing import passes
from attachment.report import cause

_ssm = boto3.client("ssm", config=LIMITS)
_kms = boto3.client("kms", config=LIMITS)

_parameter = ConfigurationParameter(os.environ["CONFIGURATION_PARAMETER"])
_MAC_KEY_ID = os.environ["MAC_KEY_ID"]


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer one of the three triggers; an event of another kind is an error, which fails that sign-in."""
    trigger = event["triggerSource"]
    if trigger == "DefineAuthChallenge_Authentication":
        event["response"] = _define(event)
    elif trigger == "CreateAuthChallenge_Authentication":
        event["response"] = _create()
    elif trigger == "VerifyAuthChallengeResponse_Authentication":
        event["response"] = {"answerCorrect": _verify(event)}
    else:
        raise ValueError(f"{trigger} is not a challenge trigger")
    return event


def _define(event: dict[str, Any]) -> dict[str, Any]:
    """Decide what comes next. Users who do not exist are challenged like others, so that nobody can tell who does.

    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html
    """
    refused = {"issueTokens": False, "failAuthentication": True}
    request = event["request"]
    if not _is_internal(event):
        return refused
    match request["session"]:
        case []:
            return {"issueTokens": False, "failAuthentication": False, "challengeName": "CUSTOM_CHALLENGE"}
        case [{"challengeName": "CUSTOM_CHALLENGE", "challengeResult": True}] if not request.get("userNotFound"):
            return {"issueTokens": True, "failAuthentication": False}
    return refused


def _create() -> dict[str, Any]:
    nonce = {"nonce": secrets.token_urlsafe(32)}
    return {"publicChallengeParameters": nonce, "privateChallengeParameters": nonce}


def _verify(event: dict[str, Any]) -> bool:
    request = event["request"]
    if request.get("userNotFound") or not _is_internal(event):
        return False
    message = proof.message(
        user_pool_id=event["userPoolId"],
        client_id=event["callerContext"]["clientId"],
        user_name=event["userName"],
        nonce=request["privateChallengeParameters"]["nonce"],
    )
    try:
        mac = base64.b64decode(request["challengeAnswer"], validate=True)
        if len(mac) != proof.MAC_BYTES:
            return False
        answer = _kms.verify_mac(KeyId=_MAC_KEY_ID, MacAlgorithm=proof.ALGORITHM, Message=message, Mac=mac)
    except (binascii.Error, ValueError, _kms.exceptions.KMSInvalidMacException):
        return False
    except ClientError as error:
        # Raised, every error looks alike to whoever waits; what passes by itself is to be told from what does not.
        if passes(error):
            raise
        print(f"The answer cannot be verified: {cause(error)}", flush=True)
        return False
    return answer["MacValid"] is True


def _is_internal(event: dict[str, Any]) -> bool:
    return bool(event["callerContext"]["clientId"] == _parameter.read(_ssm).internal_client_id)
