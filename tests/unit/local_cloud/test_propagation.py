from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.propagation import PolicyPropagation, PolicyTarget
from tests.unit.local_cloud.conftest import Clock

TARGET = PolicyTarget("000000000000", "us-east-1", "us-east-1:identity")
OTHER = TARGET._replace(region="eu-west-1")


@pytest.fixture
def propagation(clock: Clock) -> PolicyPropagation:
    propagation = PolicyPropagation(clock)
    propagation.seconds = 10.0
    return propagation


def test_propagation_separates_regions_and_other_policies(propagation: PolicyPropagation) -> None:
    propagation.changed("policy", {}, {OTHER: "new"})
    assert propagation.effective(TARGET, {"policy": "new"}) == {"policy": "new"}
    assert propagation.effective(OTHER, {"policy": "new", "other": "same"}) == {"other": "same"}


def test_propagation_ends_when_the_delay_is_set_again(propagation: PolicyPropagation) -> None:
    propagation.changed("policy", {}, {TARGET: "new"})
    propagation.seconds = 0.0
    assert propagation.effective(TARGET, {"policy": "new"}) == {"policy": "new"}


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from([None, "a", "b"])), max_size=20), st.floats(0, 30))
def test_effective_policy_is_that_of_a_delay_ago(changes: list[tuple[float, str | None]], later: float) -> None:
    clock = Clock()
    propagation = PolicyPropagation(clock)
    propagation.seconds = 10.0
    history: list[tuple[float, str | None]] = [(0.0, None)]
    for pause, document in changes:
        clock.now += pause
        before, after = history[-1][1], document
        propagation.changed("policy", {TARGET: before} if before else {}, {TARGET: after} if after else {})
        history.append((clock.now, document))
    clock.now += later
    expected = [document for when, document in history if when + 10.0 <= clock.now][-1]
    attached = {"policy": history[-1][1]} if history[-1][1] else {}
    assert propagation.effective(TARGET, attached).get("policy") == expected
