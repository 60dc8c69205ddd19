from __future__ import annotations

import itertools
import re
from pathlib import Path

from pubsub_cli.checks.catalogue import CHECKS, REPORTED_BY_DOCTOR, REPORTED_BY_SMOKE, select_checks
from pubsub_cli.checks.options import Requirement
from tests.e2e.doctor.page import page

_PAGE = Path(__file__).parents[4] / "docs" / "reference" / "checks.md"

_SMOKE = frozenset(
    {
        Requirement.OPERATOR,
        Requirement.STACK,
        Requirement.IDENTITY,
        Requirement.TOKEN,
        Requirement.PASSWORD,
        Requirement.TEST_USERS,
        Requirement.PROBES,
    }
)


def _ids(available: frozenset[Requirement], reported: frozenset[Requirement], only: tuple[str, ...] = ()) -> list[str]:
    return [check.id for check in select_checks(available, reported, only)]


def test_doctor_lists_no_check_that_creates_users_or_probes() -> None:
    everything = frozenset(Requirement) - {Requirement.TEST_USERS, Requirement.PROBES}
    for check in select_checks(everything, REPORTED_BY_DOCTOR):
        assert not check.requirements & {Requirement.TEST_USERS, Requirement.PROBES}
    assert "PS412" in _ids(_SMOKE, REPORTED_BY_SMOKE)


def test_check_of_an_option_is_listed_only_if_the_option_is_given() -> None:
    assert "PS106" not in _ids(frozenset({Requirement.OPERATOR, Requirement.STACK}), REPORTED_BY_DOCTOR)
    assert "PS106" in _ids(
        frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.GIVEN_TOKEN}), REPORTED_BY_DOCTOR
    )


def test_only_selects_a_check_with_its_dependencies() -> None:
    ids = _ids(_SMOKE, REPORTED_BY_SMOKE, only=("PS501",))
    assert ids[0] == "PS101"
    assert ids[-1] == "PS501"
    assert {"PS401", "PS402"} < set(ids)
    assert not {"PS502", "PS601"} & set(ids)


def test_page_of_the_checks_is_up_to_date() -> None:
    assert _PAGE.read_text() == page(), "run: python -m tests.e2e.doctor.page > docs/reference/checks.md"


def test_ids_are_unique_well_formed_and_documented() -> None:
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids)
    for check in CHECKS:
        assert re.fullmatch(r"PS\d{3}", check.id)
        assert f"## {check.id}\n" in page()
        assert check.docs() == f"pubsub explain {check.id}"


def test_checks_of_a_group_follow_each_other() -> None:
    groups = [group for group, _ in itertools.groupby(CHECKS, key=lambda check: check.group)]
    assert len(groups) == len(set(groups))


def test_check_depends_only_on_earlier_checks() -> None:
    for index, check in enumerate(CHECKS):
        assert set(check.depends_on) <= set(CHECKS[:index])
