from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bulk.step import Step

_CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)


def _begin(state: dict[str, Any]) -> Step:
    return Step.begin({"state": state, "execution": "execution", "machine": "machine"}, _CONTEXT)


def _seconds(step: Step, now: float) -> float:
    return step.ends_at - now


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    return 1000.0


def test_the_first_step_has_what_the_execution_was_started_with_and_no_progress() -> None:
    step = _begin({"full": True})
    assert (step.number, step.given, step.progress) == (0, {"full": True}, None)


def test_the_next_step_has_what_the_last_one_returned() -> None:
    state = _begin({"full": True}).again({"seen": 60})
    step = _begin(state)
    assert (step.number, step.given, step.progress) == (1, {"full": True}, {"seen": 60})


def test_steps_are_short_at_first_and_never_longer_than_lambda_allows(now: float) -> None:
    state: dict[str, Any] = {}
    seconds = []
    for _ in range(12):
        step = _begin(state)
        seconds.append(_seconds(step, now))
        state = step.again({})
    assert seconds[0] <= 5
    assert seconds == sorted(seconds)
    assert seconds[-1] <= 900 - 120


def test_a_step_leaves_time_for_what_it_has_begun(now: float) -> None:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 122_000)
    step = Step.begin({"state": {}, "execution": "execution", "machine": "machine"}, context)
    assert _seconds(step, now) == 2


def test_before_the_history_is_full_another_execution_goes_on() -> None:
    state: dict[str, Any] = {"full": True}
    steps = 0
    while (state := _begin(state).again({"seen": steps}))["next"] == "continue":
        steps += 1
    assert state["next"] == "continue_as_new"
    # A step makes seven events, and tries again now and then: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    assert steps * 7 < 25_000 / 2
    afresh = _begin(state)
    assert (afresh.number, afresh.given, afresh.progress) == (0, {"full": True}, {"seen": steps})


def test_what_waits_again_and_again_goes_on_in_another_execution_too() -> None:
    state: dict[str, Any] = {}
    steps = 0
    while (state := _begin(state).wait(30, {}))["next"] == "wait":
        steps += 1
    assert state["next"] == "continue_as_new"
    assert steps * 9 < 25_000 / 1.5


def test_what_comes_next_is_said_to_the_state_machine() -> None:
    step = _begin({})
    assert step.wait(30, {})["next"] == "wait"
    assert step.wait(30, {})["waitSeconds"] == 30
    assert step.done({})["next"] == "done"
    assert step.failed("AttachPolicy: UnauthorizedException", {})["cause"] == "AttachPolicy: UnauthorizedException"
