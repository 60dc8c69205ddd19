"""The terminal: text from AWS, brokers, queues and files must not steer it; and confirmation prompts.

Everything that a command prints, logs or raises goes through :func:`escape_output`. What rich shows goes through
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
    """A text stream that escapes what is written to it; everything else, ``buffer`` too, is the stream's own."""

    stream: TextIO

    @property
    def rich_proxied_file(self) -> TextIO:
        """Where rich writes, which has to steer the terminal."""
        return self.stream

    def write(self, text: str) -> int:
        """Write it, and escape what the encoding lacks."""
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
    """Escape what is printed from now on, including tracebacks and log lines."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, EscapedStream):
            setattr(sys, name, cast("TextIO", EscapedStream(stream)))


class EscapingGroup(TyperGroup):
    """Commands whose output and usage errors are escaped."""

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
        # Typer has its own copy of Click's errors, and no public name for what they have in common.
        if isinstance(message := getattr(error, "message", None), str):
            error.message = printable(message)  # type: ignore[attr-defined]
        raise


def check_can_confirm(*, yes: bool, alternative: str = "give --yes") -> None:
    """Check that the user has confirmed with an option or can be prompted.

    Args:
        yes: whether an option confirms.
        alternative: what to do without a terminal.

    Raises:
        PreconditionError: there is no terminal, or ``CI`` is set, and no option confirms.
    """
    if yes or (sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")):
        return
    raise PreconditionError(f"cannot ask for confirmation (no terminal, or CI is set): {alternative}")


def confirm(question: str, stream: TextIO) -> bool:
    """Ask a yes/no question on this stream; everything except yes, also the end of the input, is a no."""
    print(f"{question} [y/N] ", end="", file=stream, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
