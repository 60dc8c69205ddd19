"""A command of ``pubsub``: imported when it runs, with its help as plain text."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import typer.main
from typer.core import TyperCommand


class LazyCommand(TyperCommand):
    """A command of which only the name and the summary are known until it runs."""

    def make_context(self, *arguments: Any, **keywords: Any) -> Any:
        """Import the command and parse its options."""
        return load(str(self.name)).make_context(*arguments, **keywords)


@cache
def load(name: str) -> Any:
    """Import a command, a function in the module of the same name, and return it with its options."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name, cls=_SectionedCommand)(getattr(import_module(f"pubsub_cli.commands.{name}"), name))
    return typer.main.get_command(alone)


class _SectionedCommand(TyperCommand):
    """A command whose help lists the options in sections, as ``rich_help_panel`` of each option says."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            title = getattr(parameter, "rich_help_panel", None) or f"{parameter.param_type_name}s".capitalize()
            if record := parameter.get_help_record(ctx):
                sections.setdefault(title, []).append(record)
        for title, rows in sections.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
