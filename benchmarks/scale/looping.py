"""A simulation of what works on every identity by the steps of a looping state machine.

It makes the calls of lambdas/sweep.py and lambdas/detach_all.py on a clock of its own: pages one after another, perhaps
the next one read while one is worked on; its identities by sixteen threads, each call in its turn; steps that become
longer. A call takes the same time each time, so calls take their turns in the order in which identities begin, and a
heap of when each thread is free is all the event queue there is.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

THREADS = 16
STEP_SECONDS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0)
WAIT_SECONDS = 30.0

_ONE_BY_ONE = 60_000


@dataclass(frozen=True)
class Call:
    """A call that is made for a page, or for an identity.

    Attributes:
        operation: such as ``iot:AttachPolicy``.
        per_second: how many are made in a second at most, evenly apart.
        seconds: how long AWS takes to answer.
        share: for how many of those for whom the call before was made.
    """

    operation: str
    per_second: float
    seconds: float
    share: float = 1.0


@dataclass(frozen=True)
class Work:
    """What is done to every identity.

    Attributes:
        identities: how many there are.
        page: the call that lists them.
        page_size: how many it lists.
        pages_at_once: how many pages are under way at most.
        calls: for one identity, one after another.
        between_steps: seconds from the end of a step to the beginning of the next.
        settle: seconds until a step's function has what it needs for its first page.
    """

    identities: int
    page: Call
    page_size: int
    pages_at_once: int
    calls: tuple[Call, ...]
    between_steps: float
    settle: float = 0.0


@dataclass
class Done:
    """What it came to.

    Attributes:
        seconds: from the beginning of the first step to the end of the last.
        steps: how many; those that only waited count.
        calls: by operation.
        begun: when each call began, by operation, if asked for.
    """

    seconds: float = 0.0
    steps: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    begun: dict[str, list[float]] | None = None

    @property
    def hours(self) -> float:
        """The time in hours."""
        return self.seconds / 3600

    def __add__(self, other: Done) -> Done:
        """Return both, one after the other."""
        return Done(self.seconds + other.seconds, self.steps + other.steps, self.calls + other.calls)


class Turns:
    """The turns of one operation's calls, as ``attachment.retries.RateLimiter`` gives them."""

    def __init__(self, call: Call, done: Done) -> None:
        self._call, self._done = call, done
        self._last_turn = float("-inf")
        self._apart = 1 / call.per_second
        self._offered = self._made = 0

    def is_due(self) -> bool:
        """Tell whether the call is made for the next identity; those it is made for are spread evenly."""
        if self._call.share == 1:
            return True
        self._offered += 1
        if self._made >= int(self._call.share * self._offered + 1e-9):
            return False
        self._made += 1
        return True

    def answered(self, asked: float) -> float:
        """Make a call that a thread asks for at this time, and return when it is answered."""
        turn = self._last_turn + self._apart
        begun = self._last_turn = turn if turn > asked else asked  # noqa: FURB136 - max takes three times as long
        self._done.calls[self._call.operation] += 1
        if self._done.begun is not None:
            self._done.begun.setdefault(self._call.operation, []).append(begun)
        return begun + self._call.seconds


def never(_: float) -> bool:
    """Tell that the retry queue is never behind."""
    return False


def simulate(
    work: Work, *, is_behind: Callable[[float], bool] = never, one_by_one: int = _ONE_BY_ONE, record: bool = False
) -> Done:
    """Do the work.

    Args:
        work: what is to be done.
        is_behind: tells of a time, in seconds since the beginning, whether the retry queue goes first.
        one_by_one: of so many identities every call is gone through. What comes after them takes its time by what the
            last half of them took, with no regard to the retry queue.
        record: keep when each call began.
    """
    if work.identities <= one_by_one:
        return _Simulation(work, is_behind, record).run()
    half, whole = (_undisturbed(replace(work, identities=count)) for count in (one_by_one // 2, one_by_one))
    times = (work.identities - one_by_one) / (one_by_one - one_by_one // 2)
    return Done(
        seconds=whole.seconds + times * (whole.seconds - half.seconds),
        steps=whole.steps + times * (whole.steps - half.steps),
        calls=Counter({name: round(count + times * (count - half.calls[name])) for name, count in whole.calls.items()}),
    )


@cache
def _undisturbed(work: Work) -> Done:
    return _Simulation(work, never, record=False).run()


class _Simulation:
    def __init__(self, work: Work, is_behind: Callable[[float], bool], record: bool) -> None:
        self._work, self._is_behind = work, is_behind
        self._done = Done(begun={} if record else None)
        self._pages = Turns(work.page, self._done)
        self._turns: Sequence[Turns] = [Turns(call, self._done) for call in work.calls]
        self._left = work.identities

    def run(self) -> Done:
        now, number = 0.0, 0
        while True:
            if self._is_behind(now):
                now += WAIT_SECONDS
            else:
                seconds = STEP_SECONDS[min(number, len(STEP_SECONDS) - 1)]
                now = self._step(now + self._work.settle, ends_at=now + seconds)
            number += 1
            if not self._left:
                break
            now += self._work.between_steps
        self._done.seconds, self._done.steps = now, number
        return self._done

    def _step(self, now: float, ends_at: float) -> float:
        """Work through pages until the step's time is up, and return when the last of them is done."""
        free = [now] * THREADS
        under_way: deque[float] = deque()
        while True:
            if self._left and len(under_way) < self._work.pages_at_once and now < ends_at and not self._is_behind(now):
                now = self._pages.answered(now)
                under_way.append(self._page(now, free))
            elif under_way:
                now = max(now, under_way.popleft())
            else:
                return now

    def _page(self, read: float, free: list[float]) -> float:
        """Work on a page that was read at this time, and return when all of it is done."""
        size = min(self._left, self._work.page_size)
        self._left -= size
        done = read
        for _ in range(size):
            if not self._turns[0].is_due():
                continue
            now = max(read, free[0])
            for number, turns in enumerate(self._turns):
                if number and not turns.is_due():
                    break
                now = turns.answered(now)
            heapq.heapreplace(free, now)
            done = max(done, now)
        return done
