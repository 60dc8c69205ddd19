"""Backoff grow, and differ from client to client."""

from __future__ import annotations

import random

from pubsub_client._backoff import Backoff

PAUSES = Backoff(1.0, 120.0)


def test_the_bound_doubles_up_to_the_longest() -> None:
    bounds = [PAUSES.delay(attempt, lambda _, bound: bound) for attempt in range(9)]
    assert bounds == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def test_the_pause_may_be_anything_below_the_bound() -> None:
    uniform = random.Random(1).uniform  # noqa: S311 - no secret
    pauses = [PAUSES.delay(3, uniform) for _ in range(500)]
    assert min(pauses) < 0.5
    assert 7.5 < max(pauses) <= 8.0


def test_however_many_attempts_have_failed_there_is_a_pause() -> None:
    assert PAUSES.delay(100_000, lambda _, bound: bound) == 120.0
