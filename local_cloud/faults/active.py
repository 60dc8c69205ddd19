"""The faults that are set on this cloud, and which of them a call meets."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from local_cloud.faults.fault import Fault, SetFault, Throttle


class TokenBucket:
    """Lets a rate pass: a token a call, one second's tokens (at least one) at most, and full at the start."""

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._capacity = max(1.0, per_second)
        self._tokens = self._capacity
        self._filled_at = now

    def has_room(self, now: float) -> bool:
        """Take a token if there is one; times are seconds of a monotonic clock."""
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class ActiveFault:
    """A fault at work."""

    number: int
    fault: Fault
    bucket: TokenBucket | None
    taken: int = 0
    cleared: asyncio.Event = field(default_factory=asyncio.Event)


class ActiveFaults:
    """The faults in the order they were set."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._faults: list[ActiveFault] = []

    def __bool__(self) -> bool:
        return bool(self._faults)

    def set(self, faults: Iterable[Fault]) -> list[int]:
        """Set faults behind those that are set, and return their numbers."""
        added = []
        for fault in faults:
            effect = fault.effect
            bucket = TokenBucket(effect.per_second, self._clock()) if isinstance(effect, Throttle) else None
            added.append(ActiveFault(next(self._numbers), fault, bucket))
        self._faults += added
        return [each.number for each in added]

    def meet(self, operation: str) -> ActiveFault | None:
        """Return the first fault that a call of this operation meets, and count it.

        A fault that has happened often enough is passed over, and so is a rate that has room.
        """
        for active in self._faults:
            fault = active.fault
            if operation not in fault.operations or active.taken == fault.times:
                continue
            if active.bucket and active.bucket.has_room(self._clock()):
                continue
            active.taken += 1
            return active
        return None

    def clear(self, *, number: int | None = None, operation: str | None = None) -> None:
        """Clear one fault, those of an operation, or all; what hangs in them goes on."""
        kept = []
        for active in self._faults:
            if number in (None, active.number) and (operation is None or operation in active.fault.operations):
                active.cleared.set()
            else:
                kept.append(active)
        self._faults = kept

    def listed(self) -> list[SetFault]:
        """Return what is set, those that have happened often enough too, until they are cleared."""
        return [SetFault(each.number, each.fault, each.taken) for each in self._faults]


ACTIVE = ActiveFaults()
"""This cloud's faults."""
