"""Exponential backoff with full jitter.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

_MAX_DOUBLINGS = 30


@dataclass(frozen=True)
class Backoff:
    """Random delays below a bound that doubles with each failed attempt, from ``first`` to ``maximum`` seconds."""

    first: float
    maximum: float

    def delay(self, failures: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
        """Return seconds to wait after a number of failures in a row; ``uniform`` returns a number between two."""
        return uniform(0.0, min(self.first * 2 ** min(failures, _MAX_DOUBLINGS), self.maximum))
