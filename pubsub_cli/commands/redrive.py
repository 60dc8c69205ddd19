"""``pubsub redrive``: move dead letters back to the retry queue."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from pubsub_cli import options
from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import aws_errors_explained
from pubsub_cli.confirm import check_can_confirm, confirm
from pubsub_cli.errors import ExitCode, PreconditionError
from pubsub_cli.finding import Finding, OperationError, failed
from pubsub_cli.operations.dead_letters import (
    MOST,
    DeadLetter,
    HeldDeadLetters,
    RetryQueues,
    held_dead_letters,
    wait_until_worked_off,
)
from pubsub_cli.output import CommandResult, emit
from pubsub_cli.signals import interrupt_on_sigterm
from pubsub_client._printable import one_line

_DEFAULT_MOST = 10_000
_NO_REASON = "none told: SQS took it from the worker after its last try"
_HELP = "See docs/operations.md#dead-letters."


def redrive(
    stack: options.Stack = options.DEFAULT_STACK,
    environment: options.Environment = None,
    profile: options.Profile = None,
    region: options.Region = None,
    endpoint_url: options.EndpointUrl = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell how many there are, and why.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    most: Annotated[
        int, typer.Option("--max", metavar="N", min=1, max=MOST, help="Look at and move so many at most.")
    ] = _DEFAULT_MOST,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the retry queue is worked off, for --timeout at most.")
    ] = False,
    json: options.Json = False,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    redact: options.Redact = False,
    verbose: Annotated[
        bool, typer.Option(help="Name the users, unless --redact; show what the AWS SDK logs, on standard error.")
    ] = False,
) -> None:
    """Move messages from the dead-letter queue back to the retry queue."""
    if dry_run and wait:
        raise typer.BadParameter("--dry-run moves nothing, so there is nothing to --wait for")
    check_can_confirm(yes=yes or dry_run, alternative="give --yes, or --dry-run")
    options.log_if(verbose)
    aws = Aws(profile, region, endpoint_url)
    name = options.stack_name(stack, environment)
    run = _Redrive(most=most, patience=timeout if wait else None, names=verbose and not redact, json=json)
    interrupt_on_sigterm()

    failure: Finding | None = None
    try:
        with aws_errors_explained(aws, name):
            failure = run.run(RetryQueues.find(aws, name), dry_run=dry_run, ask=not yes)
    except OperationError as error:
        failure = error.finding
    except KeyboardInterrupt:
        print(f"pubsub: interrupted; {len(run.moved)} moved, what was not is a dead letter still", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from None

    emit(
        CommandResult(run.lines, run.members(), failure),
        options.RunOptions.of("redrive", aws, name, json=json, redact=redact),
    )


@dataclass
class _Redrive:
    """One run: what it was asked for, and what it has found and done so far."""

    most: int
    patience: float | None
    """Seconds to wait until the retry queue is worked off; None does not wait."""
    names: bool
    json: bool

    found: Sequence[DeadLetter] = ()
    moved: list[DeadLetter] = field(default_factory=list)
    waiting: int | None = None
    """Messages in the retry queue when the waiting was over."""
    failed_again: Sequence[DeadLetter] | None = None
    lines: list[str] = field(default_factory=list)
    """What is left to be said at the end."""

    def run(self, queues: RetryQueues, *, dry_run: bool, ask: bool) -> Finding | None:
        """Look, ask, move, wait; return what came out wrong."""
        with held_dead_letters(queues, self.most) as held:
            self.found = held.letters
            self._show(f"{_count(self.found, 'dead letter')} in {queues.dead_letter_queue_url}{self._or_more()}")
            self._show(*(f"  {line}" for line in self._reasons_in_lines(self.found)))
            if dry_run or not self.found:
                return None
            if ask:
                self._ask()
            self._move(held)
        if self.patience is None:
            self.lines.append("The worker tries them again; `pubsub redrive --dry-run` tells which come back.")
            return None
        return self._wait(queues, self.patience)

    def members(self) -> dict[str, Any]:
        """Return what the JSON document says."""
        waited = None
        if self.failed_again is not None:
            waited = {"in_retry_queue": self.waiting, "failed_again": self._reasons(self.failed_again)}
        return {
            "dead_letters": {
                "count": len(self.found),
                "more": len(self.found) == self.most,
                "reasons": self._reasons(self.found),
            },
            "moved": len(self.moved),
            "waited": waited,
        }

    def _ask(self) -> None:
        if not confirm("Move them to the retry queue?", self._stream):
            raise PreconditionError("nothing is moved")

    def _move(self, held: HeldDeadLetters) -> None:
        for letter in held.move():
            self.moved.append(letter)
        self._show(f"{_count(self.moved, 'message')} moved to the retry queue")

    def _wait(self, queues: RetryQueues, patience: float) -> Finding | None:
        """Wait, and find out which are dead again."""
        self.waiting = wait_until_worked_off(queues, patience)
        bodies = {letter.body for letter in self.moved}
        with held_dead_letters(queues) as held:
            self.failed_again = [letter for letter in held.letters if letter.body in bodies]
        if self.failed_again:
            reasons = "; ".join(self._reasons_in_lines(self.failed_again))
            return failed(
                f"{len(self.failed_again)} of {len(self.moved)} came back as dead letters: {reasons}.",
                resource=queues.dead_letter_queue_url,
                fix=f"Mend the cause first. {_HELP}",
            )
        if self.waiting:
            return failed(
                f"After {patience:g} s about {self.waiting} message(s) are in the retry queue still, "
                "where the worker goes on trying.",
                resource=queues.retry_queue_url,
                fix=f"Give --timeout more seconds, or look at why it puts them off. {_HELP}",
            )
        self.lines.append("The retry queue is empty, and none of them is a dead letter again.")
        return None

    def _reasons(self, letters: Iterable[DeadLetter]) -> list[dict[str, Any]]:
        """Return reasons with their counts, the most frequent first."""
        letters = tuple(letters)
        return [
            {"reason": reason, "count": count, "users": self._users(letters, reason)}
            for reason, count in Counter(letter.reason for letter in letters).most_common()
        ]

    def _reasons_in_lines(self, letters: Iterable[DeadLetter]) -> list[str]:
        return [
            f"{each['count']} x {each['reason'] or _NO_REASON}"
            + (f" ({', '.join(each['users'])})" if each["users"] else "")
            for each in self._reasons(letters)
        ]

    def _users(self, letters: Iterable[DeadLetter], reason: str | None) -> list[str] | None:
        """Return whom they are owed to; None unless the names are asked for."""
        if not self.names:
            return None
        return sorted({each.user_name for each in letters if each.reason == reason and each.user_name is not None})

    def _or_more(self) -> str:
        return " (as many as --max; there may be more)" if len(self.found) == self.most else ""

    def _show(self, *lines: str) -> None:
        """Say what is known so far, before anything is asked or waited for."""
        for line in lines:
            print(one_line(line), file=self._stream, flush=True)

    @property
    def _stream(self) -> Any:
        return sys.stderr if self.json else sys.stdout


def _count(letters: Sequence[DeadLetter], what: str) -> str:
    return f"{len(letters)} {what}{'' if len(letters) == 1 else 's'}"
