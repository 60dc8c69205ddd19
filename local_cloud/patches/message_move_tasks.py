"""StartMessageMoveTask and ListMessageMoveTasks, which ministack lacks: a task moves dead letters to another queue.

The patch ``permissions`` requires the permissions of a move. Without ``DestinationArn`` AWS moves each message to its
source queue, which is not supported here.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ministack.core import iam_actions
from ministack.services import sqs

_OPERATIONS = {"StartMessageMoveTask", "ListMessageMoveTasks"}
_SECONDS_PER_MESSAGE = 0.002
_MAX_LISTED = 10


@dataclass
class _Task:
    source_arn: str
    destination_arn: str
    to_move: int
    moved: int = 0
    status: str = "RUNNING"
    started: int = field(default_factory=lambda: int(time.time() * 1000))
    handle: str = field(default_factory=lambda: str(uuid.uuid4()))

    def as_result(self) -> dict[str, Any]:
        running = {"TaskHandle": self.handle} if self.status == "RUNNING" else {}
        return running | {
            "Status": self.status,
            "SourceArn": self.source_arn,
            "DestinationArn": self.destination_arn,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": self.started,
        }


_tasks: list[_Task] = []
"""All tasks, the newest first."""
_background: set[asyncio.Task[None]] = set()


def install() -> None:
    """Add the operations, and authorize them on their queue."""
    sqs._HANDLERS |= {"StartMessageMoveTask": _start, "ListMessageMoveTasks": _list}
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, *request: Any
    ) -> str:
        arn: str = extract(service, method, path, headers, body, *request)
        if service != "sqs" or headers.get("x-amz-target", "").rpartition(".")[2] not in _OPERATIONS:
            return arn
        return str(json.loads(body or b"{}").get("SourceArn", arn))

    iam_actions.extract_resource_arn = extract_resource_arn


def _start(values: Mapping[str, Any], _url: str) -> dict[str, str]:
    source_arn, destination_arn = values["SourceArn"], values.get("DestinationArn")
    source = _queue(source_arn)
    policies = [json.loads(each["attributes"].get("RedrivePolicy", "{}")) for each in sqs._queues.values()]
    if source_arn not in {each.get("deadLetterTargetArn") for each in policies}:
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    if destination_arn is None:
        raise sqs._Err("UnsupportedOperation", "The local cloud needs a DestinationArn.")
    if any(each.source_arn == source_arn and each.status == "RUNNING" for each in _tasks):
        raise sqs._Err("UnsupportedOperation", "There is already a task running for this source queue.")
    task = _Task(source_arn, destination_arn, len(_visible(source)))
    destination_url = _queue(destination_arn)["url"]
    _tasks.insert(0, task)
    moving = asyncio.get_running_loop().create_task(_move(task, source, destination_url))
    _background.add(moving)
    moving.add_done_callback(_background.discard)
    return {"TaskHandle": task.handle}


async def _move(task: _Task, source: dict[str, Any], destination_url: str) -> None:
    for message in _visible(source):
        await asyncio.sleep(_SECONDS_PER_MESSAGE)
        if message in source["messages"]:
            source["messages"].remove(message)
            attributes = message["message_attributes"]
            sqs._act_send_message({"MessageBody": message["body"], "MessageAttributes": attributes}, destination_url)
            task.moved += 1
    task.status = "COMPLETED"


def _list(values: Mapping[str, Any], _url: str) -> dict[str, Any]:
    _queue(values["SourceArn"])
    found = [each.as_result() for each in _tasks if each.source_arn == values["SourceArn"]]
    return {"Results": found[: min(int(values.get("MaxResults") or 1), _MAX_LISTED)]}


def _queue(arn: str) -> dict[str, Any]:
    queue: dict[str, Any] | None = sqs._queue_by_arn(arn)
    if queue is None:
        raise sqs._Err("ResourceNotFoundException", f"There is no queue {arn}.", 404)
    return queue


def _visible(queue: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [each for each in queue["messages"] if each["visible_at"] <= time.time()]
