"""The rules of a bulk detachment: an identity always has an effective policy while the policy is replaced."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.detach_state import ATTACHED, CURRENT, DETACHED, DetachBlockedError, DetachState

_OLD, _NEW = "old", "new"
_PROPAGATION = 600.0


def _round(state: DetachState, now: float = 0.0, **outcomes: int) -> float | None:
    """Return the seconds until the next round; None after the last."""
    state.record(Counter(outcomes), None)
    continues = state.end_round(now=now, propagation_seconds=_PROPAGATION)
    return state.next_round_at - now if continues else None


def test_rounds_end_when_one_finds_no_target() -> None:
    state = DetachState(attaching=False)
    assert _round(state, detached=250) == 0
    assert _round(state, detached=3, absent=58) == 0
    assert _round(state, absent=60) is None
    assert state.detached == 253


def test_round_waits_after_the_replacement_was_attached() -> None:
    state = DetachState(attaching=True)
    assert _round(state, attached=5, current=2) == _PROPAGATION
    assert not state.attaching
    assert _round(state, detached=5, attached=1) == _PROPAGATION
    assert _round(state, detached=1) == 0
    assert _round(state) is None


def test_round_is_repeated_until_paused_functions_cannot_attach() -> None:
    state = DetachState(attaching=False, paused_at=1000.0)
    assert _round(state, 1001.0, detached=2) == 0
    assert _round(state, 1010.0) == 65.0
    assert _round(state, 1075.0, detached=1) == 0
    assert _round(state, 1076.0) is None


def test_round_raises_if_only_refused_targets_remain() -> None:
    state = DetachState(attaching=True)
    assert _round(state, LimitExceededException=2, attached=1) == _PROPAGATION
    assert _round(state, LimitExceededException=2, detached=1) == 0
    with pytest.raises(DetachBlockedError, match="2 x LimitExceededException"):
        _round(state, LimitExceededException=2)


def test_round_raises_if_tokens_are_rejected_too_often() -> None:
    state = DetachState(attaching=False)
    for _ in range(10):
        state.restart_round()
    with pytest.raises(DetachBlockedError, match="rejects its own tokens"):
        state.restart_round()


@given(
    st.lists(st.sets(st.sampled_from((_OLD, _NEW)), min_size=1), max_size=6),
    st.lists(st.integers(0, 5), max_size=60),
)
def test_identities_always_have_an_effective_policy(identities: list[set[str]], sign_ins: list[int]) -> None:
    """Identities have one policy or both; a sign-in attaches the new one between any two calls."""
    attached = {each: dict.fromkeys(policies, float("-inf")) for each, policies in enumerate(identities)}
    now, state = 0.0, DetachState(attaching=True)
    sequence = iter(sign_ins)
    for _ in range(20):
        for each in [one for one, policies in attached.items() if _OLD in policies]:
            if (signs_in := next(sequence, None)) in attached:
                attached[signs_in].setdefault(_NEW, now)
            state.record({_process(attached[each], now, state.attaching): 1}, None)
            for policies in attached.values():
                assert any(since <= now - _PROPAGATION for since in policies.values()), "no effective policy"
            now += 1
        if not state.end_round(now=now, propagation_seconds=_PROPAGATION):
            break
        now = state.next_round_at
    assert not any(_OLD in policies for policies in attached.values())


def _process(policies: dict[str, float], now: float, attaching: bool) -> str:
    if _NEW not in policies:
        policies[_NEW] = now
        return ATTACHED
    if attaching:
        return CURRENT
    del policies[_OLD]
    return DETACHED


def test_checkpoint_of_another_version_is_read() -> None:
    checkpoint = {**DetachState(attaching=True, found=3).to_checkpoint(), "unknown": 1}
    del checkpoint["restarts"]
    assert DetachState.from_checkpoint(checkpoint) == DetachState(attaching=True, found=3)
