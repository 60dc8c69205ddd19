"""Worker of the retry queue: makes the attachments that a sign-in could not make.

What passes by itself is tried again, later each time and never all at once. What somebody must mend goes to the
dead-letter queue at once, where an alarm waits for it.
Batches: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from attachment.attach import Chain
from attachment.deadline import DeadlineExceededError, WorkWithDeadline
from attachment.errors import AttachmentPausedError, CannotSignInError, SelfAttachRequiredError
from attachment.limits import LIMITS
from attachment.owed import Owed
from attachment.pace import Pace
from attachment.passing import is_throttled, passes
from attachment.report import cause, report
from attachment.retry_queue import OwedQueue
from attachment.sdk_session import guarded_session

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from types_boto3_sqs import SQSClient

_QUEUE_URL = os.environ["RETRY_QUEUE_URL"]
_DEAD_LETTER_QUEUE_URL = os.environ["DEAD_LETTER_QUEUE_URL"]
_STACK = os.environ["STACK_NAME"]
_SECONDS_EACH = 8.0
_QUEUE_SECONDS = 4.0
_SPARE_SECONDS = 5.0
# Throttled, a message waits for the next turns before it goes back: these keep to the rate, so they hurt nobody.
_TURNS = 5
# Cognito's for a user who cannot sign in, and for other causes too.
_REFUSALS = {"NotAuthorizedException", "PasswordResetRequiredException", "UserNotFoundException"}
_LONGEST_BACKOFF_SECONDS = 900

_pace = Pace(own=float(os.environ["ATTACH_PER_SECOND_THROTTLED"]), whole=float(os.environ["ATTACH_PER_SECOND"]))


class _Attaching:
    """The chain, and the queue that proves what a message says."""

    def __init__(self, abandoned: threading.Event) -> None:
        session = guarded_session(abandoned)
        self.chain, self.queue = Chain(session), OwedQueue(session)


def _make_sqs(abandoned: threading.Event) -> SQSClient:
    return guarded_session(abandoned).client("sqs", config=LIMITS)


_attaching = WorkWithDeadline(_Attaching)
_queueing = WorkWithDeadline(_make_sqs)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Work a batch off; answer which messages are to come again."""
    again = []
    for record in event["Records"]:
        if context.get_remaining_time_in_millis() < (_SECONDS_EACH + _SPARE_SECONDS) * 1000:
            again.append(record)
            continue
        started = time.monotonic()
        outcome, reason = _settle(record)
        if outcome == "Queued":
            again.append(record)
        report(
            outcome,
            source="retry",
            stack=_STACK,
            request_id=context.aws_request_id,
            seconds=time.monotonic() - started,
            reason=reason,
        )
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in again]}


def _settle(record: Mapping[str, Any]) -> tuple[str, str | None]:
    """Attach, or say what becomes of the message; return the outcome and the reason for it."""
    try:
        owed = Owed.parse(record["body"])
        return "Attached", _attaching.run(lambda work: _attach(work.chain, work.queue, owed), _SECONDS_EACH)
    except (SelfAttachRequiredError, CannotSignInError, AttachmentPausedError) as error:
        return "Skipped", cause(error)
    except Exception as error:  # noqa: BLE001 - each message stands for itself
        reason = cause(error)
        if passes(error):
            _put_off(record)
            return "Queued", reason
        try:
            _queueing.run(lambda sqs: _give_up(sqs, record, reason), _QUEUE_SECONDS)
        except (BotoCoreError, ClientError, KeyError, DeadlineExceededError) as no_queue:
            return "Queued", f"{reason}; not among the dead letters: {cause(no_queue)}"
        return "Failed", reason


def _attach(chain: Chain, queue: OwedQueue, owed: Owed) -> str | None:
    """Attach; return why the user could not be marked, if so."""
    chain.check_is_on()
    if not queue.is_proven(owed):
        _find_identity(chain, owed)
    turn = 1
    while True:
        _pace.wait()
        # Asked for as late as can be: the name may belong to another user by now.
        if not chain.can_sign_in(owed):
            raise CannotSignInError
        try:
            return chain.attach(owed)
        except ClientError as error:
            if not is_throttled(error):
                raise
            _pace.throttled()
            if turn == _TURNS:
                raise
        turn += 1


def _find_identity(chain: Chain, owed: Owed) -> None:
    try:
        chain.find_identity(owed)
    except ClientError as error:
        if error.response["Error"]["Code"] in _REFUSALS and not chain.can_sign_in(owed):
            raise CannotSignInError from error
        raise


def _put_off(record: Mapping[str, Any]) -> None:
    """Let the message come again after a random while, whose bound doubles each time.

    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
    """
    received = int(record["attributes"]["ApproximateReceiveCount"])
    bound = min(_LONGEST_BACKOFF_SECONDS, 2 ** min(received, 10))
    seconds = random.randint(1, bound)  # noqa: S311 - spreads load, keeps no secret
    try:
        _queueing.run(
            lambda sqs: sqs.change_message_visibility(
                QueueUrl=_QUEUE_URL, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=seconds
            ),
            _QUEUE_SECONDS,
        )
    except (BotoCoreError, ClientError, DeadlineExceededError):
        return  # it comes again all the same, once the queue's own time is over


def _give_up(sqs: SQSClient, record: Mapping[str, Any], reason: str) -> None:
    sqs.send_message(
        QueueUrl=_DEAD_LETTER_QUEUE_URL,
        MessageBody=record["body"],
        MessageAttributes={"Reason": {"DataType": "String", "StringValue": reason}},
    )["MessageId"]
