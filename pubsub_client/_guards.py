"""Guards of public methods: each call comes from the process and the event loop that own the object.

awscrt's threads do not survive a fork, and asyncio's objects are not safe in a second event loop. Without a guard, such
calls would hang, or fail after the message was sent.
"""

from __future__ import annotations

import asyncio
import os
from types import TracebackType

from pubsub_client.exceptions import ConfigurationError, ProcessForked, WrongEventLoop

_AFTER_FORK = "connect only after the fork, or start child processes with multiprocessing's method 'spawn'"
_SAME_LOOP = "with pytest-asyncio, give fixtures and tests the same loop_scope"
_OTHER_LOOP = (
    "the client was connected in another event loop; make the call there (from another thread with "
    f"asyncio.run_coroutine_threadsafe), or create a PubSub for each event loop; {_SAME_LOOP}"
)
_LOOP_CLOSED = (
    "the client was connected in an event loop that is closed now; create a new PubSub, and close it before its event "
    f"loop ends; {_SAME_LOOP}"
)


class _Process:
    """Counts the forks between the first process and this one, because reading the process id would be slower."""

    forks = 0
    threads_started_at: int | None = None
    """The number of forks when awscrt started its threads; None if it did not start them."""


def _count_fork() -> None:
    _Process.forks += 1


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_count_fork)


def forks() -> int:
    """Return the number of forks between the first process and this one."""
    return _Process.forks


def start_threads() -> None:
    """Record that awscrt starts its threads in this process.

    Raises:
        ProcessForked: they were started before a fork, so awscrt cannot connect in this process.
    """
    if _Process.threads_started_at is None:
        _Process.threads_started_at = _Process.forks
    if _Process.threads_started_at != _Process.forks:
        raise ProcessForked(f"a client was connected before this process was forked; {_AFTER_FORK}")


class Owner:
    """The process and the event loop that own a connection: those that create this object."""

    def __init__(self) -> None:
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError("there is no running event loop; connect inside a coroutine") from None
        self._forks = _Process.forks

    @property
    def is_gone(self) -> bool:
        """Whether the event loop is closed, so that nothing can close the connection."""
        return self.loop.is_closed()

    @property
    def is_caller(self) -> bool:
        """Whether the caller is in this event loop."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    def check(self) -> None:
        """Check the caller.

        Raises:
            ProcessForked: the caller is in a child process.
            WrongEventLoop: the caller is in another event loop, or in none.
        """
        # This runs for each message, so it makes no further call.
        try:
            if asyncio.get_running_loop() is self.loop and _Process.forks == self._forks:
                return
        except RuntimeError:
            pass  # there is no running event loop
        self.check_process()
        raise WrongEventLoop(_LOOP_CLOSED if self.is_gone else _OTHER_LOOP)

    def check_process(self) -> None:
        """Raise ProcessForked if the caller is in a child process."""
        if _Process.forks != self._forks:
            raise ProcessForked(f"the client was connected before this process was forked; {_AFTER_FORK}")


class CallLock:
    """A lock for the calls of a session: several event loops may use the session, but not at the same time.

    Args:
        subject: the class of the session, for errors.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls = 0
        self._forks: int | None = None

    def check(self) -> None:
        """Check the caller, before anything is sent.

        Raises:
            ProcessForked: the session was used before this process was forked.
            WrongEventLoop: a call is in progress in another event loop.
        """
        if self._forks not in (None, _Process.forks):
            raise ProcessForked(
                f"the {self._subject} was used before this process was forked; create another one in each process"
            )
        loop = asyncio.get_running_loop()
        if self._calls and self._loop is not loop and self._loop is not None and not self._loop.is_closed():
            raise WrongEventLoop(
                f"the {self._subject} has a call in progress in another event loop; create one for each event loop"
            )

    async def __aenter__(self) -> None:
        self.check()
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # a lock remembers its event loop
            self._lock = asyncio.Lock()
            self._calls = 0
        self._forks = _Process.forks
        self._loop = loop
        self._calls += 1
        try:
            await self._lock.acquire()
        except BaseException:
            self._calls -= 1
            raise

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._lock.release()
        self._calls -= 1
