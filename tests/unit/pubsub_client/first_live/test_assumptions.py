from __future__ import annotations

import re
from pathlib import Path

import pytest

from pubsub_client.checks.catalogue import CHECKS
from pubsub_client.first_live.assumption import Assumption, assumptions
from pubsub_client.first_live.document import document

_FILE = Path(__file__).parents[4] / "docs" / "first-live-deploy.md"
_KNOWN = {check.id for check in CHECKS}


def test_the_page_is_what_the_assumptions_say() -> None:
    told = "run: python -m pubsub_client.first_live.document > docs/first-live-deploy.md"
    assert _FILE.read_text() == document(), told


def test_numbers_are_unique_and_in_order() -> None:
    assert [each.number for each in assumptions()] == list(range(1, len(assumptions()) + 1))


@pytest.mark.parametrize("assumption", assumptions(), ids=lambda each: str(each.number))
def test_an_assumption_names_only_checks_that_there_are(assumption: Assumption) -> None:
    assert set(assumption.checks) | set(re.findall(r"PS\d{3}", assumption.told_by)) <= _KNOWN


@pytest.mark.parametrize("assumption", assumptions(), ids=lambda each: str(each.number))
def test_an_assumption_is_whole_and_fits_a_line_of_the_table(assumption: Assumption) -> None:
    texts = (assumption.text, assumption.basis, assumption.told_by, assumption.only_with or "always")
    assert all(texts)
    assert not any("|" in each or "\n" in each for each in texts)
    for pattern in (*assumption.confirmed_by.values(), *assumption.refuted_by.values()):
        re.compile(pattern)
