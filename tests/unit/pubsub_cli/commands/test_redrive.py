"""What `pubsub redrive` reports of an SQS task that did not complete."""

from __future__ import annotations

import pytest

from pubsub_cli.aws import Aws
from pubsub_cli.commands.redrive import _Redrive
from pubsub_cli.finding import OperationError
from pubsub_cli.operations.dead_letters import MoveTask, RetryQueues
from pubsub_cli.options import RunOptions


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
