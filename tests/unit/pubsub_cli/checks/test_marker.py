from __future__ import annotations

import pytest

from pubsub_cli.checks.marker import ATTRIBUTE, Marker
from tests.markers import MARKERS


@pytest.mark.parametrize(("value", "parts"), MARKERS)
def test_a_value_is_read_as_the_trigger_reads_it(value: str, parts: tuple[str, str, int] | None) -> None:
    marker = Marker.of([{"Name": "sub", "Value": "1"}, {"Name": ATTRIBUTE, "Value": value}])
    assert marker == (parts and Marker(*parts))


def test_a_user_without_the_attribute_has_no_marker() -> None:
    assert Marker.of([{"Name": "sub", "Value": "1"}]) is None


def test_a_marker_that_is_written_is_read() -> None:
    marker = Marker.now("fingerprint", "eu-west-1:identity")
    assert Marker.of([{"Name": ATTRIBUTE, "Value": str(marker)}]) == marker
