from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attachment.marker import Marker
from tests.markers import MARKERS

_PART = st.text(min_size=1).filter(lambda text: "/" not in text)
_DAY = 86_400


@given(_PART, _PART, st.integers(min_value=0, max_value=2**40))
def test_a_marker_reads_back_as_it_was_written(fingerprint: str, identity_id: str, attached_at: int) -> None:
    marker = Marker(fingerprint, identity_id, attached_at)
    assert Marker.parse(str(marker)) == marker


@given(st.text())
def test_any_text_is_either_no_marker_or_one_that_writes_back_the_same_meaning(value: str) -> None:
    marker = Marker.parse(value)
    assert marker is None or Marker.parse(str(marker)) == marker


@pytest.mark.parametrize(("value", "parts"), MARKERS)
def test_a_value_is_read_as_the_checks_read_it(value: str, parts: tuple[str, str, int] | None) -> None:
    assert Marker.parse(value) == (parts and Marker(*parts))


def test_a_marker_holds_until_its_days_are_over() -> None:
    marker = Marker("f", "i", 1_000_000)
    assert marker.is_current("f", 1_000_000 + 30 * _DAY - 1, 30)
    assert not marker.is_current("f", 1_000_000 + 30 * _DAY, 30)


def test_a_marker_of_another_policy_or_pool_does_not_hold() -> None:
    assert not Marker("other", "i", 1_000_000).is_current("f", 1_000_001, 30)


def test_a_marker_from_the_future_does_not_hold() -> None:
    assert not Marker("f", "i", 1_000_001).is_current("f", 1_000_000, 30)
