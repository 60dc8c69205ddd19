"""Ends a command on SIGTERM, which pipelines send, in the same way as on Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar, cast

import typer

from pubsub_cli.errors import ExitCode

Result = TypeVar("Result")


def interrupt_on_sigterm() -> None:
    """Raise KeyboardInterrupt on SIGTERM; does nothing outside the main thread."""
    if _in_main_thread():
        signal.signal(signal.SIGTERM, _interrupt)


def cancel_on_sigterm() -> None:
    """Cancel the current task on SIGTERM; does nothing outside the main thread."""
    if sys.platform != "win32" and _in_main_thread():
        this_task = cast("asyncio.Task[object]", asyncio.current_task())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this_task.cancel)


def run_until_interrupted(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in a new event loop; on an interrupt, cancel it and wait for its cleanup.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """

    async def run() -> Result:
        cancel_on_sigterm()
        return await work

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@contextmanager
def exit_if_interrupted(state: Callable[[], str]) -> Iterator[None]:
    """End the command if the block is interrupted, and print the state that remains.

    Raises:
        typer.Exit: it was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        print(f"pubsub: interrupted; {state()}", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _in_main_thread() -> bool:
    """Return whether this is the main thread; in others Python cannot handle signals."""
    return threading.current_thread() is threading.main_thread()


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
