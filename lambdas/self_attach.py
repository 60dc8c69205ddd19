"""Self-attach: attaches the IoT policy to the Cognito identity that has signed the request, and to no other.

Behind ``POST /self-attach`` of an HTTP API with IAM authorization. Who asks is what API Gateway says it has verified,
``requestContext.authorizer.iam.cognitoIdentity``, and nothing that the request itself says; so a request has nothing to
say, and one with a body is refused.
Event: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3

from attachment.errors import AttachmentPausedError
from attachment.iot import has_policy, iot_client
from attachment.limits import LIMITS
from attachment.login_providers import LoginProviders
from attachment.passing import passes
from attachment.report import cause, report
from attachment.switch import AttachingSwitch

if TYPE_CHECKING:
    from collections.abc import Mapping

_POLICY_NAME = os.environ["POLICY_NAME"]
_IDENTITY_POOL_ID = os.environ["IDENTITY_POOL_ID"]
_STACK = os.environ["STACK_NAME"]
_login_providers = LoginProviders(os.environ.get("LOGIN_PROVIDERS", ""))

_CHECK = "PS203"
"""The check that a missing attachment fails, by which the answers are known."""
_RETRY_AFTER_SECONDS = 2

_iot = iot_client(attempts=2)
_ssm = boto3.client("ssm", config=LIMITS)
_switch = AttachingSwitch(os.environ["PAUSE_PARAMETER"])


@dataclass(frozen=True)
class _Answer:
    """What the caller is told. Nothing in it quotes AWS, whose messages can name identities."""

    status_code: int
    status: str
    text: str


_REPAIRED = _Answer(200, "repaired", "no IoT policy was attached, repaired")
_ATTACHED = _Answer(200, "attached", "the IoT policy is attached already")
_LATER = _Answer(
    503, "failed", "AWS IoT throttles or does not answer, so the IoT policy may not be attached yet: try again shortly"
)
_OFF = _Answer(
    503,
    "failed",
    "attachment is paused in this deployment: its operator detached every identity and resumes attachment with "
    "`pubsub sweep --resume`",
)


class _RefusedError(Exception):
    """The request gets no policy attached; carries the answer."""

    def __init__(self, status_code: int, text: str) -> None:
        super().__init__(text)
        self.answer = _Answer(status_code, "refused", text)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Attach the policy if it is missing, and answer in JSON; it is never an error of the function."""
    started = time.monotonic()
    request_id = getattr(context, "aws_request_id", "")
    outcome, reason = "Failed", None
    try:
        answer = _attach(_identity_id(event))
        outcome = "Attached" if answer is _REPAIRED else "Skipped"
    except _RefusedError as refusal:  # no failure: anybody with credentials could raise its alarm
        outcome, answer, reason = "Skipped", refusal.answer, refusal.answer.text
    except AttachmentPausedError as off:
        outcome, answer, reason = "Skipped", _OFF, cause(off)
    except Exception as error:  # noqa: BLE001 - the caller is told what to do, and the log why
        answer, reason = _LATER if passes(error) else _permanent(request_id), cause(error)
    report(
        outcome,
        source="self-attach",
        stack=_STACK,
        request_id=request_id,
        seconds=time.monotonic() - started,
        reason=reason,
    )
    return _response(answer)


def _identity_id(event: Mapping[str, Any]) -> str:
    """Return the identity that API Gateway has verified.

    Raises:
        _RefusedError: it is none of this identity pool's signed-in users, or the request has a body.
    """
    if event.get("body"):
        raise _RefusedError(400, "a request must have no body, for its signature alone says whose it is: send none")
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    identity = (authorizer.get("iam") or {}).get("cognitoIdentity") or {}
    identity_id, methods = identity.get("identityId"), identity.get("amr")
    if not identity_id:
        raise _RefusedError(
            403, "the request was not signed by a Cognito identity: sign it with the identity pool's credentials"
        )
    if identity.get("identityPoolId") != _IDENTITY_POOL_ID:
        raise _RefusedError(
            403, "the request was signed by an identity of another identity pool: sign in through this deployment's"
        )
    if not isinstance(methods, list) or "authenticated" not in methods:
        raise _RefusedError(403, "the request was signed by a guest: sign in, and sign it with the new credentials")
    if not _login_providers.include(str(each) for each in methods):
        raise _RefusedError(
            403,
            "the request was signed by a user of another identity provider: sign in to this deployment's user pool, or "
            "have whoever runs it add the provider to the setting adopt.otherProviders",
        )
    return str(identity_id)


def _attach(identity_id: str) -> _Answer:
    _switch.check(_ssm)
    if has_policy(_iot, _POLICY_NAME, identity_id):
        return _ATTACHED
    _iot.attach_policy(policyName=_POLICY_NAME, target=identity_id)
    return _REPAIRED


def _permanent(request_id: str) -> _Answer:
    return _Answer(
        500,
        "failed",
        "the IoT policy could not be attached, and trying again will not help: whoever runs this deployment finds the "
        f"reason in the log of its self-attach function, by the request id {request_id}",
    )


def _response(answer: _Answer) -> dict[str, Any]:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if answer is _LATER:
        headers["retry-after"] = str(_RETRY_AFTER_SECONDS)
    body = {"check": _CHECK, "status": answer.status, "text": f"{_CHECK}: {answer.text}"}
    return {"statusCode": answer.status_code, "headers": headers, "body": json.dumps(body)}
