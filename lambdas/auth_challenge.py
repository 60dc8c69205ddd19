"""The three challenge triggers of the internal sign-in: define, create and verify.

They serve the whole user pool, so they fail closed: tokens are issued only on the internal app client, after exactly
one challenge, and only if its answer is the MAC, which only trigger and worker can make.
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
    """Decide what comes next. Users who do not exist get a challenge too, so that callers cannot find out who exists.

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
        # Cognito reports every raised error alike, and callers retry it. So only a retryable error is raised.
        if is_retryable(error):
            raise
        print(f"The answer cannot be verified: {error_label(error)}", flush=True)
        return False


def _is_internal(event: dict[str, Any]) -> bool:
    configuration = Configuration.from_json(_parameters.read(_ssm)[_CONFIGURATION_PARAMETER])
    return bool(event["callerContext"]["clientId"] == configuration.internal_client_id)
