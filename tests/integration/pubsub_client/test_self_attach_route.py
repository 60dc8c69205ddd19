"""The request to the self-attach route, and the handling of its responses."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pubsub_client import AwsIot, CognitoSession, Credentials
from pubsub_client._provider import Recovery
from pubsub_client._self_attach import SelfAttachment, SelfAttachRoute, retry_delay
from pubsub_client.exceptions import ConfigurationError, SessionError

REGION = "eu-west-1"
CREDENTIALS = Credentials("AKIDEXAMPLE", "secret-key", "session/token+", datetime(2030, 1, 1, tzinfo=UTC))
REPAIRED = {"check": "PS203", "status": "repaired", "text": "PS203: no IoT policy was attached, repaired"}
REFUSED = {"check": "PS203", "status": "refused", "text": "PS203: the request was signed by a guest: sign in"}
LATER = {"check": "PS203", "status": "failed", "text": "PS203: AWS IoT throttles: try again shortly"}


@dataclass(frozen=True)
class Answer:
    status: int
    document: object
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()


class Server(ThreadingHTTPServer):
    """Returns the test's answers, the last one repeatedly, and records the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = [Answer(200, REPAIRED)]
        self.requests: list[dict[str, Any]] = []
        self.authority = f"abc123.execute-api.localhost:{self.server_port}"
        self.url = f"http://{self.authority}/self-attach"

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append({"path": self.path, "headers": headers})
        answer = self.server.next_answer()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        threading.Thread(target=started.serve_forever, daemon=True).start()
        yield started
        started.shutdown()


@pytest.fixture
def route(server: Server) -> SelfAttachRoute:
    return SelfAttachRoute(server.url, REGION)


async def test_self_attach_returns_the_routes_result(route: SelfAttachRoute) -> None:
    assert await route.attach(CREDENTIALS) == SelfAttachment(**REPAIRED)


async def test_request_has_the_session_token_and_no_body(route: SelfAttachRoute, server: Server) -> None:
    await route.attach(CREDENTIALS)
    (request,) = server.requests
    headers = request["headers"]
    assert (request["path"], headers["host"], headers["content-length"]) == ("/self-attach", server.authority, "0")
    assert headers["x-amz-security-token"] == CREDENTIALS.session_token


async def test_rejection_has_the_routes_own_text(route: SelfAttachRoute, server: Server) -> None:
    server.answers = [Answer(403, REFUSED)]
    with pytest.raises(SessionError, match=f"^{re.escape(REFUSED['text'])}$"):
        await route.attach(CREDENTIALS)
    assert len(server.requests) == 1


async def test_busy_route_is_retried(route: SelfAttachRoute, server: Server) -> None:
    dated = Answer(503, LATER, {"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"})  # counts as 0
    throttled = Answer(429, {"message": "Too Many Requests"})
    server.answers = [Answer(503, LATER, {"Retry-After": "0"}), dated, throttled, Answer(200, REPAIRED)]
    assert (await route.attach(CREDENTIALS)).status == "repaired"
    assert len(server.requests) == 4


async def test_busy_route_is_not_retried_after_the_deadline(route: SelfAttachRoute, server: Server) -> None:
    server.answers = [Answer(503, LATER, {"Retry-After": "60"})]
    with pytest.raises(SessionError, match="AWS IoT throttles: try again shortly"):
        await route.attach(CREDENTIALS)


@pytest.mark.parametrize(("attempt", "longest"), [(0, 0.5), (1, 1.0), (3, 4.0), (4, 5.0), (100, 5.0)])
def test_retry_delay_is_retry_after_and_a_growing_random_time(attempt: int, longest: float) -> None:
    assert retry_delay(attempt, 2.0, lambda low, _: low) == 2.0
    assert retry_delay(attempt, 2.0, lambda _, high: high) == 2.0 + longest


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(403, {"message": "Forbidden"}), r"HTTP 403 Forbidden: .* execute-api:Invoke"),
        (Answer(404, {"message": "Not Found"}), r"HTTP 404 Not Found, .* check the stack's output SelfAttachUrl"),
        (Answer(500, b"<html>\n" + b"x" * 9999), r"HTTP 500 <html> x{100,200}, "),
        (Answer(200, b"a captive portal"), r"HTTP 200 a captive portal, which is not a self-attach result"),
        (Answer(200, ["PS203"]), r"HTTP 200 "),
    ],
)
async def test_answer_of_another_server_is_quoted(
    route: SelfAttachRoute, server: Server, answer: Answer, message: str
) -> None:
    server.answers = [answer]
    with pytest.raises(SessionError, match=message) as refusal:
        await route.attach(CREDENTIALS)
    assert server.url in str(refusal.value)
    assert len(str(refusal.value)) < 500


async def test_unreachable_route_is_named(unused_tcp_port: int) -> None:
    url = f"http://abc123.execute-api.localhost:{unused_tcp_port}/self-attach"
    with pytest.raises(SessionError, match=f"{url} cannot be reached"):
        await SelfAttachRoute(url, REGION).attach(CREDENTIALS)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "abc123.execute-api.eu-west-1.amazonaws.com/self-attach",
        "https://abc123.execute-api.eu-west-1.amazonaws.com",
        "https://abc123.execute-api.eu-west-1.amazonaws.com/",
        "http://abc123.execute-api.eu-west-1.amazonaws.com/self-attach",
        "https://abc123.execute-api.localhost:4566/self-attach",
        "https://abc123.execute-api.eu-west-1.amazonaws.com/self-attach?identity=other",
        "https://ada@abc123.execute-api.eu-west-1.amazonaws.com/self-attach",
        "https://abc123.execute-api.eu-west-1.amazonaws.com:0/self-attach",
        "https://abc123.execute-api.eu-west-1.amazonaws.com/self-attach\n",
        "${Token[SelfAttachUrl]}",
    ],
)
def test_invalid_url_is_rejected(url: str) -> None:
    with pytest.raises(ConfigurationError, match="pass the stack's output SelfAttachUrl") as refusal:
        session(self_attach_url=url)
    assert repr(url) in str(refusal.value)


def session(**options: Any) -> CognitoSession:
    return CognitoSession(
        region=REGION, user_pool_id="eu-west-1_Pool", user_pool_client_id="client", identity_pool_id="pool", **options
    )


async def test_self_attach_needs_a_url_and_a_signed_in_user(server: Server) -> None:
    with pytest.raises(ConfigurationError, match="SelfAttachUrl"):
        await session().self_attach()
    with pytest.raises(SessionError, match="no user is signed in"):
        await session(self_attach_url=server.url).self_attach()
    assert server.requests == []


class CredentialsOnly:
    async def credentials(self) -> Credentials:
        return CREDENTIALS


class Source(CredentialsOnly):
    can_self_attach = True

    async def self_attach(self) -> SelfAttachment:
        return SelfAttachment(**REPAIRED)


class BrokenSource(Source):
    async def self_attach(self) -> SelfAttachment:
        raise RuntimeError("PS203: the source is broken")


def provider(credentials: Any) -> AwsIot:
    return AwsIot(endpoint="abc-ats.iot.eu-west-1.amazonaws.com", region=REGION, credentials=credentials)


async def test_provider_has_no_recovery_without_self_attach() -> None:
    assert await provider(CredentialsOnly()).recover_from_denial() is None
    assert await provider(session()).recover_from_denial() is None


async def test_recovery_has_the_text_of_self_attachment() -> None:
    recovery = await provider(Source()).recover_from_denial()
    assert recovery == Recovery(f"Self-attach succeeded: {REPAIRED['text']}", applied=True)


async def test_unexpected_error_of_self_attachment_is_reported_but_not_raised() -> None:
    recovery = await provider(BrokenSource()).recover_from_denial()
    assert recovery == Recovery("Self-attach failed: PS203: the source is broken", applied=False)
