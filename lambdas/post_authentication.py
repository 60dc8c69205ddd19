"""PostAuthentication trigger: attaches the IoT policy to the user's identity before Cognito issues the tokens.

The trigger always returns the event, so a sign-in never fails because of the attachment. An attachment that is not
complete in time goes to the retry queue.
Event: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-authentication.html
"""

from __future__ import annotations

import copy
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from attachment.deadline import DeadlineRunner
from attachment.errors import AttachmentSkippedError, FederatedUserError, error_label
from attachment.internal_sign_in import CLIENT_METADATA
from attachment.marker import Marker
from attachment.metrics import emit_metrics
from attachment.pending import PendingAttachment, PendingQueue

if TYPE_CHECKING:
    from attachment.chain import Chain

_FINGERPRINT = os.environ["ATTACHMENT_MARKER"]
_MARKER_ATTRIBUTE = os.environ["MARKER_ATTRIBUTE"]
_CACHE_DAYS = int(os.environ["ATTACHMENT_CACHE_DAYS"])
_BUDGET_SECONDS = float(os.environ["BUDGET_SECONDS"])
_QUEUE_SECONDS = float(os.environ["QUEUE_SECONDS"])
_MAC_SECONDS = 0.4

# Cognito's five seconds include a cold start, so the budget of the first sign-in starts when this module is imported.
# Lambda can also start an environment in advance. Then the import was too long ago to belong to the sign-in.
_COGNITO_SECONDS = 5.0
_cold_start = time.monotonic()


# A repeat sign-in does not import the SDK. Both functions import the whole SDK first: threads that import its modules
# in different orders could get half initialized ones.
def _make_chain(abandoned: threading.Event) -> Chain:
    from attachment.clients import abandonable_session

    session = abandonable_session(abandoned)
    from attachment.chain import Chain

    return Chain(session)


def _make_queue(abandoned: threading.Event) -> PendingQueue:
    from attachment.clients import QUEUE_LIMITS, abandonable_session

    session = abandonable_session(abandoned)
    return PendingQueue(session.client("sqs", config=QUEUE_LIMITS), session.client("kms", config=QUEUE_LIMITS))


_chain_runner = DeadlineRunner(_make_chain)
_mac_runner = DeadlineRunner(_make_queue)
_queue_runner = DeadlineRunner(_make_queue)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Attach the policy unless the marker is current; always return the event."""
    started = _started_at()
    if ((event.get("request") or {}).get("clientMetadata") or {}).items() >= CLIENT_METADATA.items():
        return event
    try:
        outcome, reason = _process(event, started)
    except Exception as error:  # noqa: BLE001 - a sign-in never fails because of the attachment
        outcome, reason = "Failed", error_label(error)
    emit_metrics(
        {outcome: 1},
        outcome=outcome,
        source="sign-in",
        request_id=getattr(context, "aws_request_id", ""),
        seconds=time.monotonic() - started,
        reason=reason,
    )
    return event


def _started_at() -> float:
    """Return when the budget of this sign-in started, on the monotonic clock."""
    global _cold_start  # noqa: PLW0603
    cold_start, _cold_start = _cold_start, float("-inf")
    now = time.monotonic()
    return cold_start if now - cold_start < _COGNITO_SECONDS else now


def _process(event: dict[str, Any], started: float) -> tuple[str, str | None]:
    """Attach the policy or queue the attachment; return the outcome and its reason."""
    attributes = event["request"].get("userAttributes") or {}
    marker = Marker.parse(attributes.get(_MARKER_ATTRIBUTE) or "")
    if marker and marker.is_current(_FINGERPRINT, time.time(), _CACHE_DAYS):
        return "Skipped", "the marker is current"
    if attributes.get("cognito:user_status") == "EXTERNAL_PROVIDER":
        return "Skipped", error_label(FederatedUserError())
    pending = PendingAttachment(event["userPoolId"], event["userName"], attributes.get("sub"))
    client_id = event["callerContext"]["clientId"]
    deadline = started + _BUDGET_SECONDS
    try:
        warning = _chain_runner.run(lambda chain: _attach(chain, pending, client_id), deadline - time.monotonic())
    except AttachmentSkippedError as error:
        return "Skipped", error_label(error)
    except Exception as error:  # noqa: BLE001 - whatever it was, the attachment is pending
        try:
            _queue(copy.copy(pending), max(deadline, time.monotonic()) + _QUEUE_SECONDS)
        except Exception as queue_error:  # noqa: BLE001 - the next sign-in tries again
            return "Failed", f"{error_label(error)}; not queued: {error_label(queue_error)}"
        return "Queued", error_label(error)
    return "Attached", warning


def _attach(chain: Chain, pending: PendingAttachment, client_id: str) -> str | None:
    """Attach the policy; return why the marker could not be set, or None."""
    chain.check_not_paused()
    chain.check_not_internal(client_id)
    chain.find_identity(pending)
    return chain.attach(pending)


def _queue(pending: PendingAttachment, deadline: float) -> None:
    """Queue the attachment, with a MAC over its identity id if there is time for that.

    Args:
        pending: a copy, because an abandoned chain might still change the original.
        deadline: on the monotonic clock.
    """
    if pending.identity_id and pending.sub:
        try:
            pending.mac = _mac_runner.run(lambda queue: queue.generate_mac(pending), _MAC_SECONDS)
        except Exception:  # noqa: BLE001 - without a MAC the worker finds the identity again
            pending.mac = None
    _queue_runner.run(lambda queue: queue.send(pending), deadline - time.monotonic())
