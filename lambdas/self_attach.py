"""Self-attach: attaches the IoT policy to the Cognito identity that signed the request, and to no other.

Serves ``POST /self-attach`` of an HTTP API with IAM authorization. The identity comes only from API Gateway, which has
verified it (``requestContext.authorizer.iam.cognitoIdentity``). Nothing else in the request names the caller, so a
request with a body is refused.
Event: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from attachment.clients import LIMITS, has_policy, iot_client
from attachment.errors import AttachmentPausedError, error_label
from attachment.login_providers import LoginProviders
from attachment.metrics import emit_metrics
from attachment.parameters import PauseFlag
from attachment.retries import is_retryable

_POLICY_NAME = os.environ["POLICY_NAME"]
_IDENTITY_POOL_ID = os.environ["IDENTITY_POOL_ID"]
_login_providers = LoginProviders(os.environ.get("LOGIN_PROVIDERS", ""))

_CHECK = "PS203"
"""The check that fails without the attachment. Each response names it."""
_RETRY_AFTER_SECONDS = 2

_iot = iot_client(attempts=2)
_ssm = boto3.client("ssm", config=LIMITS)
_pause_flag = PauseFlag(os.environ["PAUSE_PARAMETER"])


@dataclass(frozen=True)
class _Response:
    """The response to the caller. It never quotes AWS's messages, which can name identities."""

    status_code: int
    status: str
    text: str


_REPAIRED = _Response(200, "repaired", "no IoT policy was attached, repaired")
_ATTACHED = _Response(200, "attached", "the IoT policy is attached already")
_RETRY_LATER = _Response(
    503, "failed", "AWS throttles or does not answer, so the IoT policy may not be attached yet: try again shortly"
)
_PAUSED = _Response(
    503,
    "failed",
    "attachment is paused in this deployment: its operator detached every identity and resumes attachment with "
    "`pubsub sweep --resume`",
)


class _RefusedError(Exception):
    """The request is refused with this response."""

    def __init__(self, status_code: int, text: str) -> None:
        super().__init__(text)
        self.response = _Response(status_code, "refused", text)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Attach the policy if it is missing, and respond in JSON; raise nothing."""
    started = time.monotonic()
    request_id = getattr(context, "aws_request_id", "")
    outcome, reason = "Failed", None
    try:
        response = _attach(_identity_id(event))
        outcome = "Attached" if response is _REPAIRED else "Skipped"
    except _RefusedError as refusal:  # not "Failed", because any caller could then raise the alarm
        outcome, response, reason = "Skipped", refusal.response, refusal.response.text
    except AttachmentPausedError as paused:
        outcome, response, reason = "Skipped", _PAUSED, error_label(paused)
    except Exception as error:  # noqa: BLE001 - the response says what to do, the log has the reason
        response, reason = _RETRY_LATER if is_retryable(error) else _permanent(request_id), error_label(error)
    emit_metrics(
        {outcome: 1},
        outcome=outcome,
        source="self-attach",
        request_id=request_id,
        seconds=time.monotonic() - started,
        reason=reason,
    )
    return _to_http(response)


def _identity_id(event: Mapping[str, Any]) -> str:
    """Return the identity id that API Gateway verified.

    Raises:
        _RefusedError: the caller is not a signed-in user of this identity pool, or the request has a body.
    """
    if event.get("body"):
        raise _RefusedError(400, "the request has a body, but only its signature identifies the caller: send no body")
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    identity = (authorizer.get("iam") or {}).get("cognitoIdentity") or {}
    identity_id, methods = identity.get("identityId"), identity.get("amr")
    if not identity_id:
        raise _RefusedError(
            403, "the request was not signed by a Cognito identity: sign it with the identity pool's credentials"
        )
    if identity.get("identityPoolId") != _IDENTITY_POOL_ID:
        raise _RefusedError(
            403, "the request was signed by an identity of another identity pool: use this deployment's identity pool"
        )
    if not isinstance(methods, list) or "authenticated" not in methods:
        raise _RefusedError(403, "the request was signed by a guest: sign in, and use the new credentials")
    if not _login_providers.include(str(each) for each in methods):
        raise _RefusedError(
            403,
            "the request was signed by a user whose identity provider gets no attachment: sign in to this deployment's "
            "user pool, or ask its operator to add the provider to the setting adopt.otherProviders",
        )
    return str(identity_id)


def _attach(identity_id: str) -> _Response:
    _pause_flag.check(_ssm)
    if has_policy(_iot, _POLICY_NAME, identity_id):
        return _ATTACHED
    _iot.attach_policy(policyName=_POLICY_NAME, target=identity_id)
    return _REPAIRED


def _permanent(request_id: str) -> _Response:
    return _Response(
        500,
        "failed",
        "the IoT policy could not be attached, and another try will not help: the operator of this deployment finds "
        f"the reason in the log of the self-attach function, by the request id {request_id}",
    )


def _to_http(response: _Response) -> dict[str, Any]:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if response is _RETRY_LATER:
        headers["retry-after"] = str(_RETRY_AFTER_SECONDS)
    body = {"check": _CHECK, "status": response.status, "text": f"{_CHECK}: {response.text}"}
    return {"statusCode": response.status_code, "headers": headers, "body": json.dumps(body)}
