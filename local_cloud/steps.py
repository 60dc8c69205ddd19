"""Shows the steps of a long command in the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

from rich.console import Console
from rich.text import Text

Result = TypeVar("Result")
_WIDTH = 80


class Steps:
    """Shows each completed step with its time, and in a terminal the current step."""

    def __init__(self) -> None:
        # An escaped stream would also escape the spinner.
        self._console = Console(file=getattr(sys.stdout, "rich_proxied_file", sys.stdout), highlight=False)

    def run(self, name: str, work: Callable[[], Result]) -> Result:
        """Run one step and show its time."""
        started = time.monotonic()
        try:
            with self._console.status(name) if self._console.is_terminal else nullcontext():
                result = work()
        except Exception:
            self._show("FAIL", "bold red", name, started)
            raise
        self._show("ok", "green", name, started)
        return result

    def _show(self, mark: str, style: str, name: str, started: float) -> None:
        line = Text("  ").append(f"{mark:<4}", style=style).append(f"  {name}")
        seconds = f"{time.monotonic() - started:.1f} s"
        line.append(f"{seconds:>{max(_WIDTH - len(line.plain), len(seconds) + 2)}}", style="dim")
        self._console.print(line, soft_wrap=True)

    def title(self, text: str) -> None:
        """Show the heading of the steps that follow."""
        self._console.print(Text(text, style="bold"))
