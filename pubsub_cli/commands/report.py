"""How a run of checks is shown: a line a check as it ends for people, one JSON document for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.status import Status as Spinner
from rich.text import Text

from pubsub_cli.checks.check import Check
from pubsub_cli.checks.runner import Result
from pubsub_cli.commands.document import document
from pubsub_cli.commands.exit_code import ExitCode
from pubsub_cli.commands.told import redacted
from pubsub_cli.finding import Status
from pubsub_client._printable import one_line

_MARKS = {
    Status.PASSED: ("ok", "green"),
    Status.FAILED: ("FAILED", "bold red"),
    Status.WARNING: ("warning", "yellow"),
    Status.SKIPPED: ("skipped", "dim"),
    Status.UNKNOWN: ("unknown", "yellow"),
}


def exit_code(results: Sequence[Result]) -> ExitCode:
    """Tell what a run means for a pipeline: what failed or could not be told does not pass."""
    bad = {Status.FAILED, Status.UNKNOWN}
    return ExitCode.CHECK_FAILED if any(each.finding.status in bad for each in results) else ExitCode.PASSED


@dataclass
class Progress:
    """Shows each check as it ends, and the one that runs where there is a terminal.

    Args:
        console: where it is shown.
        redact: mask identity ids.
    """

    console: Console
    redact: bool
    _spinner: Spinner | None = field(default=None, init=False)

    def started(self, check: type[Check]) -> None:
        """Show that a check runs."""
        if self.console.is_terminal:
            self._spinner = self.console.status(f"{check.id}  {check.title}")
            self._spinner.start()

    def ended(self, result: Result) -> None:
        """Show what a check found."""
        self.stop()
        finding = result.finding
        mark, style = _MARKS[finding.status]
        line = Text(f"  {result.check.id}  {result.check.group:<13}  {result.check.title:<62}  ")
        line.append(f"{mark:<7}", style=style)
        line.append(f" {result.seconds:6.2f} s")
        note = finding.cause if finding.status is Status.SKIPPED else finding.detail
        if note:
            line.append(f"  {one_line(self._shown(note))}", style="dim")
        self.console.print(line, soft_wrap=True)
        if finding.cause and finding.status is not Status.SKIPPED:
            self._explain(result)

    def stop(self) -> None:
        """Take the running check off the terminal."""
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
                indented = self._shown(text).replace("\n", "\n" + " " * 19)
                self.console.print(Text(f"         {label:<9} {indented}"), soft_wrap=True)

    def _shown(self, text: str) -> str:
        return redacted(text) if self.redact else text


def as_json(
    command: str, stack: str, region: str | None, results: Sequence[Result], *, redact: bool, **members: Any
) -> str:
    """Return the run as the JSON document of the contract (schema 1), with these members besides."""
    counts = Counter(result.finding.status for result in results)
    text = document(
        command,
        stack,
        region,
        checks=[_check(result) for result in results],
        summary={status.value: counts[status] for status in Status}
        | {
            "duration_ms": round(sum(result.seconds for result in results) * 1000),
            "exit_code": int(exit_code(results)),
        },
        **members,
    )
    return redacted(text) if redact else text


def _check(result: Result) -> dict[str, Any]:
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
