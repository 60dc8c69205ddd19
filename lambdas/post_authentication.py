"""PostAuthentication trigger: attaches the IoT policy to the user's identity before the tokens are out.

Whatever happens here, the event is returned: a sign-in never fails because of the attachment. One that cannot be made
now is owed, and goes to the retry queue.
Event: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-authentication.html
"""

from __future__ import annotations

import copy
import os
import time
from typing import TYPE_CHECKING, Any

from attachment.deadline import WorkWithDeadline
from attachment.errors import (
    AttachmentPausedError,
    CannotSignInError,
    FederatedUserError,
    InternalSignInLoopError,
    SelfAttachRequiredError,
)
from attachment.internal_sign_in import NESTED
from attachment.marker import Marker
from attachment.owed import Owed
from attachment.report import cause, report

if TYPE_CHECKING:
    import threading

    from attachment.attach import Chain
    from attachment.retry_queue import OwedQueue

_FINGERPRINT = os.environ["ATTACHMENT_MARKER"]
_MARKER_ATTRIBUTE = os.environ["MARKER_ATTRIBUTE"]
_MARKER_DAYS = int(os.environ["ATTACHMENT_CACHE_DAYS"])
_BUDGET_SECONDS = float(os.environ["BUDGET_SECONDS"])
_QUEUE_SECONDS = float(os.environ["QUEUE_SECONDS"])
_PROOF_SECONDS = 0.4
_STACK = os.environ["STACK_NAME"]


# A repeat sign-in does without the SDK. Who needs it imports it as a whole before anything that needs parts of it:
# threads that import parts in different orders could find them unfinished.
def _make_chain(abandoned: threading.Event) -> Chain:
    from attachment.sdk_session import guarded_session

    session = guarded_session(abandoned)
    from attachment.attach import Chain

    return Chain(session)


def _make_queue(abandoned: threading.Event) -> OwedQueue:
    from attachment.sdk_session import guarded_session

    session = guarded_session(abandoned)
    from attachment.retry_queue import OwedQueue

    return OwedQueue(session)


_attaching = WorkWithDeadline(_make_chain)
_proving = WorkWithDeadline(_make_queue)
_queueing = WorkWithDeadline(_make_queue)

# Cognito's five seconds include a cold start, so the first sign-in's time begins when this module is imported. Lambda
# may also start an environment ahead of need: an older start cannot belong to the sign-in.
_COGNITO_SECONDS = 5.0
_cold_start = time.monotonic()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Attach the policy if the marker is not current; return the event in every case."""
    started = _started()
    if ((event.get("request") or {}).get("clientMetadata") or {}).items() >= NESTED.items():
        return event
    try:
        outcome, reason = _settle(event, started)
    except Exception as error:  # noqa: BLE001 - a sign-in never fails because of us
        # Nothing will come back to this: the user's next sign-in tries again, or self-attach.
        outcome, reason = "Failed", cause(error)
    report(
        outcome,
        source="sign-in",
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
    attributes = event["request"].get("userAttributes") or {}
    if _is_attached(attributes):
        return "Skipped", "the marker is current"
    if attributes.get("cognito:user_status") == "EXTERNAL_PROVIDER":
        return "Skipped", cause(FederatedUserError())
    owed = Owed(event["userPoolId"], event["userName"], attributes.get("sub"))
    client_id = event["callerContext"]["clientId"]
    give_up_at = started + _BUDGET_SECONDS
    try:
        not_marked = _attaching.run(lambda chain: _attach(chain, owed, client_id), give_up_at - time.monotonic())
    except (SelfAttachRequiredError, InternalSignInLoopError, AttachmentPausedError, CannotSignInError) as error:
        return "Skipped", cause(error)
    except Exception as error:  # noqa: BLE001 - whatever it was, the attachment is owed
        try:
            _queue(copy.copy(owed), max(give_up_at, time.monotonic()) + _QUEUE_SECONDS)
        except Exception as no_queue:  # noqa: BLE001
            return "Failed", f"{cause(error)}; not queued: {cause(no_queue)}"
        return "Queued", cause(error)
    return "Attached", not_marked


def _is_attached(attributes: dict[str, str]) -> bool:
    found = Marker.parse(attributes.get(_MARKER_ATTRIBUTE) or "")
    return found is not None and found.is_current(_FINGERPRINT, time.time(), _MARKER_DAYS)


def _attach(chain: Chain, owed: Owed, client_id: str) -> str | None:
    """Attach; return why the user could not be marked, if so."""
    chain.check_is_on()
    chain.refuse_nested(client_id)
    chain.find_identity(owed)
    return chain.attach(owed)


def _queue(owed: Owed, give_up_at: float) -> None:
    """Put what is owed into the queue, with the proof of its identity if that can be made in time.

    Args:
        owed: a copy of its own, because an abandoned chain may still find the identity.
        give_up_at: on the monotonic clock.
    """
    if owed.identity_id and owed.sub:
        try:
            owed.mac = _proving.run(lambda queue: queue.prove(owed), _PROOF_SECONDS)
        except Exception:  # noqa: BLE001 - without the proof the worker finds the identity again
            owed.mac = None
    _queueing.run(lambda queue: queue.send(owed), give_up_at - time.monotonic())
