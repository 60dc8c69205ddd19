"""The clock's offset by a Date header."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_cli.clock import TOLERATED, Offset, offset_from

SERVED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)

moments = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
offsets = st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400))
delays = st.timedeltas(min_value=timedelta(), max_value=timedelta(seconds=10))


@given(moments, offsets, delays, delays)
def test_the_true_offset_lies_within_the_uncertainty(
    served: datetime, true: timedelta, there: timedelta, back: timedelta
) -> None:
    date = format_datetime(served.replace(microsecond=0), usegmt=True)
    offset = offset_from(date, served - there + true, served + back + true)
    assert offset is not None
    assert abs(offset.ahead - true) <= offset.uncertain + timedelta(microseconds=1)


@given(st.text())
def test_what_is_no_date_gives_no_offset_or_one(text: str) -> None:
    found = offset_from(text, SERVED_AT, SERVED_AT)
    assert found is None or isinstance(found, Offset)


@pytest.mark.parametrize(
    ("seconds", "beyond"), [(0, False), (299, False), (300, False), (302, True), (-302, True), (-299, False)]
)
def test_only_what_is_surely_beyond_the_limit_counts(seconds: int, beyond: bool) -> None:
    offset = Offset(timedelta(seconds=seconds), timedelta(seconds=1))
    assert offset.surely_beyond(TOLERATED) is beyond


def test_the_side_is_told() -> None:
    assert str(Offset(timedelta(seconds=-400), timedelta())) == "400 s behind"
    assert str(Offset(timedelta(seconds=400), timedelta())) == "400 s ahead"
