"""The worker of the retry queue: makes the attachments that a sign-in could not make.

After a retryable error, SQS delivers the message again, after a delay with jitter. Other errors need a fix, so the
message goes to the dead-letter queue at once, which raises an alarm.
Batches: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from attachment.chain import Chain
from attachment.clients import LIMITS, QUEUE_LIMITS, abandonable_session
from attachment.deadline import DeadlineExceededError, DeadlineRunner
from attachment.errors import AttachmentSkippedError, CannotSignInError, error_label
from attachment.metrics import emit_metrics
from attachment.pending import PendingAttachment, PendingQueue
from attachment.retries import RateLimiter, is_retryable, is_throttled

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_QUEUE_URL = os.environ["RETRY_QUEUE_URL"]
_DEAD_LETTER_QUEUE_URL = os.environ["DEAD_LETTER_QUEUE_URL"]
_MESSAGE_SECONDS = float(os.environ["MESSAGE_SECONDS"])
_QUEUE_SECONDS = 4.0
_SPARE_SECONDS = 5.0
# A throttled attachment is repeated at the limiter's rate before its message goes back to the queue.
_ATTEMPTS = 5
# Cognito's codes if the user cannot sign in. They have other causes too.
_SIGN_IN_REJECTED = {"NotAuthorizedException", "PasswordResetRequiredException", "UserNotFoundException"}
_MAX_BACKOFF_SECONDS = 900

_rate_limiter = RateLimiter(float(os.environ["ATTACH_PER_SECOND"]), float(os.environ["ATTACH_PER_SECOND_THROTTLED"]))


class _Clients:
    """The chain, and the queue that verifies the messages."""

    def __init__(self, abandoned: threading.Event) -> None:
        session = abandonable_session(abandoned)
        self.chain = Chain(session)
        self.queue = PendingQueue(
            session.client("sqs", config=QUEUE_LIMITS), session.client("kms", config=QUEUE_LIMITS)
        )


def _make_sqs(abandoned: threading.Event) -> SQSClient:
    return abandonable_session(abandoned).client("sqs", config=LIMITS)


_chain_runner = DeadlineRunner(_Clients)
_queue_runner = DeadlineRunner(_make_sqs)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Process a batch; return the messages that SQS must deliver again."""
    failures = []
    for record in event["Records"]:
        if context.get_remaining_time_in_millis() < (_MESSAGE_SECONDS + _SPARE_SECONDS) * 1000:
            failures.append(record)
            continue
        started = time.monotonic()
        outcome, reason = _process(record)
        if outcome == "Queued":
            failures.append(record)
        emit_metrics(
            {outcome: 1},
            outcome=outcome,
            source="retry",
            request_id=context.aws_request_id,
            seconds=time.monotonic() - started,
            reason=reason,
        )
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failures]}


def _process(record: Mapping[str, Any]) -> tuple[str, str | None]:
    """Attach the policy, or defer or dead-letter the message; return the outcome and its reason."""
    try:
        pending = PendingAttachment.parse(record["body"])
        return "Attached", _chain_runner.run(lambda clients: _attach(clients, pending), _MESSAGE_SECONDS)
    except AttachmentSkippedError as error:
        return "Skipped", error_label(error)
    except Exception as error:  # noqa: BLE001 - one message does not affect the others
        reason = error_label(error)
        if is_retryable(error):
            _defer(record)
            return "Queued", reason
        try:
            _queue_runner.run(lambda sqs: _dead_letter(sqs, record, reason), _QUEUE_SECONDS)
        except (BotoCoreError, ClientError, KeyError, DeadlineExceededError) as queue_error:
            return "Queued", f"{reason}; not moved to the dead-letter queue: {error_label(queue_error)}"
        return "Failed", reason


def _attach(clients: _Clients, pending: PendingAttachment) -> str | None:
    """Attach the policy; return why the marker could not be set, or None."""
    chain = clients.chain
    chain.check_not_paused()
    if not clients.queue.is_verified(pending):
        _find_identity(chain, pending)
    attempts = 0
    while True:
        _rate_limiter.wait()
        # As late as possible, because the name might belong to another user now.
        if not chain.can_sign_in(pending):
            raise CannotSignInError
        try:
            return chain.attach(pending)
        except ClientError as error:
            attempts += 1
            if not is_throttled(error):
                raise
            _rate_limiter.slow_down()
            if attempts == _ATTEMPTS:
                raise


def _find_identity(chain: Chain, pending: PendingAttachment) -> None:
    try:
        chain.find_identity(pending)
    except ClientError as error:
        if error.response["Error"]["Code"] in _SIGN_IN_REJECTED and not chain.can_sign_in(pending):
            raise CannotSignInError from error
        raise


def _defer(record: Mapping[str, Any]) -> None:
    """Let SQS deliver the message again after a random delay. The maximum doubles with each delivery.

    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
    """
    received = int(record["attributes"]["ApproximateReceiveCount"])
    maximum = min(_MAX_BACKOFF_SECONDS, 2 ** min(received, 10))
    seconds = random.randint(1, maximum)  # noqa: S311 - jitter, not a secret
    try:
        _queue_runner.run(
            lambda sqs: sqs.change_message_visibility(
                QueueUrl=_QUEUE_URL, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=seconds
            ),
            _QUEUE_SECONDS,
        )
    except (BotoCoreError, ClientError, DeadlineExceededError):
        return  # SQS delivers it again after the queue's own visibility timeout


def _dead_letter(sqs: SQSClient, record: Mapping[str, Any], reason: str) -> None:
    sqs.send_message(
        QueueUrl=_DEAD_LETTER_QUEUE_URL,
        MessageBody=record["body"],
        MessageAttributes={"Reason": {"DataType": "String", "StringValue": reason}},
    )["MessageId"]
