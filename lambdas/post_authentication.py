"""PostAuthentication trigger: attaches the IoT policy to the user's identity before the tokens are out.

Whatever happens here, the event is returned: a sign-in never fails because of the attachment. One that cannot be made
now is owed, and goes to the retry queue.
Event: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-authentication.html
"""

from __future__ import annotations

import os
import time
from typing import Any

from attachment.background_imports import BackgroundImports
from attachment.deadline import DeadlineExceededError, deadline
from attachment.errors import AttachingIsOffError, FederatedUserError, NestedSignInLoopError, OnlyByThemselvesError
from attachment.marker import Marker
from attachment.nested_sign_in import NESTED
from attachment.owed import Owed
from attachment.report import cause, report

_FINGERPRINT = os.environ["ATTACHMENT_MARKER"]
_MARKER_ATTRIBUTE = os.environ["MARKER_ATTRIBUTE"]
_MARKER_DAYS = int(os.environ["MARKER_DAYS"])
_BUDGET_SECONDS = float(os.environ["BUDGET_SECONDS"])
_QUEUE_SECONDS = float(os.environ["QUEUE_SECONDS"])
_STACK = os.environ["STACK_NAME"]
_imports = BackgroundImports()

# Cognito's five seconds include a cold start, so the first sign-in's time begins when this module is imported. Lambda
# may also start an environment ahead of need: an older start cannot belong to the sign-in.
_COGNITO_SECONDS = 5.0
_cold_start = time.monotonic()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Attach the policy if the marker is not current; return the event in every case."""
    started = _started()
    if (event.get("request", {}).get("clientMetadata") or {}).items() >= NESTED.items():
        return event
    try:
        outcome, reason = _settle(event, started)
    except (Exception, DeadlineExceededError) as error:  # noqa: BLE001 - a sign-in never fails because of us
        # Nothing will come back to this: the user's next sign-in tries again, or self-attach.
        outcome, reason = "Failed", cause(error)
    report(
        outcome,
        way="sign-in",
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


def _settle(event: dict[str, Any], started: float) -> tuple[str, str | None]:
    """Attach, or put what is owed into the queue; return the outcome and the reason for it."""
    if _is_attached(event["request"]):
        return "Skipped", "the marker is current"
    owed = Owed(event["userPoolId"], event["userName"])
    give_up_at = started + _BUDGET_SECONDS
    try:
        with deadline(give_up_at - time.monotonic()):
            return "Attached", _attach(event, owed)
    except (OnlyByThemselvesError, NestedSignInLoopError, AttachingIsOffError) as error:
        return "Skipped", cause(error)
    except (Exception, DeadlineExceededError) as error:  # noqa: BLE001 - whatever it was, the attachment is owed
        try:
            with deadline(max(give_up_at, time.monotonic()) + _QUEUE_SECONDS - time.monotonic()):
                _queue(owed)
        except (Exception, DeadlineExceededError) as no_queue:  # noqa: BLE001
            return "Failed", f"{cause(error)}; not queued: {cause(no_queue)}"
        return "Queued", cause(error)


def _is_attached(request: dict[str, Any]) -> bool:
    value = request.get("userAttributes", {}).get(_MARKER_ATTRIBUTE, "")
    found = Marker.parse(value)
    return found is not None and found.is_current(_FINGERPRINT, time.time(), _MARKER_DAYS)


def _attach(event: dict[str, Any], owed: Owed) -> str | None:
    """Attach; return why the user could not be marked, if so."""
    if event["request"]["userAttributes"].get("cognito:user_status") == "EXTERNAL_PROVIDER":
        raise FederatedUserError
    attach = _imports.module("attachment.attach")  # with the SDK, which a repeat sign-in does without
    attach.check_is_on()
    attach.refuse_nested(event["callerContext"]["clientId"])
    attach.find_identity(owed)
    not_marked: str | None = attach.attach(owed)
    return not_marked


def _queue(owed: Owed) -> None:
    _imports.module("attachment.retry_queue").send(owed)
