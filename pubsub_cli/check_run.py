"""A run of checks as a command: each is shown as it ends, signals leave nothing behind, the results are reported."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

import typer
from rich.console import Console
from rich.status import Status as Spinner
from rich.text import Text

from pubsub_cli.checks.check import Check, Result, run_checks
from pubsub_cli.checks.context import Context
from pubsub_cli.errors import ExitCode
from pubsub_cli.finding import Status
from pubsub_cli.output import TerminalConsole, json_document, write_atomically
from pubsub_cli.run_options import RunOptions
from pubsub_cli.signals import cancel_on_sigterm
from pubsub_client._printable import one_line, printable

_MARKS = {
    Status.PASSED: ("ok", "green"),
    Status.FAILED: ("FAILED", "bold red"),
    Status.WARNING: ("warning", "yellow"),
    Status.SKIPPED: ("skipped", "dim"),
    Status.UNKNOWN: ("unknown", "yellow"),
}
# An unknown check is JUnit's error, because it does not pass either.
_JUNIT_ELEMENTS = {Status.FAILED: "failure", Status.UNKNOWN: "error", Status.SKIPPED: "skipped"}


@dataclass(frozen=True)
class CheckRun:
    """The results of a run of checks; ``not_removed`` lists what could not be removed after it."""

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
        """The exit code: failed and unknown checks do not pass, nor does a run that left something behind."""
        return ExitCode.CHECK_FAILED if self.bad or self.not_removed else ExitCode.PASSED

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
        print(as_json(run, checked, **members), end="")
    if run.junit:
        write_atomically("--junit", run.junit, as_junit(run, checked))
    show_line(run, last_line)
    raise typer.Exit(checked.exit_code)


def show_line(run: RunOptions, line: str) -> None:
    """Show a line for people between or after the checks."""
    TerminalConsole(stderr=run.json).print(run.masked(line), soft_wrap=True)


def check_ids(option: str, ids: Collection[str], known: Collection[type[Check]]) -> None:
    """Check that the ids of an option exist.

    Raises:
        typer.BadParameter: one does not.
    """
    if unknown := sorted(set(ids) - {check.id for check in known}):
        raise typer.BadParameter(f"{option}: there is no check {', '.join(unknown)}; see docs/reference/checks.md")


def check_junit(junit: Path | None) -> None:
    """Check that the directory of the JUnit report exists.

    Raises:
        typer.BadParameter: it does not.
    """
    if junit is not None and not junit.parent.is_dir():
        raise typer.BadParameter(f"--junit: there is no directory {junit.parent}")


@dataclass
class Progress:
    """Shows each check as it ends and, on a terminal, the one that runs."""

    console: Console
    run: RunOptions
    _spinner: Spinner | None = field(default=None, init=False)

    def started(self, check: type[Check]) -> None:
        """Show the running check."""
        if self.console.is_terminal:
            self._spinner = self.console.status(f"{check.id}  {check.title}")
            self._spinner.start()

    def ended(self, result: Result) -> None:
        """Show a check's finding."""
        self.stop()
        finding = result.finding
        mark, style = _MARKS[finding.status]
        line = Text(f"  {result.check.id}  {result.check.group:<13}  {result.check.title:<62}  ")
        line.append(f"{mark:<7}", style=style)
        line.append(f" {result.seconds:6.2f} s")
        note = finding.cause if finding.status is Status.SKIPPED else finding.detail
        if note:
            line.append(f"  {one_line(self.run.masked(note))}", style="dim")
        self.console.print(line, soft_wrap=True)
        if finding.cause and finding.status is not Status.SKIPPED:
            self._explain(result)

    def stop(self) -> None:
        """Remove the running check from the terminal."""
        if self._spinner:
            self._spinner.stop()
            self._spinner = None

    def _explain(self, result: Result) -> None:
        finding = result.finding
        for label, text in (
            ("cause", finding.cause and one_line(finding.cause)),
            ("resource", finding.resource and one_line(finding.resource)),
            ("fix", finding.fix),
            ("docs", result.check.docs()),
        ):
            if text:
                indented = self.run.masked(text).replace("\n", "\n" + " " * 19)
                self.console.print(Text(f"         {label:<9} {indented}"), soft_wrap=True)


def as_json(run: RunOptions, checked: CheckRun, **members: Any) -> str:
    """Return the JSON document of a check run (schema 1), with more members of the command."""
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
    """Return the check run as JUnit XML: one test suite, one test case a check."""
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
