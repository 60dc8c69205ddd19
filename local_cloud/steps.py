"""Shows the steps of a long command on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

from rich.console import Console
from rich.text import Text

Result = TypeVar("Result")
_WIDTH = 80


class Steps:
    """Shows each finished step with its time, and on a terminal the current one."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def run(self, name: str, work: Callable[[], Result]) -> Result:
        """Run one step and show how long it took; its exceptions pass through."""
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
