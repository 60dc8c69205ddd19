"""From awscrt's threads to asyncio's: in order, and as many at once as there are."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

_BUSY = 16
_LARGEST_BATCH = 32
_WAIT_SECONDS = 0.001
# After so many calls the loop has its turn.
_AT_ONCE = 100


class Hop:
    """Makes calls on the loop for other threads.

    Waking the loop costs more than most calls, and takes the GIL from the thread that asks for them. So a quiet loop is
    woken for each call, but a busy one once a batch; after a millisecond it looks for an incomplete batch by itself.

    Args:
        loop: where the calls are made.
        expected: how many calls are known to come; many of them make the loop a busy one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, expected: Callable[[], int] = lambda: 0) -> None:
        self._loop = loop
        self._expected = expected
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._batch = 1
        self._awake = False
        self._timer: asyncio.TimerHandle | None = None

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have a function called on the loop, after those asked for before it. Any thread may ask."""
        self._calls.append((function, arguments))
        if not self._awake and len(self._calls) >= self._batch and not self._loop.is_closed():
            self._awake = True
            self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self._awake = True
        if self._timer:
            self._timer.cancel()
            self._timer = None
        made = min(len(self._calls), _AT_ONCE)
        for _ in range(made):
            function, arguments = self._calls.popleft()
            try:
                function(*arguments)
            except Exception as error:  # noqa: BLE001 - one that fails must not keep the others away
                self._loop.call_exception_handler({"message": "a call from another thread failed", "exception": error})
        # When those who were answered have gone on, it is known how many more calls are expected.
        self._loop.call_soon(self._rest, made)

    def _rest(self, made: int) -> None:
        coming = max(made, self._expected()) if made else 0
        self._batch = min(_LARGEST_BATCH, coming // 2) if coming >= _BUSY else 1
        self._awake = False
        if len(self._calls) >= self._batch:
            self._awake = True
            self._loop.call_soon(self._run)
        elif self._batch > 1:
            self._timer = self._loop.call_later(_WAIT_SECONDS, self._run)
