"""How long to wait before trying again: growing exponentially, with full jitter, so that clients do not come at once.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_DOUBLINGS = 30


def full_jitter(attempt: int, shortest: float, longest: float, uniform: Callable[[float, float], float]) -> float:
    """Return seconds to wait: a random while below a bound that doubles with each attempt.

    Args:
        attempt: how many have failed in a row before this one, from 0 on.
        shortest: the first bound, in seconds.
        longest: the last bound, in seconds.
        uniform: gives a random number between two, as :func:`random.uniform`.
    """
    return uniform(0.0, min(shortest * 2 ** min(attempt, _MOST_DOUBLINGS), longest))
