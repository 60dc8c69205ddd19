"""A run of checks as a command: each is shown as it ends, signals leave nothing behind, the result is reported."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer

from pubsub_cli.checks.check import Check
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.runner import Result, run_checks
from pubsub_cli.errors import ExitCode
from pubsub_cli.finding import Status
from pubsub_cli.output import TerminalConsole, write_atomically
from pubsub_cli.report import Progress, as_json, as_junit, exit_code
from pubsub_cli.run_options import RunOptions
from pubsub_cli.signals import cancel_on_sigterm
from pubsub_client._printable import one_line


@dataclass(frozen=True)
class CheckRun:
    """The results of a run of checks; ``not_removed`` lists what could not be removed after it."""

    results: Sequence[Result]
    sign_in_to_message: float | None
    not_removed: Sequence[str]
    interrupted: bool = False

    @property
    def bad(self) -> list[Result]:
        """The failed and unknown checks, in order."""
        return [each for each in self.results if each.finding.status in (Status.FAILED, Status.UNKNOWN)]

    @property
    def counts(self) -> Counter[Status]:
        """The number of checks by status."""
        return Counter(each.finding.status for each in self.results)

    @property
    def summary(self) -> str:
        """The counts in words."""
        counts = self.counts
        return ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])

    @property
    def seconds(self) -> float:
        """The time that the checks took."""
        return sum(each.seconds for each in self.results)


def show_check_run(
    run: RunOptions,
    make_context: Callable[[AsyncExitStack], Context],
    select: Callable[[Context], Sequence[type[Check]]],
) -> CheckRun:
    """Run the selected checks, and show each as it ends.

    Raises:
        PreconditionError: the run cannot begin.
        typer.Exit: it was interrupted.
    """
    checked = asyncio.run(_run(run, make_context, select))
    for line in checked.not_removed:
        print(f"pubsub: could not be removed: {one_line(run.masked(line))}", file=sys.stderr)
    if checked.interrupted:
        print("pubsub: interrupted; everything that the run created is removed", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED)
    return checked


async def _run(
    run: RunOptions,
    make_context: Callable[[AsyncExitStack], Context],
    select: Callable[[Context], Sequence[type[Check]]],
) -> CheckRun:
    """Ctrl-C and SIGTERM end the checks early; the cleanup runs nevertheless."""
    cancel_on_sigterm()
    progress = Progress(TerminalConsole(stderr=run.json), run)
    results: list[Result] = []
    interrupted = False
    try:
        async with AsyncExitStack() as cleanup:
            context = make_context(cleanup)
            try:
                results = await run_checks(select(context), context, progress, skip=run.skip)
            except asyncio.CancelledError:
                interrupted = True
    finally:
        progress.stop()
    return CheckRun(results, context.sign_in_to_message, context.not_removed, interrupted)


def finish_check_run(run: RunOptions, checked: CheckRun, last_line: str, **members: Any) -> NoReturn:
    """Write the reports, and end the command.

    Args:
        run: the options.
        checked: the results.
        last_line: the last line for people.
        members: more members of the JSON document.

    Raises:
        typer.Exit: always, with the run's exit code.
        PreconditionError: the JUnit report cannot be written.
    """
    if run.json:
        print(as_json(run, checked.results, **members), end="")
    if run.junit:
        write_atomically("--junit", run.junit, as_junit(run, checked.results))
    show_line(run, last_line)
    raise typer.Exit(ExitCode.CHECK_FAILED if checked.not_removed else exit_code(checked.results))


def show_line(run: RunOptions, line: str) -> None:
    """Show a line for people between or after the checks."""
    TerminalConsole(stderr=run.json).print(run.masked(line), soft_wrap=True)


def check_ids(option: str, ids: Collection[str], known: Collection[type[Check]]) -> None:
    """Check that the ids of an option exist.

    Raises:
        typer.BadParameter: one does not.
    """
    if unknown := sorted(set(ids) - {check.id for check in known}):
        raise typer.BadParameter(f"{option}: there is no check {', '.join(unknown)}; see docs/checks.md")


def check_junit(junit: Path | None) -> None:
    """Check that the directory of the JUnit report exists.

    Raises:
        typer.BadParameter: it does not.
    """
    if junit is not None and not junit.parent.is_dir():
        raise typer.BadParameter(f"--junit: there is no directory {junit.parent}")
