"""Reports of check runs: a line a check as it ends, one JSON document, JUnit XML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.status import Status as Spinner
from rich.text import Text

from pubsub_cli.checks.check import Check
from pubsub_cli.checks.runner import Result
from pubsub_cli.errors import ExitCode
from pubsub_cli.finding import Status
from pubsub_cli.output import json_document
from pubsub_cli.run_options import RunOptions
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


def exit_code(results: Sequence[Result]) -> ExitCode:
    """Return the exit code of a run: failed and unknown checks do not pass."""
    bad = {Status.FAILED, Status.UNKNOWN}
    return ExitCode.CHECK_FAILED if any(each.finding.status in bad for each in results) else ExitCode.PASSED


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


def as_json(run: RunOptions, results: Sequence[Result], **members: Any) -> str:
    """Return the JSON document of a check run (schema 1), with more members of the command."""
    counts = Counter(result.finding.status for result in results)
    text = json_document(
        run,
        checks=[_json_check(result) for result in results],
        summary={status.value: counts[status] for status in Status}
        | {
            "duration_ms": round(sum(result.seconds for result in results) * 1000),
            "exit_code": int(exit_code(results)),
        },
        **members,
    )
    return run.masked(text)


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


def as_junit(run: RunOptions, results: Sequence[Result]) -> str:
    """Return the check run as JUnit XML: one test suite, one test case a check."""
    tags = Counter(_JUNIT_ELEMENTS.get(each.finding.status) for each in results)
    suite = ET.Element(
        "testsuite",
        name=f"pubsub {run.command} {run.stack}",
        tests=str(len(results)),
        failures=str(tags["failure"]),
        errors=str(tags["error"]),
        skipped=str(tags["skipped"]),
        time=f"{sum(each.seconds for each in results):.3f}",
    )
    for result in results:
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
