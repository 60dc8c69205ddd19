from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.propagation import Propagation, Target
from tests.unit.local_cloud.conftest import Clock

TARGET = Target("000000000000", "us-east-1", "us-east-1:identity")
OTHER = TARGET._replace(region="eu-west-1")


@pytest.fixture
def propagation(clock: Clock) -> Propagation:
    made = Propagation(clock)
    made.seconds = 10.0
    return made


def test_an_attachment_acts_after_the_delay_and_not_before(propagation: Propagation, clock: Clock) -> None:
    propagation.changed("policy", {}, {TARGET: "new"})
    clock.now += 9.9
    assert propagation.acting(TARGET, {"policy": "new"}) == {}
    clock.now += 0.1
    assert propagation.acting(TARGET, {"policy": "new"}) == {"policy": "new"}


def test_a_detached_policy_acts_until_the_delay_is_over(propagation: Propagation, clock: Clock) -> None:
    propagation.changed("policy", {TARGET: "old"}, {})
    assert propagation.acting(TARGET, {}) == {"policy": "old"}
    clock.now += 10
    assert propagation.acting(TARGET, {}) == {}


def test_a_new_version_acts_after_the_delay(propagation: Propagation, clock: Clock) -> None:
    propagation.changed("policy", {TARGET: "old"}, {TARGET: "new"})
    assert propagation.acting(TARGET, {"policy": "new", "other": "same"}) == {"policy": "old", "other": "same"}
    clock.now += 10
    assert propagation.acting(TARGET, {"policy": "new", "other": "same"}) == {"policy": "new", "other": "same"}


def test_a_change_in_another_region_is_another(propagation: Propagation) -> None:
    propagation.changed("policy", {}, {OTHER: "new"})
    assert propagation.acting(TARGET, {"policy": "new"}) == {"policy": "new"}


def test_setting_the_delay_anew_lets_what_waited_act(propagation: Propagation) -> None:
    propagation.changed("policy", {}, {TARGET: "new"})
    propagation.seconds = 0.0
    assert propagation.acting(TARGET, {"policy": "new"}) == {"policy": "new"}


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from([None, "a", "b"])), max_size=20), st.floats(0, 30))
def test_what_acts_is_what_was_attached_a_delay_ago(changes: list[tuple[float, str | None]], later: float) -> None:
    clock = Clock()
    propagation = Propagation(clock)
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
    assert propagation.acting(TARGET, attached).get("policy") == expected
