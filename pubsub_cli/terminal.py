"""Escapes text from AWS, brokers, queues and files, so that it cannot control the terminal; asks for confirmation.

:func:`escape_output` covers all that a command prints, logs or raises. rich writes through
:class:`pubsub_cli.output.TerminalConsole`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO, cast

from typer.core import TyperGroup

from pubsub_cli.errors import PreconditionError
from pubsub_client._printable import printable


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
            error.message = printable(message)  # type: ignore[attr-defined]
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
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
