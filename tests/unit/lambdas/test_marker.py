from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attachment.marker import Marker
from tests.markers import MARKERS

_DAY = 86_400


@given(st.text())
def test_marker_of_any_text_is_none_or_has_the_same_meaning(value: str) -> None:
    marker = Marker.parse(value)
    assert marker is None or Marker.parse(str(marker)) == marker


@pytest.mark.parametrize(("value", "parts"), MARKERS)
def test_marker_is_parsed_as_by_the_checks(value: str, parts: tuple[str, str, int] | None) -> None:
    assert Marker.parse(value) == (parts and Marker(*parts))


def test_marker_is_current_for_its_days_and_its_fingerprint() -> None:
    marker = Marker("f", "i", 1_000_000)
    assert marker.is_current("f", 1_000_000 + 30 * _DAY - 1, 30)
    assert not marker.is_current("f", 1_000_000 + 30 * _DAY, 30)
    assert not marker.is_current("f", 999_999, 30)  # set in the future
    assert not marker.is_current("another", 1_000_001, 30)
