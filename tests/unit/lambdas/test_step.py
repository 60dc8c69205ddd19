from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bulk.step import BatchStep, process_with_retries
from tests.unit.lambdas.conftest import client_error


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulk.step.time", SimpleNamespace(monotonic=lambda: 1000.0, sleep=lambda _: None))


def _begin(state: dict[str, Any], milliseconds: int = 900_000) -> BatchStep:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: milliseconds)
    return BatchStep.begin({"state": state, "execution": "execution", "machine": "machine"}, context)


def test_step_has_the_input_and_the_last_checkpoint() -> None:
    first = _begin({"full": True})
    assert (first.number, first.input, first.checkpoint) == (0, {"full": True}, None)
    second = _begin(first.continue_({"listed": 60}))
    assert (second.number, second.input, second.checkpoint) == (1, {"full": True}, {"listed": 60})


def test_step_is_short_at_first_and_ends_before_lambda_does() -> None:
    state: dict[str, Any] = {}
    seconds = []
    for _ in range(12):
        step = _begin(state)
        seconds.append(step.ends_at - 1000)
        state = step.continue_({})
    assert seconds[0] <= 5
    assert seconds == sorted(seconds)
    assert seconds[-1] <= 900 - 120
    assert _begin({}, milliseconds=122_000).ends_at == 1002


@pytest.mark.parametrize(("waits", "events"), [(False, 7), (True, 9)])
def test_step_continues_in_a_new_execution_before_the_history_is_full(waits: bool, events: int) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html."""
    state: dict[str, Any] = {"full": True}
    steps = 0
    while True:
        step = _begin(state)
        state = step.wait(30, {"listed": steps}) if waits else step.continue_({"listed": steps})
        if state["next"] == "continue_as_new":
            break
        assert state["next"] == ("wait" if waits else "continue")
        steps += 1
    assert steps * events < 25_000 / 1.5
    first = _begin(state)
    assert (first.number, first.input, first.checkpoint) == (0, {"full": True}, {"listed": steps})


def test_step_returns_the_next_state() -> None:
    step = _begin({})
    assert (step.wait(30, {})["next"], step.wait(30, {})["waitSeconds"]) == ("wait", 30)
    assert step.done({})["next"] == "done"
    failed = step.failed("AttachPolicy: UnauthorizedException", {})
    assert (failed["next"], failed["cause"]) == ("failed", "AttachPolicy: UnauthorizedException")


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (client_error("ThrottlingException"), 60),
        (client_error("InternalFailureException", 500), 5),
        (client_error("UnauthorizedException", 401), 1),
    ],
    ids=str,
)
def test_processing_repeats_retryable_errors(error: Exception, attempts: int) -> None:
    calls = []

    def fail() -> str:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        process_with_retries(fail)
    assert len(calls) == attempts


def test_processing_returns_the_error_of_a_single_identity() -> None:
    def fail() -> str:
        raise client_error("LimitExceededException", 410)

    assert process_with_retries(fail) == "LimitExceededException"
