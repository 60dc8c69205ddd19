"""Confirmation prompts."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from pubsub_cli.errors import PreconditionError


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
