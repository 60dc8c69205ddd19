"""Escapes text from AWS, brokers, queues and files, so that it cannot control the terminal; asks for confirmation.

:func:`escape_output` covers all that a command prints, logs or raises. rich writes through
:class:`pubsub_cli.output.TerminalConsole`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO, cast

from typer.core import TyperGroup

from pubsub_cli.errors import PreconditionError
from pubsub_client._printable import printable

_MIN_COLUMNS, MAX_COLUMNS = 60, 100
"""Output is as wide as the terminal, within these limits."""
_CONTINUED = " \\"
_COMMAND = re.compile(r"\s*(?:[A-Z]+=\$\()?(?:aws|pubsub) ")
"""Matches the beginning of a line that a shell can run."""
# A space before an option, outside of quotes.
_OPTION = re.compile(r""" (?=--?\w)(?=(?:[^'"]|'[^']*'|"[^"]*")*$)""")


@dataclass
class EscapedStream:
    """A text stream that escapes the text written to it. Other attributes, such as ``buffer``, are the stream's."""

    stream: TextIO

    @property
    def rich_proxied_file(self) -> TextIO:
        """The stream for rich, which must control the terminal."""
        return self.stream

    def write(self, text: str) -> int:
        """Write the text; escape control characters, and those that the encoding does not have."""
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(printable(text).encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def line_width(columns: int, maximum: int = MAX_COLUMNS) -> int:
    """Return the width of lines on a terminal of this width: at least 60 columns, and at most the maximum."""
    return min(max(columns, _MIN_COLUMNS), maximum)


def fit(text: str, stream: TextIO) -> str:
    """Return a text with its long lines wrapped if the stream is a terminal."""
    if not stream.isatty():
        return text
    width = line_width(shutil.get_terminal_size().columns)
    return "\n".join(
        piece for line in text.split("\n") for piece in (wrap_line(line, width) if len(line) > width else [line])
    )


def wrap_line(text: str, width: int) -> list[str]:
    """Return a line in pieces of at most ``width`` characters, except for longer words.

    A shell command is split only between arguments, and runs unchanged if all lines are copied.
    """
    indent = " " * (len(text) - len(text.lstrip()))
    if not _COMMAND.match(text):
        return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    first, *options = _OPTION.split(text)
    lines = [first]
    for option in options:
        if len(lines[-1]) + 1 + len(option) + len(_CONTINUED) <= width:
            lines[-1] += f" {option}"
        else:
            lines.append(f"{indent}  {option}")
    return [*(f"{line}{_CONTINUED}" for line in lines[:-1]), lines[-1]]


def escape_output() -> None:
    """Escape all output from now on, including tracebacks and log lines."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, EscapedStream):
            setattr(sys, name, cast("TextIO", EscapedStream(stream)))


class EscapingGroup(TyperGroup):
    """A group of commands whose output and usage errors are escaped."""

    def make_context(self, *arguments: Any, **keywords: Any) -> Any:
        """Parse the group's own options."""
        with _usage_errors_escaped():
            return super().make_context(*arguments, **keywords)

    def invoke(self, ctx: Any) -> Any:
        """Parse a command's options, and run it."""
        escape_output()
        with _usage_errors_escaped():
            return super().invoke(ctx)


@contextmanager
def _usage_errors_escaped() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Typer has its own copies of Click's errors, without a public base class.
        if isinstance(message := getattr(error, "message", None), str):
            # Pydantic puts this before the message of a wrong choice.
            error.message = printable(message.removeprefix("Value error, "))  # type: ignore[attr-defined]
        raise


def check_can_confirm(*, yes: bool, alternative: str = "give --yes") -> None:
    """Check that a confirmation was given as an option, or that the command can prompt for it.

    Args:
        yes: whether it was given as an option.
        alternative: the advice if the command cannot prompt.

    Raises:
        PreconditionError: the command cannot prompt, because there is no terminal or ``CI`` is set.
    """
    if yes or (sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")):
        return
    raise PreconditionError(f"cannot ask for confirmation (no terminal, or CI is set): {alternative}")


def confirm(question: str, stream: TextIO) -> bool:
    """Ask a yes/no question on this stream. Any answer other than yes, or the end of the input, means no."""
    print(f"{question} [y/N] ", end="", file=stream, flush=True)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        print(file=stream)
        raise
    return answer.strip().lower() in {"y", "yes"}
