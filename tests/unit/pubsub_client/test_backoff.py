"""Delays between attempts."""

from __future__ import annotations

import random

from pubsub_client._backoff import Backoff

BACKOFF = Backoff(1.0, 120.0)


def test_backoff_doubles_its_bound_up_to_the_maximum() -> None:
    bounds = [BACKOFF.delay(failures, lambda _, bound: bound) for failures in (*range(9), 100_000)]
    assert bounds == [1, 2, 4, 8, 16, 32, 64, 120, 120, 120]


def test_backoff_has_full_jitter() -> None:
    uniform = random.Random(1).uniform  # noqa: S311 - no secret
    delays = [BACKOFF.delay(3, uniform) for _ in range(500)]
    assert min(delays) < 0.5
    assert 7.5 < max(delays) <= 8.0
