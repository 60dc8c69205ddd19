"""What the benchmark of the clients makes of what it has measured."""

from __future__ import annotations

from bench.client import Goal, percentile, share_of_stalls


def test_a_goal_is_a_ratio_to_paho_or_a_figure_by_itself() -> None:
    assert Goal(4, at_least=True).is_met(ours=40, paho=10)
    assert not Goal(4, at_least=True).is_met(ours=39, paho=10)
    assert Goal(1).is_met(ours=1.0, paho=1.0)
    assert not Goal(1).is_met(ours=1.1, paho=1.0)
    assert Goal(0.005, by_paho=False).is_met(ours=0.005, paho=0)
    assert not Goal(0.005, by_paho=False).is_met(ours=0.006, paho=1)


def test_a_percentile_is_a_sample_that_so_many_do_not_exceed() -> None:
    assert percentile(range(1, 101), 99) == 99
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([7.0], 99) == 7.0


def test_a_stall_is_a_trip_over_ten_milliseconds() -> None:
    assert share_of_stalls([0.001, 0.010, 0.011, 0.040]) == 0.5
