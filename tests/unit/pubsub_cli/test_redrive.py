"""The dead letters, the SQS task that moves them, and the messages of `pubsub redrive`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from pubsub_cli.aws import Aws
from pubsub_cli.commands.redrive import _Redrive
from pubsub_cli.finding import OperationError
from pubsub_cli.operations.dead_letters import DeadLetter, MoveTask, RetryQueues
from pubsub_cli.options import RunOptions

_RETRY, _DEAD = "https://sqs/retry", "https://sqs/dead"


@pytest.fixture
def sqs(aws: Aws) -> Iterator[Stubber]:
    with Stubber(aws.queues) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def queues(aws: Aws) -> RetryQueues:
    return RetryQueues(aws.queues, _RETRY, _DEAD, sleep=lambda _: None)


def _receive(sqs: Stubber, *numbers: int, room: int = 10) -> None:
    messages = [{"MessageId": f"m{each}", "Body": f"b{each}", "ReceiptHandle": f"r{each}"} for each in numbers]
    request = {
        "QueueUrl": _DEAD,
        "MaxNumberOfMessages": room,
        "MessageAttributeNames": ["Reason"],
        "VisibilityTimeout": 600,
        "WaitTimeSeconds": 1,
    }
    sqs.add_response("receive_message", {"Messages": messages} if messages else {}, request)


def _show_again(sqs: Stubber, *numbers: int) -> None:
    entries = [
        {"Id": str(index), "ReceiptHandle": f"r{number}", "VisibilityTimeout": 0}
        for index, number in enumerate(numbers)
    ]
    request = {"QueueUrl": _DEAD, "Entries": entries}
    sqs.add_response("change_message_visibility_batch", {"Successful": [], "Failed": []}, request)


def test_dead_letters_are_read_up_to_the_limit_and_shown_again(queues: RetryQueues, sqs: Stubber) -> None:
    _receive(sqs, *range(10))
    _receive(sqs, 10, room=1)
    _show_again(sqs, *range(10))
    _show_again(sqs, 10)
    assert [letter.body for letter in queues.read_dead_letters(11)] == [f"b{number}" for number in range(11)]


def test_dead_letters_are_shown_again_after_an_error(queues: RetryQueues, sqs: Stubber) -> None:
    _receive(sqs, 1)
    sqs.add_client_error("receive_message", "RequestThrottled")
    _show_again(sqs, 1)
    with pytest.raises(ClientError, match="RequestThrottled"):
        queues.read_dead_letters()


def _prepare_move(sqs: Stubber, *listed: dict[str, Any], start: bool = True) -> None:
    """Expect a move: before it starts the first task is listed, and then the others."""
    for name in ("dead", "retry"):
        sqs.add_response("get_queue_attributes", {"Attributes": {"QueueArn": f"arn:{name}"}})
    for number, task in enumerate(listed):
        request = {"SourceArn": "arn:dead", "MaxResults": 1}
        sqs.add_response("list_message_move_tasks", {"Results": [task] if task else []}, request)
        if number == 0 and start:
            task_arns = {"SourceArn": "arn:dead", "DestinationArn": "arn:retry"}
            sqs.add_response("start_message_move_task", {"TaskHandle": "h"}, task_arns)


def _task(status: str, started: int, moved: int = 0) -> dict[str, Any]:
    return {"Status": status, "StartedTimestamp": started, "ApproximateNumberOfMessagesMoved": moved}


@pytest.mark.parametrize("previous", [{}, _task("COMPLETED", 1, 7)])
def test_move_is_followed_once_it_is_listed(queues: RetryQueues, sqs: Stubber, previous: dict[str, Any]) -> None:
    _prepare_move(sqs, previous, previous, _task("RUNNING", 2, 1), _task("COMPLETED", 2, 3))
    tasks = [*queues.move_dead_letters()]
    assert [(each.status, each.moved) for each in tasks] == [("RUNNING", 1), ("COMPLETED", 3)]


def test_running_move_is_followed_instead_of_started_again(queues: RetryQueues, sqs: Stubber) -> None:
    _prepare_move(sqs, _task("RUNNING", 1), _task("COMPLETED", 1, 2), start=False)
    assert [each.moved for each in queues.move_dead_letters()] == [2]


def test_queue_is_empty_only_after_several_counts_agree(queues: RetryQueues, sqs: Stubber) -> None:
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    for counts in ((0, 0), (0, 0), (0, 3), (0, 0), (0, 0), (0, 0), (0, 0)):
        attributes = {name: str(count) for name, count in zip(names, counts, strict=True)}
        sqs.add_response("get_queue_attributes", {"Attributes": attributes})
    assert queues.wait_until_empty(60) == 0


@pytest.mark.parametrize("body", ["rubbish", "[]", "null", "{}", '{"userName": 7}'])
def test_dead_letter_from_elsewhere_has_no_user(body: str) -> None:
    assert DeadLetter(body, None).user_name is None


def test_redrive_reports_why_the_task_failed_and_how_many_it_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    task = MoveTask(None, "FAILED", 2, "AccessDenied", 1)
    monkeypatch.setattr(RetryQueues, "move_dead_letters", lambda _: iter([task]))
    redrive = _Redrive(RunOptions("redrive"), show_users=False)
    with pytest.raises(OperationError, match="ended as FAILED: AccessDenied"):
        redrive.move(RetryQueues(Aws(region="eu-west-1").queues, "https://sqs/retry", "https://sqs/dead"))
    assert redrive.members()["moved"] == 2


@pytest.mark.parametrize(
    ("task", "state"),
    [
        (None, "no message was moved"),
        (
            MoveTask("h", "RUNNING", 1, None, 1),
            "the task continues in AWS; to cancel it: aws sqs cancel-message-move-task --task-handle h --profile p",
        ),
        (MoveTask(None, "COMPLETED", 1, None, 1), "1 message moved to the retry queue"),
    ],
)
def test_interrupted_redrive_reports_the_state_of_the_move(task: MoveTask | None, state: str) -> None:
    assert _Redrive(RunOptions("redrive", cli_options=" --profile p"), show_users=False, task=task).state == state
