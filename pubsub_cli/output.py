"""How commands print results: as lines, or as one JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from pubsub_cli.errors import ExitCode
from pubsub_cli.finding import Finding
from pubsub_cli.options import RunOptions
from pubsub_cli.terminal import fit
from pubsub_client._printable import one_line, printable

SCHEMA = 1


class TerminalConsole(Console):
    """A rich console that escapes all text, and does not interpret markup or links in it."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        # A spinner replaces sys.stdout, so rich must have the unescaped stream before it starts.
        file = getattr(stream, "rich_proxied_file", stream)
        super().__init__(file=file, soft_wrap=soft_wrap, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render to segments; only rich's own segments can control the terminal."""
        for text, style, control in super().render(renderable, options):
            if control:
                yield Segment(text, style, control)
            else:
                yield Segment(printable(text), style.update_link(None) if style and style.link else style)


@dataclass(frozen=True)
class CommandResult:
    """The result of a command.

    Args:
        lines: the lines to print without ``--json``.
        members: the members of the JSON document.
        failure: the failure, if there was one.
    """

    lines: Sequence[str]
    members: Mapping[str, Any]
    failure: Finding | None = None


def emit(result: CommandResult, run: RunOptions) -> None:
    """Print the result. A failure goes to standard error, and with ``--json`` also into the member ``failure``.

    Raises:
        typer.Exit: the result is a failure.
    """
    failure = result.failure and result.failure.with_options(run.cli_options)
    if run.json:
        member = failure and failure.as_member()
        print(run.masked(json_document(run, **result.members, failure=member)), end="")
    else:
        for line in result.lines:
            print(fit(run.masked(line), sys.stdout))
    if failure:
        fix = (failure.fix or "").replace("\n", "\n        ")
        text = run.masked(f"pubsub: {one_line(failure.cause or '')}\n        {fix}")
        print(fit(text, sys.stderr), file=sys.stderr)
        raise typer.Exit(ExitCode.CHECK_FAILED)


def json_document(run: RunOptions, **members: Any) -> str:
    """Return the JSON document of a run, with the command's own members."""
    head = {"schema": SCHEMA, "command": run.command, "stack": run.stack or None, "region": run.region}
    return json.dumps(head | members, indent=2) + "\n"
