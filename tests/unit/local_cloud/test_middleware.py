from __future__ import annotations

import json
from typing import Any

import pytest

from local_cloud.middleware import with_own_addresses

FAULTS = "/_local_cloud/faults"
KEYS = (
    "faults, policy_propagation_seconds, permission_propagation_seconds, credentials_lifetime_seconds, "
    "trigger_timeout_seconds"
)


async def call(
    method: str, path: str, body: bytes, *, query: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = ()
) -> tuple[int, Any]:
    """Return status and body of the answer."""
    sent: list[dict[str, Any]] = []

    async def application(*_: object) -> None:
        raise AssertionError("the middleware passed the request on")

    async def receive() -> dict[str, Any]:
        return {"body": body}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    await with_own_addresses(application)(scope, receive, send)
    start, answer = sent
    return start["status"], json.loads(answer["body"])


@pytest.mark.parametrize("path", ["/_local_cloud/state", FAULTS])
async def test_request_of_a_web_page_is_rejected(path: str) -> None:
    answer = await call("POST", path, b"{}", headers=((b"origin", b"https://evil.example"),))
    assert answer == (400, {"message": "header Origin: web pages must not use this address"})


async def test_request_of_a_program_is_answered() -> None:
    assert await call("POST", FAULTS, b"{}", headers=((b"host", b"127.0.0.1"),)) == (200, {"numbers": []})


@pytest.mark.parametrize(
    ("method", "query", "body", "message"),
    [
        ("POST", b"", b"{", "body: not valid JSON"),
        ("POST", b"", b"[]", f"body: [] given; allowed: an object with {KEYS}"),
        ("POST", b"", b'{"fault": 1}', f"'fault': unknown key; allowed: {KEYS}"),
        ("POST", b"", b'{"faults": 1}', "faults: 1 given; allowed: a list of faults"),
        (
            "POST",
            b"",
            b'{"policy_propagation_seconds": -1}',
            "policy_propagation_seconds: -1 given; allowed: a number of seconds from 0 to 86400",
        ),
        ("DELETE", b"id=1", b"", "'id': unknown key; allowed: number, operation"),
        ("DELETE", b"number=x", b"", "number: 'x' given; allowed: the number of a fault"),
        ("PUT", b"", b"{}", "method: PUT given; allowed: GET, POST, DELETE"),
    ],
)
async def test_invalid_request_is_answered_400(method: str, query: bytes, body: bytes, message: str) -> None:
    assert await call(method, FAULTS, body, query=query) == (400, {"message": message})
