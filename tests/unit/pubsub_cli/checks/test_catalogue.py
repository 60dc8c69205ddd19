from __future__ import annotations

from pubsub_cli.checks.catalogue import CHECKS, DOCTOR_TELLS, SMOKE_TELLS, listed
from pubsub_cli.checks.check import Need

_SMOKE = frozenset(
    {Need.OPERATOR, Need.STACK, Need.IDENTITY, Need.TOKEN, Need.PASSWORD, Need.PROBE, Need.TRIES}
)  # fmt: skip


def _ids(has: frozenset[Need], tells: frozenset[Need], only: tuple[str, ...] = ()) -> list[str]:
    return [check.id for check in listed(has, tells, only)]


def test_the_doctor_lists_nothing_that_makes_users_or_tries_what_must_be_refused() -> None:
    everything = frozenset(Need) - {Need.PROBE, Need.TRIES}
    for check in listed(everything, DOCTOR_TELLS):
        assert not check.needs & {Need.PROBE, Need.TRIES}
    assert "PS412" in _ids(_SMOKE, SMOKE_TELLS)


def test_an_option_that_is_not_given_lists_no_check() -> None:
    assert "PS106" not in _ids(frozenset({Need.OPERATOR, Need.STACK}), DOCTOR_TELLS)
    assert "PS106" in _ids(frozenset({Need.OPERATOR, Need.STACK, Need.GIVEN_TOKEN}), DOCTOR_TELLS)


def test_only_lists_a_check_with_all_it_rests_on() -> None:
    ids = _ids(_SMOKE, SMOKE_TELLS, only=("PS501",))
    assert ids[0] == "PS101"
    assert ids[-1] == "PS501"
    assert {"PS401", "PS402"} < set(ids)
    assert not {"PS502", "PS601"} & set(ids)


def test_every_check_is_in_the_catalogue_once() -> None:
    assert len(set(CHECKS)) == len(CHECKS)
