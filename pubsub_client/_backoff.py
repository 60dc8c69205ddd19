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
    """Random delays up to a bound, which doubles with each failed attempt from ``first`` to ``maximum`` seconds."""

    first: float
    maximum: float

    def delay(self, failures: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
        """Return the seconds to wait after a number of consecutive failures; tests replace ``uniform``."""
        return uniform(0.0, min(self.first * 2 ** min(failures, _MAX_DOUBLINGS), self.maximum))
