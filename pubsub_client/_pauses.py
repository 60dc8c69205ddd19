"""How long to wait before trying again: growing exponentially, with full jitter, so that clients do not come at once.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

_MOST_DOUBLINGS = 30


@dataclass(frozen=True)
class Pauses:
    """Random pauses below a bound that doubles with each attempt.

    Args:
        shortest: the first bound, in seconds.
        longest: the last bound, in seconds.
    """

    shortest: float
    longest: float

    def before(self, attempt: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
        """Return seconds to wait.

        Args:
            attempt: how many have failed in a row before this one, from 0 on.
            uniform: gives a random number between two.
        """
        return uniform(0.0, min(self.shortest * 2 ** min(attempt, _MOST_DOUBLINGS), self.longest))
