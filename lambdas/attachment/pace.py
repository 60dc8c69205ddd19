"""How fast a function may call AWS IoT, whose quotas it shares with others."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SLOW_SECONDS = 2.0


class Pace:
    """Calls evenly apart, of one thread or many: as fast as the whole budget allows, slower for a while once throttled.

    Args:
        own: calls a second that it keeps to for a while after it was throttled.
        whole: calls a second otherwise; the worker's are the whole budget, which it uses while nobody else does.
        clock: seconds of a monotonic clock.
        sleep: waits for that many seconds.
    """

    def __init__(
        self,
        own: float,
        whole: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._own, self._whole = own, whole
        self._clock, self._sleep = clock, sleep
        self._turns = threading.Lock()
        self._last_turn = self._slow_until = float("-inf")

    @classmethod
    def at(cls, per_second: float) -> Pace:
        """Return the pace of who has a rate of its own: half of it for a while once throttled."""
        return cls(own=per_second / 2, whole=per_second)

    def wait(self) -> None:
        """Wait for the next call's turn."""
        with self._turns:
            now = self._clock()
            per_second = self._own if now < self._slow_until else self._whole
            turn = self._last_turn = max(now, self._last_turn + 1 / per_second)
        self._sleep(turn - now)

    def throttled(self) -> None:
        """Take note that there were too many calls: somebody else is at work."""
        self._slow_until = self._clock() + _SLOW_SECONDS
