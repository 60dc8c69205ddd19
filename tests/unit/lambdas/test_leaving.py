"""The rules by which a policy leaves its targets: in every order of events nobody is without one."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.leaving import ATTACHED, CURRENT, DETACHED, CannotLeaveError, Leaving

_OLD, _NEW = "old", "new"
_PROPAGATION = 600.0


def _round(leaving: Leaving, now: float = 0.0, **outcomes: int) -> float | None:
    """Return the seconds to wait before the next round; None after the last."""
    leaving.take_note(Counter(outcomes), None)
    goes_on = leaving.end_round(now=now, propagation_seconds=_PROPAGATION)
    return leaving.rests_until - now if goes_on else None


def test_without_a_successor_rounds_follow_each_other_until_one_finds_nothing() -> None:
    leaving = Leaving(attaching=False)
    assert _round(leaving, detached=250) == 0
    assert _round(leaving, detached=3) == 0
    assert _round(leaving) is None
    assert leaving.detached == 253


def test_identities_that_never_had_it_are_no_reason_for_another_round() -> None:
    leaving = Leaving(attaching=False)
    assert _round(leaving, detached=2, absent=58) == 0
    assert _round(leaving, absent=60) is None
    assert leaving.detached == 2


def test_with_a_successor_nothing_is_detached_before_it_has_had_time_to_act() -> None:
    leaving = Leaving(attaching=True)
    assert _round(leaving, attached=5, current=2) == _PROPAGATION
    assert not leaving.attaching


def test_who_got_the_successor_late_keeps_the_policy_for_another_wait() -> None:
    leaving = Leaving(attaching=False)
    assert _round(leaving, detached=5, attached=1) == _PROPAGATION
    assert _round(leaving, detached=1) == 0
    assert _round(leaving) is None


def test_turned_off_it_looks_again_once_nothing_can_attach_any_more() -> None:
    leaving = Leaving(attaching=False, turned_off_at=1000.0)
    assert _round(leaving, 1001.0, detached=2) == 0
    assert _round(leaving, 1010.0) == 35.0
    assert _round(leaving, 1045.0, detached=1) == 0
    assert _round(leaving, 1046.0) is None


def test_what_aws_refuses_ends_it_once_nothing_else_is_left() -> None:
    leaving = Leaving(attaching=True)
    assert _round(leaving, LimitExceededException=2, attached=1) == _PROPAGATION
    assert _round(leaving, LimitExceededException=2, detached=1) == 0
    with pytest.raises(CannotLeaveError, match="2 x LimitExceededException"):
        _round(leaving, LimitExceededException=2)


def test_a_token_that_is_refused_again_and_again_ends_it() -> None:
    leaving = Leaving(attaching=False)
    for _ in range(10):
        leaving.begin_round_again()
    with pytest.raises(CannotLeaveError, match="refuses its own tokens"):
        leaving.begin_round_again()


@given(
    st.lists(st.sets(st.sampled_from((_OLD, _NEW)), min_size=1), max_size=6),
    st.lists(st.integers(0, 5), max_size=60),
)
def test_whatever_is_signed_in_meanwhile_nobody_is_without_a_policy_that_acts(
    identities: list[set[str]], sign_ins: list[int]
) -> None:
    """Identities with one policy or both; a sign-in attaches the new one between any two calls."""
    attached = {each: dict.fromkeys(policies, float("-inf")) for each, policies in enumerate(identities)}
    now, leaving = 0.0, Leaving(attaching=True)
    sequence = iter(sign_ins)
    for _round_number in range(20):
        for each in [one for one, policies in attached.items() if _OLD in policies]:
            signs_in = next(sequence, None)
            if signs_in in attached:
                attached[signs_in].setdefault(_NEW, now)
            leaving.take_note({_settle(attached[each], now, leaving.attaching): 1}, None)
            for policies in attached.values():
                assert any(since <= now - _PROPAGATION for since in policies.values()), "no policy acts"
            now += 1
        if not leaving.end_round(now=now, propagation_seconds=_PROPAGATION):
            break
        now = leaving.rests_until
    assert {_OLD for policies in attached.values() if _OLD in policies} == set()


def _settle(policies: dict[str, float], now: float, attaching: bool) -> str:
    if _NEW not in policies:
        policies[_NEW] = now
        return ATTACHED
    if attaching:
        return CURRENT
    del policies[_OLD]
    return DETACHED


def test_what_a_step_of_another_version_returned_is_gone_on_with() -> None:
    progress = {**Leaving(attaching=True, found=3).as_progress(), "unheard_of": 1}
    del progress["restarts"]
    assert Leaving.of_progress(progress) == Leaving(attaching=True, found=3)
