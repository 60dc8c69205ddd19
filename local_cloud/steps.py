"""Shows the steps of a long command on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console
from rich.text import Text

Result = TypeVar("Result")


class Steps:
    """Shows each finished step with its time, and on a terminal the current one."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def run(self, name: str, work: Callable[[], Result]) -> Result:
        """Run one step and show how long it took; its exceptions pass through."""
        started = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(name):
                result = work()
        else:
            result = work()
        line = Text(f"  {name:<72}  ")
        line.append("ok     ", style="green")
        line.append(f" {time.monotonic() - started:6.2f} s")
        self._console.print(line, soft_wrap=True)
        return result

    def title(self, text: str) -> None:
        """Show the heading of the steps that follow."""
        self._console.print(Text(text, style="bold"))
