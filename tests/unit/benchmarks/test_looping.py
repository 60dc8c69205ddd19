from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attachment.retries import RateLimiter
from benchmarks.scale.looping import STEP_SECONDS, THREADS, WAIT_SECONDS, Call, Done, Turns, Work, simulate
from benchmarks.scale.works import ATTACH, IDENTITIES, LOOK
from bulk import step

RATES = st.sampled_from([1.0, 2.0, 15.0, 100.0, 1000.0])
SECONDS = st.sampled_from([0.0, 0.05, 0.5, 3.0])
SHARES = st.sampled_from([0.0, 0.1, 1 / 3, 1.0])


def sweep(
    identities: int, *, attach: float = 20, look: float = 30, seconds: float = 0.05, due: float = 1, missing: float = 1
) -> Work:
    return Work(
        identities,
        page=Call(IDENTITIES, 5, seconds),
        page_size=60,
        pages_at_once=2,
        calls=(Call(LOOK, look, seconds, due), Call(ATTACH, attach, seconds, missing)),
        between_steps=1.0,
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 700), RATES, RATES, SECONDS)
def test_every_identity_is_looked_at_and_attached_once(n: int, attach: float, look: float, seconds: float) -> None:
    made = simulate(sweep(n, attach=attach, look=look, seconds=seconds)).calls
    assert (made[LOOK], made[ATTACH]) == (n, n)
    assert made[IDENTITIES] == -(-n // 60)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 700), SHARES, SHARES)
def test_shares_are_kept_to(n: int, due: float, missing: float) -> None:
    made = simulate(sweep(n, due=due, missing=missing)).calls
    assert made[LOOK] == int(due * n + 1e-9)
    assert made[ATTACH] == int(missing * made[LOOK] + 1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 500), RATES, RATES, SECONDS)
def test_no_call_is_made_faster_than_its_rate(n: int, attach: float, look: float, seconds: float) -> None:
    work = sweep(n, attach=attach, look=look, seconds=seconds)
    begun = simulate(work, record=True).begun
    assert begun is not None
    for call in (work.page, *work.calls):
        times = sorted(begun[call.operation])
        assert all(later - earlier >= 1 / call.per_second - 1e-9 for earlier, later in pairwise(times))


@pytest.mark.parametrize("rate", [2, 100, 1000])
def test_slower_answers_never_make_it_faster(rate: float) -> None:
    hours = [simulate(sweep(500, attach=rate, look=rate, seconds=seconds)).hours for seconds in (0, 0.01, 0.1, 1, 3)]
    assert hours == sorted(hours)


def test_where_answers_are_slow_the_threads_set_the_pace() -> None:
    done = simulate(sweep(1600, attach=1000, look=1000, seconds=1.0))
    assert done.seconds == pytest.approx(1600 / 16 * 2.0, rel=0.1)


def test_a_sweep_of_millions_goes_on_as_it_began() -> None:
    work = sweep(40_000, attach=10, look=13, due=0.5, missing=0.3)
    one_by_one, ahead = simulate(work), simulate(work, one_by_one=20_000)
    assert ahead.seconds == pytest.approx(one_by_one.seconds, rel=0.01)
    assert all(ahead.calls[name] == pytest.approx(count, rel=0.005) for name, count in one_by_one.calls.items())


def test_it_waits_while_the_retry_queue_is_behind() -> None:
    undisturbed = simulate(sweep(2_000))
    disturbed = simulate(sweep(2_000), is_behind=lambda now: 20 <= now < 320)
    assert 300 <= disturbed.seconds - undisturbed.seconds <= 300 + WAIT_SECONDS + 10
    assert disturbed.calls == undisturbed.calls


def test_turns_are_those_of_the_rate_limiter() -> None:
    now = 0.0
    waited: list[float] = []
    limiter = RateLimiter(4, clock=lambda: now, sleep=waited.append)
    turns = Turns(Call(LOOK, 4, seconds=0), Done())
    for now in (0.0, 0.0, 0.1, 0.9, 2.0, 2.01):
        limiter.wait()
        assert turns.answered(now) == pytest.approx(now + waited[-1])


def test_steps_and_threads_are_those_of_the_sweep() -> None:
    assert (STEP_SECONDS, THREADS) == (step._STEP_SECONDS, step.THREADS)
