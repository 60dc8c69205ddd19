"""SIGTERM, which pipelines send, ends a command as Ctrl-C does."""

from __future__ import annotations

import signal
from typing import NoReturn


def interrupt_on_sigterm() -> None:
    """Raise KeyboardInterrupt in the main thread when SIGTERM comes."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
