"""The benchmark of the clients evaluates what it measured."""

from __future__ import annotations

from benchmarks.client import Figure, Goal, percentile, share_of_stalls


def test_ratio_is_the_median_of_the_rounds_ratios() -> None:
    # The third round was slow for both.
    figure = Figure("rate", {"ours": [90, 100, 10], "paho-mqtt": [100, 100, 11]}, "{}")
    assert figure.ratio("paho-mqtt") == 10 / 11
    assert Figure("share", {"ours": [0.1], "paho-mqtt": [0.0]}, "{:.1%}").ratio("paho-mqtt") is None


def test_goal_bounds_a_ratio_or_our_own_value() -> None:
    values = {"ours": [90.0, 90.0], "bare awscrt": [100.0, 100.0]}
    assert Figure("rate", values, "{}", Goal(0.9, at_least=True, relative_to="bare awscrt")).is_met
    assert not Figure("rate", values, "{}", Goal(0.91, at_least=True, relative_to="bare awscrt")).is_met
    assert not Figure("time", values, "{}", Goal(0.89, relative_to="bare awscrt")).is_met
    assert Figure("share", {"ours": [0.005]}, "{}", Goal(0.005)).is_met
    assert not Figure("share", {"ours": [0.006]}, "{}", Goal(0.005)).is_met


def test_percentile_is_a_sample_that_so_many_do_not_exceed() -> None:
    assert percentile(range(1, 101), 99) == 99
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([7.0], 99) == 7.0


def test_stall_is_a_trip_over_ten_milliseconds() -> None:
    assert share_of_stalls([0.001, 0.010, 0.011, 0.040]) == 0.5
