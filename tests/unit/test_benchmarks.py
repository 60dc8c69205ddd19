"""The evaluation of the benchmarks' measurements, and the estimates of docs/explanation/scale.md."""

from __future__ import annotations

import re

import pytest
from botocore.session import Session

from benchmarks.client import Figure, percentile
from benchmarks.quotas import AWS_QUOTAS
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


def test_ratio_of_clients_is_the_median_of_the_rounds_ratios() -> None:
    # The third round was slow for both.
    assert Figure("rate", {"ours": [90, 100, 10], "paho": [100, 100, 11]}, "{}", "paho").ratio("paho") == 10 / 11


@pytest.mark.parametrize(
    ("bounds", "is_met"),
    [({"at_least": 0.9}, True), ({"at_least": 0.91}, False), ({"at_most": 0.9}, True), ({"at_most": 0.89}, False)],
)
def test_goal_is_a_bound_for_the_ratio_to_another_client(bounds: dict[str, float], is_met: bool) -> None:
    assert Figure("rate", {"ours": [90.0], "awscrt": [100.0]}, "{}", "awscrt", **bounds).is_met is is_met


def test_percentile_is_a_sample() -> None:
    assert percentile(range(1, 101), 99) == 99
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([7.0], 99) == 7.0


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


def test_scale_page_has_the_computed_tables() -> None:
    text = PAGE.read_text()
    empty = re.sub(r"(<!-- (\S+) -->\n).*?(<!-- /\2 -->)", r"\1\3", text, flags=re.DOTALL)
    assert with_tables(empty, tables()) == text, "run python -m benchmarks.scale to write the tables"


def test_scale_page_without_markers_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"<!-- a -->"):
        with_tables("nothing", [Table("a", ["x"], [])])


def test_quotas_name_operations_of_aws_once() -> None:
    aws, operations = Session(), [operation for quota in AWS_QUOTAS for operation in quota.operations]
    for operation in operations:
        service, _, name = operation.partition(":")
        assert name in aws.get_service_model(service).operation_names
    assert len(set(operations)) == len(operations)
