"""The help of the commands: their options in sections, and examples at the end."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand

from pubsub_cli.options import DEPLOYMENT, OUTPUT
from pubsub_cli.terminal import MAX_COLUMNS, EscapingGroup

_EXAMPLES = "\nExamples:\n"
_LAST_SECTIONS = (DEPLOYMENT, OUTPUT)
_FIRST_OPTIONS = ("--stack", "--environment")
"""The first options of the section on the deployment."""


def help_text(command: Any, name: str, columns: int = MAX_COLUMNS) -> str:
    """Return a command's help as a terminal of this width shows it."""
    width = min(columns, MAX_COLUMNS) - 2
    shown: str = command.make_context(name, [], resilient_parsing=True, terminal_width=width).get_help()
    return shown


class _OrderedHelpNames:
    """Lists -h before --help; Click's order depends on Python's hash seed."""

    def get_help_option_names(self, ctx: Any) -> list[str]:
        """Return the names of the help option, the short one first."""
        return sorted(ctx.help_option_names, key=len)


class HelpfulCommand(_OrderedHelpNames, TyperCommand):
    """A command whose help has the options in sections, by the ``rich_help_panel`` of each option.

    The examples are the part of the docstring from ``Examples:`` on.
    """

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the description."""
        description, _, self.epilog = inspect.cleandoc(self.help or "").partition(_EXAMPLES)
        formatter.write_paragraph()
        formatter.write_text(description)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options; those that most commands have come last."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            if not getattr(parameter, "hidden", False):
                title = OUTPUT if "--help" in parameter.opts else getattr(parameter, "rich_help_panel", None)
                title = title or f"{parameter.param_type_name}s".capitalize()
                sections.setdefault(title, []).append(_record(parameter))
        sections[DEPLOYMENT] = sorted(
            sections.get(DEPLOYMENT, []), key=lambda row: not row[0].startswith(_FIRST_OPTIONS)
        )
        for title in sorted(sections, key=lambda each: each in _LAST_SECTIONS):
            if sections[title]:
                with formatter.section(title):
                    formatter.write_dl(sections[title])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the examples, one a line."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{line}\n")


class HelpfulGroup(_OrderedHelpNames, EscapingGroup):
    """Commands that the help lists in sections.

    Attributes:
        sections: the names of the commands of each section.
    """

    sections: Mapping[str, Mapping[str, str]] = {}

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the commands with their summaries."""
        for title, summaries in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([*summaries.items()])


def _record(parameter: Any) -> tuple[str, str]:
    """Return the left and the right column for an argument or option."""
    if parameter.param_type_name == "argument":
        return parameter.metavar, parameter.help
    names = ", ".join(parameter.opts) + ("" if parameter.is_flag else f" {parameter.metavar}")
    if parameter.required:
        return names, f"{parameter.help} Required."
    default = getattr(parameter.default, "value", parameter.default)
    if default in (None, False, "", ()):
        return names, parameter.help
    return names, f"{parameter.help} Default: {f'{default:g}' if isinstance(default, float) else default}."
