"""Runs checks for a command: shows each as it ends, cleans up after signals, and writes the reports."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

import typer
from rich.console import Console
from rich.status import Status as Spinner
from rich.text import Text

from pubsub_cli.checks.check import Check, Group, Result, run_checks
from pubsub_cli.checks.context import Context
from pubsub_cli.errors import ExitCode
from pubsub_cli.files import write_atomically
from pubsub_cli.finding import Status
from pubsub_cli.options import RunOptions
from pubsub_cli.output import TerminalConsole, json_document
from pubsub_cli.signals import cancel_on_sigterm
from pubsub_cli.terminal import line_width, wrap_line
from pubsub_client._printable import one_line, printable

_TIME_COLUMN = 80
"""The column at which a check's time ends, on a terminal of this width or more."""
MARKS = {
    Status.PASSED: ("ok", "green"),
    Status.FAILED: ("FAIL", "bold red"),
    Status.WARNING: ("warn", "yellow"),
    Status.SKIPPED: ("-", "dim"),
    Status.UNKNOWN: ("?", "yellow"),
}
_NOTABLE_SECONDS = 1.0
"""Checks that take this long show their time also without ``--verbose``."""
# JUnit has no status for unknown checks. They are errors, because they do not pass.
_JUNIT_ELEMENTS = {Status.FAILED: "failure", Status.UNKNOWN: "error", Status.SKIPPED: "skipped"}


@dataclass(frozen=True)
class CheckRun:
    """The results of a run of checks; ``not_removed`` lists test resources that could not be removed."""

    results: Sequence[Result]
    sign_in_to_message: float | None = None
    not_removed: Sequence[str] = ()
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
    def exit_code(self) -> ExitCode:
        """The exit code: 0 only if no check failed or is unknown, and everything was removed."""
        return ExitCode.CHECK_FAILED if self.bad or self.not_removed else ExitCode.PASSED

    @property
    def summary(self) -> str:
        """The number of checks by status, in words."""
        return in_words(self.counts)

    @property
    def seconds(self) -> float:
        """The duration of the checks."""
        return sum(each.seconds for each in self.results)


def in_words(counts: Mapping[Status, int]) -> str:
    """Return numbers by status, such as ``2 passed, 1 failed``."""
    plural = "s" if counts[Status.WARNING] > 1 else ""
    words = {status: f"{status}{plural if status is Status.WARNING else ''}" for status in Status}
    return ", ".join(f"{counts[status]} {words[status]}" for status in Status if counts[status])


def show_check_run(
    run: RunOptions,
    make_context: Callable[[AsyncExitStack], Context],
    select: Callable[[Context], Sequence[type[Check]]],
) -> CheckRun:
    """Run the selected checks, and show each as it ends.

    Raises:
        PreconditionError: the run cannot start.
        typer.Exit: the run was interrupted.
    """
    checked = asyncio.run(_run(run, make_context, select))
    for line in checked.not_removed:
        print(f"pubsub: could not be removed: {one_line(run.masked(line))}", file=sys.stderr)
    if checked.interrupted:
        print("pubsub: interrupted; everything that the run created was removed", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED)
    return checked


async def _run(
    run: RunOptions,
    make_context: Callable[[AsyncExitStack], Context],
    select: Callable[[Context], Sequence[type[Check]]],
) -> CheckRun:
    """Run the checks. Ctrl-C and SIGTERM end them early; the cleanup still runs."""
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
        last_line: the last line of the output.
        members: additional members of the JSON document.

    Raises:
        typer.Exit: always, with the run's exit code.
        PreconditionError: the JUnit report cannot be written.
    """
    if run.json:
        print(as_json(run, checked, **members), end="")
    if run.junit:
        write_atomically("--junit", run.junit, as_junit(run, checked))
    show_line(run, last_line)
    raise typer.Exit(checked.exit_code)


def show_line(run: RunOptions, line: str) -> None:
    """Show a line between or after the checks; with ``--json`` on standard error."""
    TerminalConsole(stderr=run.json).print(run.masked(line), soft_wrap=True)


def show_wrapped(run: RunOptions, label: str, text: str) -> None:
    """Show a text or command after a label, wrapped at the terminal's width."""
    console = TerminalConsole(stderr=run.json)
    for line in wrap_line(one_line(run.masked(text)), line_width(console.width) - len(label)):
        console.print(f"{label}{line}", soft_wrap=True)
        label = " " * len(label)


def check_ids(option: str, ids: Collection[str], known: Collection[type[Check]]) -> None:
    """Check that the ids of an option exist.

    Raises:
        typer.BadParameter: one does not exist.
    """
    if unknown := sorted(set(ids) - {check.id for check in known}):
        raise typer.BadParameter(f"{option}: there is no check {', '.join(unknown)}; list them with: pubsub explain")


def check_junit(junit: Path | None) -> None:
    """Check that the directory of the JUnit report exists.

    Raises:
        typer.BadParameter: it does not exist.
    """
    if junit is not None and not junit.parent.is_dir():
        raise typer.BadParameter(f"--junit: there is no directory {junit.parent}")


@dataclass
class Progress:
    """Shows each check when it ends, under the heading of its group; on a terminal also the running check."""

    console: Console
    run: RunOptions
    _spinner: Spinner | None = field(default=None, init=False)
    _group: Group | None = field(default=None, init=False)

    def started(self, check: type[Check]) -> None:
        """Show the running check."""
        # FORCE_COLOR makes a pipe a terminal for rich. Log messages would break the line of the spinner.
        if self.console.file.isatty() and not self.run.verbose:
            self._spinner = self.console.status(check.title)
            self._spinner.start()

    def ended(self, result: Result) -> None:
        """Show a check's finding."""
        self.stop()
        check, finding = result.check, result.finding
        if check.group is not self._group:
            self._group = check.group
            self._print(Text(check.group, style="bold"))
        is_skipped = finding.status is Status.SKIPPED
        explained = finding.cause is not None and not is_skipped
        title = f"{check.id} {check.title}" if explained or self.run.verbose else check.title
        reason = f"skipped: {finding.cause}" if is_skipped else ""
        timed = not is_skipped and (self.run.verbose or result.seconds >= _NOTABLE_SECONDS)
        self._print_line(finding.status, title, reason, f"{result.seconds:.1f} s" if timed else "")
        if self.run.verbose and finding.detail:
            self._print(*(Text(f"{'':8}{line}", style="dim") for line in self._wrap(finding.detail, 8)))
        if explained:
            self._explain(result)

    def stop(self) -> None:
        """Remove the running check from the terminal."""
        if self._spinner:
            self._spinner.stop()
            self._spinner = None

    def _print_line(self, status: Status, title: str, reason: str, seconds: str) -> None:
        """Print mark, title, and time or reason; a reason that does not fit is on the next line."""
        mark, style = MARKS[status]
        line = Text("  ").append(f"{mark:<4}", style=style).append(f"  {title}")
        reason = one_line(self.run.masked(reason))
        if seconds:
            room = min(line_width(self.console.width), _TIME_COLUMN) - len(line.plain)
            line.append(f"{seconds:>{max(room, len(seconds) + 2)}}", style="dim")
        if reason and len(line.plain) + 2 + len(reason) <= line_width(self.console.width):
            line.append(f"  {reason}", style="dim")
            reason = ""
        self._print(line, *(Text(f"{'':8}{each}", style="dim") for each in self._wrap(reason, 8)))

    def _explain(self, result: Result) -> None:
        finding = result.finding
        cause, fix = finding.cause or "", finding.fix or ""
        if finding.resource and finding.resource not in f"{cause} {fix}":
            cause = f"{cause} ({finding.resource})"
        fixes = [line for each in fix.splitlines() for line in self._wrap(each, 13)]
        for label, lines in (("why", self._wrap(cause, 13)), ("fix", fixes), ("see", [result.check.docs()])):
            for number, line in enumerate(lines):
                self._print(Text(f"{'':8}").append(f"{'' if number else label:<5}", style="bold").append(line))

    def _wrap(self, text: str, indent: int) -> list[str]:
        """Return the text in lines of the terminal's width; a command continues on the next line after a backslash."""
        return wrap_line(one_line(self.run.masked(text)), line_width(self.console.width) - indent)

    def _print(self, *lines: Text) -> None:
        for line in lines:
            self.console.print(line, soft_wrap=True)


def as_json(run: RunOptions, checked: CheckRun, **members: Any) -> str:
    """Return the JSON document of a check run (schema 1), with additional members of the command."""
    summary = {status.value: checked.counts[status] for status in Status}
    summary |= {"duration_ms": round(checked.seconds * 1000), "exit_code": int(checked.exit_code)}
    checks = [_json_check(result) for result in checked.results]
    return run.masked(json_document(run, checks=checks, summary=summary, **members))


def _json_check(result: Result) -> dict[str, Any]:
    finding = result.finding
    return {
        "id": result.check.id,
        "group": result.check.group.value,
        "title": result.check.title,
        "status": finding.status.value,
        "detail": finding.detail,
        "cause": finding.cause,
        "resource": finding.resource,
        "fix": finding.fix,
        "docs": result.check.docs(),
        "duration_ms": round(result.seconds * 1000),
    }


def as_junit(run: RunOptions, checked: CheckRun) -> str:
    """Return the check run as JUnit XML: one test suite with a test case for each check."""
    tags = Counter(_JUNIT_ELEMENTS.get(each.finding.status) for each in checked.results)
    suite = ET.Element(
        "testsuite",
        name=f"pubsub {run.command} {run.stack}",
        tests=str(len(checked.results)),
        failures=str(tags["failure"]),
        errors=str(tags["error"]),
        skipped=str(tags["skipped"]),
        time=f"{checked.seconds:.3f}",
    )
    for result in checked.results:
        _add_case(suite, result)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    # XML cannot express most control characters, not even as references.
    return run.masked(printable(ET.tostring(root, encoding="unicode", xml_declaration=True)) + "\n")


def _add_case(suite: ET.Element, result: Result) -> None:
    finding = result.finding
    case = ET.SubElement(
        suite,
        "testcase",
        classname=result.check.group.value,
        name=f"{result.check.id} {result.check.title}",
        time=f"{result.seconds:.3f}",
    )
    if tag := _JUNIT_ELEMENTS.get(finding.status):
        outcome = ET.SubElement(case, tag, message=finding.cause or "")
        outcome.text = "\n".join(part for part in (finding.resource, finding.fix, result.check.docs()) if part)
