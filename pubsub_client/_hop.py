"""From awscrt's threads to asyncio's: in order, and as many at once as there are."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

# Waking the loop costs more than a call, so that under load it looks by itself; one that waits is not kept waiting.
_BURST = 32
_AT_ONCE = 100
_LOOK_AGAIN_SECONDS = 0.0005


class Hop:
    """Makes calls on the loop for other threads; a burst of them wakes the loop once.

    Args:
        loop: where the calls are made.
        is_busy: whether more calls are to be expected at once, by which the loop looks for them instead of being woken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, is_busy: Callable[[], bool] = lambda: False) -> None:
        self._loop = loop
        self._is_busy = is_busy
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._scheduled = False

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have a function called on the loop, after those asked for before it. Any thread may ask."""
        self._calls.append((function, arguments))
        if not self._scheduled and not self._loop.is_closed():
            self._scheduled = True
            self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        made = 0
        while self._calls and made < _AT_ONCE:
            function, arguments = self._calls.popleft()
            made += 1
            try:
                function(*arguments)
            except Exception as error:  # noqa: BLE001 - one that fails must not keep the others away
                self._loop.call_exception_handler({"message": "a call from another thread failed", "exception": error})
        if self._calls:
            self._loop.call_soon(self._run)  # after what the loop has to do besides
            return
        if made >= _BURST or (made and self._is_busy()):
            self._loop.call_later(_LOOK_AGAIN_SECONDS, self._run)
            return
        self._scheduled = False
        # What was added just before that has scheduled nothing.
        if self._calls and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)
