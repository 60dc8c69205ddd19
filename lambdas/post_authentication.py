"""PostAuthentication trigger: attaches the IoT policy to the user's identity before the tokens are out.

Whatever happens here, the event is returned: a sign-in never fails because of the attachment.
Event: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-authentication.html
"""

from __future__ import annotations

import os
import time
from typing import Any

from attachment.deadline import DeadlineExceededError, deadline
from attachment.marker import Marker
from attachment.nested_sign_in import NESTED
from attachment.report import cause, report

_POLICY_NAME = os.environ["POLICY_NAME"]
_FINGERPRINT = os.environ["ATTACHMENT_MARKER"]
_MARKER_ATTRIBUTE = os.environ["MARKER_ATTRIBUTE"]
_MARKER_DAYS = int(os.environ["MARKER_DAYS"])
_BUDGET_SECONDS = float(os.environ["BUDGET_SECONDS"])
_STACK = os.environ["STACK_NAME"]

# Cognito's five seconds include a cold start, so the first sign-in's time begins when this module is imported. Lambda
# may also start an environment ahead of need: an older start cannot belong to the sign-in.
_COGNITO_SECONDS = 5.0
_cold_start = time.monotonic()


class FederatedUserError(Exception):
    """Cognito signs nobody from another identity provider in by a challenge, so there is no nested sign-in."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Attach the policy if the marker is not current; return the event in every case."""
    started = _started()
    request = event.get("request", {})
    if (request.get("clientMetadata") or {}).items() >= NESTED.items():
        return event
    outcome, reason = "Attached", None
    try:
        if _is_attached(request):
            outcome, reason = "Skipped", "the marker is current"
        else:
            with deadline(started + _BUDGET_SECONDS - time.monotonic()):
                reason = _attach(event)
    except (Exception, DeadlineExceededError) as error:  # noqa: BLE001 - a sign-in never fails because of us
        # Here an attachment is known to be outstanding; the user's next sign-in tries again.
        outcome, reason = "Failed", cause(error)
    report(
        outcome,
        stack=_STACK,
        request_id=getattr(context, "aws_request_id", ""),
        seconds=time.monotonic() - started,
        reason=reason,
    )
    return event


def _started() -> float:
    """Return when this sign-in's time began, on the monotonic clock."""
    global _cold_start  # noqa: PLW0603
    cold_start, _cold_start = _cold_start, float("-inf")
    now = time.monotonic()
    return cold_start if now - cold_start < _COGNITO_SECONDS else now


def _is_attached(request: dict[str, Any]) -> bool:
    value = request.get("userAttributes", {}).get(_MARKER_ATTRIBUTE, "")
    found = Marker.parse(value)
    return found is not None and found.is_current(_FINGERPRINT, time.time(), _MARKER_DAYS)


def _attach(event: dict[str, Any]) -> str | None:
    """Attach; return why the user could not be marked, if so."""
    if event["request"]["userAttributes"].get("cognito:user_status") == "EXTERNAL_PROVIDER":
        raise FederatedUserError
    from attachment.attach import attach  # the SDK, which a repeat sign-in does without

    return attach(
        user_pool_id=event["userPoolId"],
        client_id=event["callerContext"]["clientId"],
        user_name=event["userName"],
        policy_name=_POLICY_NAME,
        marker_attribute=_MARKER_ATTRIBUTE,
        fingerprint=_FINGERPRINT,
    )
