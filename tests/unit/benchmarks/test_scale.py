from __future__ import annotations

import re

import pytest

from benchmarks.scale import (
    ATTACH,
    IDENTITIES,
    LIST_ATTACHED,
    PAGE,
    STEP_SECONDS,
    THREADS,
    Latencies,
    Table,
    sweep,
    tables,
    with_tables,
)
from bulk import step

_NO_LATENCY = Latencies(list_attached=0, attach=0, page=0, between_steps=0)


def test_sweep_takes_as_long_as_its_slowest_rate() -> None:
    assert sweep(600, 2, 10, latencies=_NO_LATENCY).seconds == pytest.approx(300)
    assert sweep(600, 2, 10, missing=0, latencies=_NO_LATENCY).seconds == pytest.approx(60)
    assert sweep(600, 2, 10, due=0, latencies=_NO_LATENCY).seconds == pytest.approx(10 / 5)  # ten pages


def test_sweep_with_slow_answers_is_limited_by_its_threads() -> None:
    slow = Latencies(list_attached=1, attach=1, page=0, between_steps=0)
    assert sweep(1600, 1000, 1000, latencies=slow).seconds == pytest.approx(1600 / 16 * 2, rel=0.02)


def test_sweep_counts_calls_by_their_shares() -> None:
    assert sweep(700, 2, 10, due=0.1, missing=0.5).calls == {IDENTITIES: 12, LIST_ATTACHED: 70, ATTACH: 35}


def test_sweep_waits_between_steps_that_double() -> None:
    waiting = Latencies(list_attached=0, attach=0, page=0, between_steps=7)
    estimate = sweep(70, 2, 10, latencies=waiting)  # 35 s: steps of 5, 10 and 20 s
    assert estimate.steps == 3
    assert estimate.seconds == pytest.approx(35 + 2 * 7)


def test_steps_and_threads_are_those_of_the_functions() -> None:
    assert (STEP_SECONDS, THREADS) == (step._STEP_SECONDS, step.THREADS)


def test_page_has_the_tables() -> None:
    text = PAGE.read_text()
    empty = re.sub(r"(<!-- (\S+) -->\n).*?(<!-- /\2 -->)", r"\1\3", text, flags=re.DOTALL)
    assert with_tables(empty, tables()) == text, "python -m benchmarks.scale writes the tables"


def test_page_without_markers_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"<!-- a -->"):
        with_tables("nothing", [Table("a", ["x"], [])])
