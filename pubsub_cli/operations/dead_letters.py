"""The dead letters: attachments that the retry queue's worker gave up, and their way back to it.

A message that is read is invisible to everybody for a while. So who looks at the dead letters holds them: nobody else
moves the same ones meanwhile, and what is not moved is let go at once. Broken off without that, by a lost connection
say, they come back by themselves after :data:`HOLD_SECONDS`.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import AWS_ERRORS
from pubsub_cli.checks.queue import messages_in
from pubsub_cli.checks.stack import read_outputs
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import operation_error
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef, MessageTypeDef

HOLD_SECONDS = 600
"""Time to read ten thousand dead letters, to be asked, and to move them; what is held longer may be moved twice."""
MOST = 100_000
"""How many can be held at once: SQS lets 120,000 messages of a queue be invisible."""

_BATCH = 10
# A long poll asks all of a queue's servers, so its empty answer means that there is nothing more to see.
_LONG_POLL_SECONDS = 1
_LOOK_EVERY_SECONDS = 1.0
# SQS counts approximately, and a message can be between two counts.
_LOOKS_THAT_AGREE = 4


@dataclass(frozen=True)
class RetryQueues:
    """The retry queue and its dead-letter queue."""

    sqs: SQSClient
    retry_queue_url: str
    dead_letter_queue_url: str

    @classmethod
    def find(cls, aws: Aws, stack: str) -> Self:
        """Read the queues' addresses from the stack's outputs.

        Raises:
            PreconditionError: there is no such stack, it has no retry queue, or AWS cannot be reached.
            botocore.exceptions.ClientError: the outputs may not be read.
        """
        outputs = read_outputs(aws, stack)
        try:
            return cls(aws.queues, outputs[Output.RETRY_QUEUE_URL], outputs[Output.DEAD_LETTER_QUEUE_URL])
        except KeyError:
            raise PreconditionError(
                f"stack {stack} has no retry queue, so no dead letters: its setting attachment is self-attach, "
                "or it is of an older version"
            ) from None


@dataclass(frozen=True)
class DeadLetter:
    """An attachment that the worker gave up."""

    message_id: str
    body: str
    receipt_handle: str
    reason: str | None
    """What the worker gave up for; None of one that SQS took from it after the last try."""

    @property
    def user_name(self) -> str | None:
        """The user it is owed to; None of a message that is none of ours."""
        try:
            name = json.loads(self.body)["userName"]
        except (ValueError, KeyError, TypeError):
            return None
        return name if isinstance(name, str) else None


class HeldDeadLetters:
    """Dead letters that nobody else sees while they are held; made by :func:`held_dead_letters`."""

    def __init__(self, queues: RetryQueues) -> None:
        self._queues = queues
        self._letters: dict[str, DeadLetter] = {}

    @property
    def letters(self) -> Sequence[DeadLetter]:
        """Those still held."""
        return tuple(self._letters.values())

    def receive(self, most: int) -> None:
        """Read and hold up to ``most`` dead letters, all there are if there are fewer."""
        while (room := most - len(self._letters)) > 0:
            messages = self._queues.sqs.receive_message(
                QueueUrl=self._queues.dead_letter_queue_url,
                MaxNumberOfMessages=min(_BATCH, room),
                MessageAttributeNames=["Reason"],
                VisibilityTimeout=HOLD_SECONDS,
                WaitTimeSeconds=_LONG_POLL_SECONDS,
            ).get("Messages", [])
            if not messages:
                return
            self._letters |= {letter.message_id: letter for letter in map(_read, messages)}

    def move(self) -> Iterator[DeadLetter]:
        """Move what is held to the retry queue, and yield each that has been moved.

        It is sent before it is deleted: broken off in between, it is in both queues, and attaching twice does no harm.

        Raises:
            OperationError: one could not be sent, or not be deleted.
            botocore.exceptions.ClientError: AWS refuses.
        """
        for batch in _batches(self.letters):
            by_id = {str(number): letter for number, letter in enumerate(batch)}
            sent = self._queues.sqs.send_message_batch(
                QueueUrl=self._queues.retry_queue_url,
                Entries=[{"Id": number, "MessageBody": letter.body} for number, letter in by_id.items()],
            )
            moved = [entry["Id"] for entry in sent.get("Successful", [])]
            if moved:
                deleted = self._queues.sqs.delete_message_batch(
                    QueueUrl=self._queues.dead_letter_queue_url,
                    Entries=[{"Id": number, "ReceiptHandle": by_id[number].receipt_handle} for number in moved],
                )
                for entry in deleted.get("Successful", []):
                    yield self._letters.pop(by_id[entry["Id"]].message_id)
                self._check(deleted.get("Failed", []), "were sent to the retry queue, but are dead letters still")
            self._check(sent.get("Failed", []), "could not be sent to the retry queue, and are dead letters still")

    def release(self) -> None:
        """Let everybody see what is still held."""
        for batch in _batches(self.letters):
            self._queues.sqs.change_message_visibility_batch(
                QueueUrl=self._queues.dead_letter_queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": letter.receipt_handle, "VisibilityTimeout": 0}
                    for number, letter in enumerate(batch)
                ],
            )

    def _check(self, failed: Sequence[BatchResultErrorEntryTypeDef], what: str) -> None:
        if failed:
            codes = sorted({entry["Code"] for entry in failed})
            raise operation_error(
                f"{len(failed)} message(s) {what}: {', '.join(codes)}.",
                resource=self._queues.dead_letter_queue_url,
                fix="Nothing is lost: run `pubsub redrive` again.",
            )


@contextmanager
def held_dead_letters(queues: RetryQueues, most: int = MOST) -> Iterator[HeldDeadLetters]:
    """Hold up to ``most`` dead letters in this block; those still held when it ends are let go.

    Raises:
        botocore.exceptions.ClientError: they may not be read, or not be let go.
    """
    held = HeldDeadLetters(queues)
    try:
        held.receive(most)
        yield held
    except BaseException:
        with suppress(*AWS_ERRORS):
            held.release()
        raise
    held.release()


def wait_until_worked_off(queues: RetryQueues, seconds: float) -> int:
    """Wait until the retry queue is empty, for so many seconds at most; return about how many messages it holds."""
    deadline = time.monotonic() + seconds
    looks_left = _LOOKS_THAT_AGREE
    while True:
        waiting = messages_in(queues.sqs, queues.retry_queue_url)
        looks_left = _LOOKS_THAT_AGREE if waiting else looks_left - 1
        if looks_left == 0 or time.monotonic() > deadline:
            return waiting
        time.sleep(_LOOK_EVERY_SECONDS)


def _read(message: MessageTypeDef) -> DeadLetter:
    attributes = message.get("MessageAttributes", {})
    reason = attributes["Reason"].get("StringValue") if "Reason" in attributes else None
    return DeadLetter(message["MessageId"], message["Body"], message["ReceiptHandle"], reason)


def _batches(letters: Sequence[DeadLetter]) -> Iterator[Sequence[DeadLetter]]:
    return (letters[start : start + _BATCH] for start in range(0, len(letters), _BATCH))
