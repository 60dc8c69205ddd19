"""``pubsub explain``: the documentation of a check."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from pubsub_cli import options
from pubsub_cli.check_run import check_ids
from pubsub_cli.checks.catalogue import CHECKS
from pubsub_cli.checks.check import Check
from pubsub_cli.options import RunOptions
from pubsub_cli.output import CommandResult, emit
from pubsub_cli.terminal import line_width, wrap_line

_MAX_COLUMNS = 80
_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


def explain(
    check_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Explain this check. Default: list all checks.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Explain a check of smoke and doctor, or list all checks.

    Examples:
      pubsub explain
      pubsub explain PS203
    """
    wanted = None if check_id is None else check_id.upper()
    check_ids("ID", [wanted] if wanted else [], CHECKS)
    checks = [check for check in CHECKS if wanted in (None, check.id)]
    lines = [*(_page(checks[0]) if wanted else _list(checks))]
    emit(CommandResult(lines, {"checks": [_member(check) for check in checks]}), RunOptions("explain", json=json))


def _list(checks: Sequence[type[Check]]) -> Iterator[str]:
    group = None
    for check in checks:
        if check.group is not group:
            group = check.group
            yield str(group)
        yield f"  {check.id}  {check.title}"


def _page(check: type[Check]) -> Iterator[str]:
    yield f"{check.id}  {check.title}"
    width = line_width(shutil.get_terminal_size().columns, _MAX_COLUMNS)
    for paragraph in _text(check).split("\n\n"):
        yield ""
        yield from wrap_line(paragraph, width)
    if check.requires_trigger:
        yield ""
        yield "Does not apply with the setting `attachment: self-attach`."
    if check.depends_on:
        yield ""
        yield f"Depends on {', '.join(each.id for each in check.depends_on)}."


def _text(check: type[Check]) -> str:
    """Return the check's docstring; links follow their text in brackets."""
    return _LINK.sub(r"\1 (\2)", inspect.getdoc(check) or "").replace("**", "")


def _member(check: type[Check]) -> dict[str, Any]:
    depends_on = [each.id for each in check.depends_on]
    return {
        "id": check.id,
        "group": check.group,
        "title": check.title,
        "depends_on": depends_on,
        "text": _text(check),
    }
