"""From awscrt's threads to asyncio's: in order, and as many at once as there are."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures
    from collections.abc import Callable

_T = TypeVar("_T")


class Hop:
    """Makes calls on the loop for other threads; a burst of them wakes the loop once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._scheduled = False

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have a function called on the loop, after those asked for before it. Any thread may ask."""
        self._calls.append((function, arguments))
        if not self._scheduled and not self._loop.is_closed():
            self._scheduled = True
            self._loop.call_soon_threadsafe(self._run)

    def follow(self, source: concurrent.futures.Future[_T]) -> asyncio.Future[_T]:
        """Return a future of the loop that ends as one of another thread does."""
        target: asyncio.Future[_T] = self._loop.create_future()
        source.add_done_callback(lambda done: self.call(_settle, target, done))
        return target

    def _run(self) -> None:
        # Reset first: what is added from here on is either taken below or schedules anew.
        self._scheduled = False
        while self._calls:
            function, arguments = self._calls.popleft()
            function(*arguments)


def _settle(target: asyncio.Future[_T], source: concurrent.futures.Future[_T]) -> None:
    if target.done():
        return
    if error := source.exception():
        target.set_exception(error)
    else:
        target.set_result(source.result())
