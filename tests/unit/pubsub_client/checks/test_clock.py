"""The clock's offset by a Date header."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_client._endpoint import Endpoint
from pubsub_client.checks.clock import SUSPICIOUS, TOLERATED, Offset, offset_from, offset_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@pytest.fixture
def served_with() -> Iterator[Callable[[timedelta | None], Endpoint]]:
    """Start a server whose clock differs from this machine's, or which sends no date."""
    servers: list[ThreadingHTTPServer] = []

    def start(ahead: timedelta | None) -> Endpoint:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response_only(403)
                if ahead is not None:
                    self.send_header("Date", format_datetime(datetime.now(UTC) + ahead, usegmt=True))
                self.send_header("Content-Length", "0")
                self.end_headers()

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return Endpoint.parse(f"x-ats.iot.eu-west-1.localhost:{server.server_port}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_server_that_is_ten_minutes_ahead_shows_a_clock_that_is_behind(
    served_with: Callable[[timedelta | None], Endpoint],
) -> None:
    offset = offset_of(served_with(timedelta(minutes=10)))
    assert offset is not None
    assert offset.ahead < timedelta()
    assert offset.surely_beyond(TOLERATED)


def test_a_server_of_the_same_time_is_not_suspicious(served_with: Callable[[timedelta | None], Endpoint]) -> None:
    offset = offset_of(served_with(timedelta()))
    assert offset is not None
    assert not offset.surely_beyond(SUSPICIOUS)


def test_an_answer_without_a_date_tells_nothing(served_with: Callable[[timedelta | None], Endpoint]) -> None:
    assert offset_of(served_with(None)) is None
