"""The three challenge triggers of the internal sign-in: define, create and verify.

Cognito invokes them for every app client of the user pool, so they fail closed. Cognito issues tokens only on the
internal app client, after exactly one challenge, and only for the correct MAC, which only trigger and worker can make.
Events: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-challenge.html
"""

from __future__ import annotations

import base64
import os
import secrets
from typing import Any

import boto3
from botocore.exceptions import ClientError

from attachment.clients import LIMITS
from attachment.errors import error_label
from attachment.mac import sign_in_mac_input, verify_mac
from attachment.parameters import CachedParameters, Configuration
from attachment.retries import is_retryable

_CONFIGURATION_PARAMETER = os.environ["CONFIGURATION_PARAMETER"]
_MAC_KEY_ID = os.environ["MAC_KEY_ID"]

_ssm = boto3.client("ssm", config=LIMITS)
_kms = boto3.client("kms", config=LIMITS)
_parameters = CachedParameters(_CONFIGURATION_PARAMETER)


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer one of the three triggers.

    Raises:
        ValueError: the event is of another trigger.
        Exception: configuration or MAC cannot be checked; the sign-in fails.
    """
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
    """Return the next step. Users who do not exist get a challenge too, so that callers cannot find out who exists.

    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html
    """
    rejected = {"issueTokens": False, "failAuthentication": True}
    request = event["request"]
    if not _is_internal(event):
        return rejected
    match request["session"]:
        case []:
            return {"issueTokens": False, "failAuthentication": False, "challengeName": "CUSTOM_CHALLENGE"}
        case [{"challengeName": "CUSTOM_CHALLENGE", "challengeResult": True}] if not request.get("userNotFound"):
            return {"issueTokens": True, "failAuthentication": False}
    return rejected


def _create() -> dict[str, Any]:
    nonce = {"nonce": secrets.token_urlsafe(32)}
    return {"publicChallengeParameters": nonce, "privateChallengeParameters": nonce}


def _verify(event: dict[str, Any]) -> bool:
    request = event["request"]
    if request.get("userNotFound") or not _is_internal(event):
        return False
    mac_input = sign_in_mac_input(
        user_pool_id=event["userPoolId"],
        client_id=event["callerContext"]["clientId"],
        user_name=event["userName"],
        nonce=request["privateChallengeParameters"]["nonce"],
    )
    try:
        mac = base64.b64decode(request["challengeAnswer"], validate=True)
    except ValueError:
        return False
    try:
        return verify_mac(_kms, _MAC_KEY_ID, mac_input, mac)
    except ClientError as error:
        # Callers retry every raised error, because Cognito reports all in the same way. So only raise retryable ones.
        if is_retryable(error):
            raise
        print(f"The answer cannot be verified: {error_label(error)}", flush=True)
        return False


def _is_internal(event: dict[str, Any]) -> bool:
    configuration = Configuration.from_json(_parameters.read(_ssm)[_CONFIGURATION_PARAMETER])
    return bool(event["callerContext"]["clientId"] == configuration.internal_client_id)
