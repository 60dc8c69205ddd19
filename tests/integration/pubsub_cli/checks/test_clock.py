"""The clock's offset by the answer of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pubsub_cli.clock import SUSPICIOUS, TOLERATED, offset_of
from pubsub_client._endpoint import Endpoint


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
