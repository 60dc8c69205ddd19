"""``pubsub redrive``: move messages from the dead-letter queue back to the retry queue."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from pubsub_cli import options
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Finding, OperationError, failed, operation_error
from pubsub_cli.operations.dead_letters import MAX_READ, DeadLetter, MoveTask, RetryQueues
from pubsub_cli.output import CommandResult, emit
from pubsub_cli.signals import exit_if_interrupted, interrupt_on_sigterm
from pubsub_cli.terminal import check_can_confirm, confirm
from pubsub_client._printable import one_line

_NO_REASON = "no reason recorded: SQS moved it after the last try"
_SEE = "The runbook is in the repository: docs/how-to/operate.md#dead-letters"


def redrive(
    target: options.StackOptions,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the messages and show their reasons.")] = False,
    yes: options.Yes = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait up to --timeout until the retry queue is empty.")] = False,
    timeout: options.WaitTimeout = None,
    json: options.Json = False,
    redact: options.Redact = False,
) -> None:
    """Move messages from the dead-letter queue back to the retry queue.

    An SQS task moves all messages, and the worker tries the attachments again. If you interrupt this command, the task
    continues. Run the command again to see its progress. --verbose also shows the users of the messages.

    Examples:
      pubsub redrive --dry-run
      pubsub redrive --yes --wait
    """
    seconds = options.seconds_to_wait(wait, timeout)
    if dry_run and seconds:
        raise typer.BadParameter("--dry-run cannot be combined with --wait and --timeout")
    check_can_confirm(yes=yes or dry_run, alternative="give --yes, or --dry-run")
    run = target.start("redrive", json=json, redact=redact)
    work = _Redrive(run, show_users=target.verbose and not redact)
    interrupt_on_sigterm()
    failure: Finding | None = None
    try:
        with exit_if_interrupted(lambda: work.state), aws_errors_explained(target.aws, run.stack):
            queues = RetryQueues.find(target.aws, run.stack)
            if work.read(queues) and not dry_run:
                if not yes and not confirm("Move them to the retry queue?", work.stream):
                    raise PreconditionError("no message was moved")
                work.move(queues)
                failure = work.wait(queues, seconds) if seconds else None
    except OperationError as error:
        failure = error.finding
    emit(CommandResult(work.lines, work.members(), failure), run)


@dataclass
class _Redrive:
    """The steps of a run, and their results."""

    run: options.RunOptions
    show_users: bool
    found: Sequence[DeadLetter] = ()
    task: MoveTask | None = None
    waiting: int | None = None
    """The number of messages in the retry queue at the end of the wait."""
    failed_again: Sequence[DeadLetter] | None = None
    lines: list[str] = field(default_factory=list)
    """The lines to print at the end."""

    def read(self, queues: RetryQueues) -> bool:
        """Show the dead letters and their reasons. Return whether there are any."""
        self.found = queues.read_dead_letters()
        more = f" (only the first {MAX_READ} were read)" if self._is_truncated else ""
        self.show(f"{_count(len(self.found), 'dead letter')} in {queues.dead_letter_queue_url}{more}")
        self.show(*(f"  {line}" for line in self._reason_lines(self.found)))
        return bool(self.found)

    def move(self, queues: RetryQueues) -> None:
        """Move the dead letters.

        Raises:
            OperationError: SQS did not complete the task.
        """
        for self.task in queues.move_dead_letters():
            pass
        self.show(f"{_count(self._moved, 'message')} moved to the retry queue")
        if self.task and self.task.status != "COMPLETED":
            reason = f": {self.task.failure}" if self.task.failure else ""
            raise operation_error(
                f"The SQS task that moves the messages ended as {self.task.status}{reason}.",
                resource=queues.dead_letter_queue_url,
                fix="No message is lost: run `pubsub redrive` again.",
            )
        self.lines.append("The worker tries them again. To see which fail again: pubsub redrive --dry-run")

    def wait(self, queues: RetryQueues, seconds: float) -> Finding | None:
        """Wait until the retry queue is empty; return a failure if messages failed again or remained."""
        self.waiting = queues.wait_until_empty(seconds)
        bodies = {letter.body for letter in self.found}
        self.failed_again = [letter for letter in queues.read_dead_letters() if letter.body in bodies]
        if self.failed_again:
            reasons = "; ".join(self._reason_lines(self.failed_again))
            return failed(
                f"{len(self.failed_again)} of {self._moved} failed again: {reasons}.",
                resource=queues.dead_letter_queue_url,
                fix=f"Fix the cause first. {_SEE}",
            )
        if self.waiting:
            return failed(
                f"After {seconds:g} s about {_count(self.waiting, 'message')} remained in the retry queue. The worker "
                "continues to try.",
                resource=queues.retry_queue_url,
                fix=f"Give a longer --timeout, or check why the worker defers them. {_SEE}",
            )
        self.lines = ["The retry queue is empty, and no message failed again."]
        return None

    def members(self) -> dict[str, Any]:
        """Return the members of the JSON document."""
        waited = None
        if self.failed_again is not None:
            waited = {"in_retry_queue": self.waiting, "failed_again": self._reasons(self.failed_again)}
        reasons = self._reasons(self.found)
        return {
            "dead_letters": {"count": len(self.found), "more": self._is_truncated, "reasons": reasons},
            "moved": self._moved,
            "waited": waited,
        }

    @property
    def state(self) -> str:
        """The state after an interrupt."""
        if self.task is None:
            return "no message was moved"
        if self.task.has_ended or self.task.handle is None:
            return f"{_count(self._moved, 'message')} moved to the retry queue"
        cancel = f"aws sqs cancel-message-move-task --task-handle {self.task.handle}{self.run.cli_options}"
        return f"the task continues in AWS; to cancel it: {cancel}"

    @property
    def stream(self) -> Any:
        """The stream for progress and prompt."""
        return sys.stderr if self.run.json else sys.stdout

    def show(self, *lines: str) -> None:
        """Show lines immediately."""
        for line in lines:
            print(one_line(line), file=self.stream, flush=True)

    @property
    def _moved(self) -> int:
        return self.task.moved if self.task else 0

    @property
    def _is_truncated(self) -> bool:
        return len(self.found) == MAX_READ

    def _reasons(self, letters: Sequence[DeadLetter]) -> list[dict[str, Any]]:
        """Return the reasons with their counts, the most frequent first."""
        return [
            {"reason": reason, "count": count, "users": self._users(letters, reason)}
            for reason, count in Counter(letter.reason for letter in letters).most_common()
        ]

    def _reason_lines(self, letters: Sequence[DeadLetter]) -> list[str]:
        return [
            f"{each['count']} x {each['reason'] or _NO_REASON}"
            + (f" ({', '.join(each['users'])})" if each["users"] else "")
            for each in self._reasons(letters)
        ]

    def _users(self, letters: Iterable[DeadLetter], reason: str | None) -> list[str] | None:
        if not self.show_users:
            return None
        return sorted({each.user_name for each in letters if each.reason == reason and each.user_name is not None})


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
