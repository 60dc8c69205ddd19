from __future__ import annotations

import json
from typing import Any

import pytest

from local_cloud.middleware import with_own_addresses


async def _ask(method: str, path: str, document: object, headers: list[tuple[bytes, bytes]]) -> tuple[int, Any]:
    """Return status and body of the answer."""
    sent: list[dict[str, Any]] = []

    async def application(*_: object) -> None:
        raise AssertionError("this address is the front's own")

    async def receive() -> dict[str, Any]:
        return {"body": json.dumps(document).encode()}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    await with_own_addresses(application)(scope, receive, send)
    start, body = sent
    return start["status"], json.loads(body["body"])


@pytest.mark.parametrize("path", ["/_local_cloud/state", "/_local_cloud/faults"])
async def test_web_page_is_refused(path: str) -> None:
    status, answer = await _ask("POST", path, {}, [(b"origin", b"https://evil.example")])
    assert (status, answer) == (400, {"message": "header Origin: web pages may not use this address"})


async def test_program_is_answered() -> None:
    document = {"only_readable_attributes": False}
    assert await _ask("POST", "/_local_cloud/faults", document, [(b"host", b"127.0.0.1")]) == (200, {"numbers": []})
