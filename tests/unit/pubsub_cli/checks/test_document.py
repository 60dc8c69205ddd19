from __future__ import annotations

import re
from pathlib import Path

from pubsub_cli.checks.catalogue import CHECKS
from pubsub_cli.checks.document import document
from tests.e2e.doctor.page import page

_FILE = Path(__file__).parents[4] / "docs" / "checks.md"


def test_the_page_is_what_the_checks_and_the_tests_of_their_causes_say() -> None:
    assert _FILE.read_text() == page(), "run: python -m tests.e2e.doctor.page > docs/checks.md"


def test_ids_are_unique_well_formed_and_anchored() -> None:
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids)
    for check in CHECKS:
        assert re.fullmatch(r"PS\d{3}", check.id)
        assert f"## {check.id}\n" in document()
        assert check.docs() == f"docs/checks.md#{check.id.lower()}"


def test_a_check_rests_only_on_checks_that_come_before_it() -> None:
    for index, check in enumerate(CHECKS):
        assert set(check.depends_on) <= set(CHECKS[:index])
