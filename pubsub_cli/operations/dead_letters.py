"""The messages in the dead-letter queue, and the SQS task that moves them back to the retry queue."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pubsub_cli.aws import Aws
from pubsub_cli.checks.operations import messages_in
from pubsub_cli.errors import PreconditionError
from pubsub_cli.stack import read_outputs
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import ListMessageMoveTasksResultEntryTypeDef, MessageTypeDef

MAX_READ = 10_000
"""At most this many messages are read for their reasons. A move has no limit."""

_BATCH = 10
_HIDDEN_SECONDS = 600
# A long poll queries all servers of the queue, so an empty response means that no message is visible.
_LONG_POLL_SECONDS = 1
_POLL_SECONDS = 1.0
# The counts of SQS are approximate, so the queue is empty only if several agree.
_EMPTY_COUNTS = 4
_UNFINISHED = {"RUNNING", "CANCELLING"}


@dataclass(frozen=True)
class DeadLetter:
    """A message in the dead-letter queue.

    Args:
        body: the pending attachment, as JSON.
        reason: why the worker moved it there; None if SQS moved it after the last try. If SQS moves a message again
            after a redrive, the message still has the first reason.
    """

    body: str
    reason: str | None

    @property
    def user_name(self) -> str | None:
        """The user of the pending attachment; None if the message is not from the stack."""
        try:
            name = json.loads(self.body)["userName"]
        except (ValueError, KeyError, TypeError):
            return None
        return name if isinstance(name, str) else None


@dataclass(frozen=True)
class MoveTask:
    """An SQS task that moves messages. It has a handle only while it runs."""

    handle: str | None
    status: str
    moved: int
    failure: str | None
    started: int

    @classmethod
    def of(cls, entry: ListMessageMoveTasksResultEntryTypeDef) -> Self:
        """Read an entry of ListMessageMoveTasks."""
        return cls(
            entry.get("TaskHandle"),
            entry["Status"],
            entry.get("ApproximateNumberOfMessagesMoved", 0),
            entry.get("FailureReason"),
            entry.get("StartedTimestamp", 0),
        )

    @property
    def has_ended(self) -> bool:
        """Whether the task has ended."""
        return self.status not in _UNFINISHED


@dataclass(frozen=True)
class RetryQueues:
    """The retry queue and its dead-letter queue."""

    sqs: SQSClient
    retry_queue_url: str
    dead_letter_queue_url: str
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def find(cls, aws: Aws, stack: str) -> Self:
        """Read the queues' URLs from the stack's outputs.

        Raises:
            PreconditionError: there is no such stack, it has no retry queue, or AWS cannot be reached.
        """
        outputs = read_outputs(aws, stack)
        try:
            return cls(aws.queues, outputs[Output.RETRY_QUEUE_URL], outputs[Output.DEAD_LETTER_QUEUE_URL])
        except KeyError:
            raise PreconditionError(
                f"stack {stack} has no retry queue: its setting attachment is self-attach, or it is of an older version"
            ) from None

    def read_dead_letters(self, limit: int = MAX_READ) -> list[DeadLetter]:
        """Read up to ``limit`` messages of the dead-letter queue, and make them visible again.

        While they are read, other readers do not see them. If the connection is lost, SQS makes them visible after ten
        minutes.
        """
        read: dict[str, MessageTypeDef] = {}
        try:
            while (room := limit - len(read)) > 0:
                messages = self.sqs.receive_message(
                    QueueUrl=self.dead_letter_queue_url,
                    MaxNumberOfMessages=min(_BATCH, room),
                    MessageAttributeNames=["Reason"],
                    VisibilityTimeout=_HIDDEN_SECONDS,
                    WaitTimeSeconds=_LONG_POLL_SECONDS,
                ).get("Messages", [])
                if not messages:
                    break
                read |= {message["MessageId"]: message for message in messages}
        finally:
            self._show_again([*read.values()])
        return [DeadLetter(each["Body"], _reason(each)) for each in read.values()]

    def move_dead_letters(self) -> Iterator[MoveTask]:
        """Move all dead letters to the retry queue by a task, or follow the running task; yield it until it ends.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
        """
        source, destination = self._arn(self.dead_letter_queue_url), self._arn(self.retry_queue_url)
        previous = self._latest_task(source)
        started_after = -1
        if previous is None or previous.has_ended:
            started_after = previous.started if previous else -1
            self.sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
        while True:
            task = self._latest_task(source)
            if task and task.started > started_after:  # otherwise the new task is not listed yet
                yield task
                if task.has_ended:
                    return
            self.sleep(_POLL_SECONDS)

    def wait_until_empty(self, seconds: float) -> int:
        """Wait up to ``seconds`` until the retry queue is empty; return the approximate number of its messages."""
        deadline = time.monotonic() + seconds
        counts_left = _EMPTY_COUNTS
        while True:
            waiting = messages_in(self.sqs, self.retry_queue_url)
            counts_left = _EMPTY_COUNTS if waiting else counts_left - 1
            if counts_left == 0 or time.monotonic() > deadline:
                return waiting
            self.sleep(_POLL_SECONDS)

    def _arn(self, url: str) -> str:
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def _latest_task(self, source_arn: str) -> MoveTask | None:
        tasks = self.sqs.list_message_move_tasks(SourceArn=source_arn, MaxResults=1).get("Results", [])
        return MoveTask.of(tasks[0]) if tasks else None

    def _show_again(self, messages: Sequence[MessageTypeDef]) -> None:
        for start in range(0, len(messages), _BATCH):
            self.sqs.change_message_visibility_batch(
                QueueUrl=self.dead_letter_queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                    for number, message in enumerate(messages[start : start + _BATCH])
                ],
            )


def _reason(message: MessageTypeDef) -> str | None:
    attributes = message.get("MessageAttributes", {})
    return attributes["Reason"].get("StringValue") if "Reason" in attributes else None
