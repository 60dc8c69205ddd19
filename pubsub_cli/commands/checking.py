"""A run of checks as a command: shown as it goes, ended by signals without leaving anything behind, reported."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from pubsub_cli.checks.check import Check
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.runner import Result, run_checks
from pubsub_cli.commands.console import TerminalConsole
from pubsub_cli.commands.exit_code import ExitCode
from pubsub_cli.commands.interrupting import cancel_on_sigterm
from pubsub_cli.commands.junit import as_junit
from pubsub_cli.commands.replacing import replace_file
from pubsub_cli.commands.report import Progress, as_json, exit_code
from pubsub_cli.commands.told import redacted
from pubsub_cli.finding import Status
from pubsub_client._printable import one_line


@dataclass(frozen=True)
class Run:
    """What a run came to."""

    results: Sequence[Result]
    sign_in_to_message: float | None
    not_removed: Sequence[str]
    interrupted: bool
    seconds: float

    @property
    def bad(self) -> list[Result]:
        """What failed or could not be told, in order."""
        return [each for each in self.results if each.finding.status in (Status.FAILED, Status.UNKNOWN)]

    @property
    def counts(self) -> Counter[Status]:
        """How many checks ended how."""
        return Counter(each.finding.status for each in self.results)

    @property
    def told_counts(self) -> str:
        """The same in words."""
        counts = self.counts
        return ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])


@dataclass(frozen=True)
class Checking:
    """A command that runs checks.

    Args:
        name: the command's name.
        stack: the stack, or what else stands for the deployment in reports.
        region: its region.
        json: whether standard output is the JSON document alone.
        junit: where the JUnit report goes.
        redact: mask identity ids.
        skip: ids of checks that are left out.
    """

    name: str
    stack: str
    region: str | None
    json: bool
    junit: Path | None
    redact: bool
    skip: Collection[str]

    @property
    def console(self) -> TerminalConsole:
        """Where progress is shown."""
        return TerminalConsole(stderr=self.json)

    def shown(self, text: str) -> str:
        """Return a text as it may be shown."""
        return redacted(text) if self.redact else text

    def run(
        self, make_context: Callable[[AsyncExitStack], Context], choose: Callable[[Context], Sequence[type[Check]]]
    ) -> Run:
        """Run the checks, and show each as it ends.

        Raises:
            PreconditionError: the run cannot begin.
            typer.Exit: it was interrupted.
        """
        run = asyncio.run(self._run(make_context, choose))
        for line in run.not_removed:
            print(f"pubsub: could not be removed: {one_line(self.shown(line))}", file=sys.stderr)
        if run.interrupted:
            print("pubsub: interrupted; what the run had made is removed", file=sys.stderr)
            raise typer.Exit(ExitCode.INTERRUPTED)
        return run

    def end(self, run: Run, last_line: str, **members: Any) -> None:
        """Report the run, and end the command by its exit code.

        Args:
            run: what it came to.
            last_line: what people read last.
            members: what the JSON document says besides.

        Raises:
            typer.Exit: always.
            PreconditionError: the JUnit report cannot be written.
        """
        if self.json:
            document = as_json(self.name, self.stack, self.region, run.results, redact=self.redact, **members)
            print(document, end="")
        if self.junit:
            replace_file("--junit", self.junit, self.shown(as_junit(self.name, self.stack, run.results)))
        self.console.print(last_line, soft_wrap=True)
        raise typer.Exit(ExitCode.CHECK_FAILED if run.not_removed else exit_code(run.results))

    async def _run(
        self, make_context: Callable[[AsyncExitStack], Context], choose: Callable[[Context], Sequence[type[Check]]]
    ) -> Run:
        """Run them; Ctrl-C and SIGTERM end the run early, and what it made is removed all the same."""
        cancel_on_sigterm()
        progress = Progress(self.console, self.redact)
        results: list[Result] = []
        interrupted = False
        try:
            async with AsyncExitStack() as cleanup:
                context = make_context(cleanup)
                try:
                    results = await run_checks(choose(context), context, progress, skip=self.skip)
                except asyncio.CancelledError:
                    interrupted = True
        finally:
            progress.stop()
        seconds = sum(each.seconds for each in results)
        return Run(results, context.sign_in_to_message, context.not_removed, interrupted, seconds)


def check_ids(option: str, ids: Collection[str], known: Collection[type[Check]]) -> None:
    """Check that an option names checks.

    Raises:
        typer.BadParameter: there is none of that id.
    """
    if unknown := sorted(set(ids) - {check.id for check in known}):
        raise typer.BadParameter(f"{option}: there is no check {', '.join(unknown)}; see docs/checks.md")


def check_junit(junit: Path | None) -> None:
    """Check that the report can be written.

    Raises:
        typer.BadParameter: there is no such directory.
    """
    if junit is not None and not junit.parent.is_dir():
        raise typer.BadParameter(f"--junit: there is no directory {junit.parent}")
