from __future__ import annotations

from pubsub_cli.checks.catalogue import CHECKS, DOCTOR_TELLS, SMOKE_TELLS, listed
from pubsub_cli.checks.options import Requirement

_SMOKE = frozenset(
    {
        Requirement.OPERATOR,
        Requirement.STACK,
        Requirement.IDENTITY,
        Requirement.TOKEN,
        Requirement.PASSWORD,
        Requirement.PROBE,
        Requirement.TRIES,
    }
)


def _ids(has: frozenset[Requirement], tells: frozenset[Requirement], only: tuple[str, ...] = ()) -> list[str]:
    return [check.id for check in listed(has, tells, only)]


def test_the_doctor_lists_nothing_that_makes_users_or_tries_what_must_be_refused() -> None:
    everything = frozenset(Requirement) - {Requirement.PROBE, Requirement.TRIES}
    for check in listed(everything, DOCTOR_TELLS):
        assert not check.needs & {Requirement.PROBE, Requirement.TRIES}
    assert "PS412" in _ids(_SMOKE, SMOKE_TELLS)


def test_an_option_that_is_not_given_lists_no_check() -> None:
    assert "PS106" not in _ids(frozenset({Requirement.OPERATOR, Requirement.STACK}), DOCTOR_TELLS)
    assert "PS106" in _ids(frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.GIVEN_TOKEN}), DOCTOR_TELLS)


def test_only_lists_a_check_with_all_it_rests_on() -> None:
    ids = _ids(_SMOKE, SMOKE_TELLS, only=("PS501",))
    assert ids[0] == "PS101"
    assert ids[-1] == "PS501"
    assert {"PS401", "PS402"} < set(ids)
    assert not {"PS502", "PS601"} & set(ids)


def test_every_check_is_in_the_catalogue_once() -> None:
    assert len(set(CHECKS)) == len(CHECKS)
