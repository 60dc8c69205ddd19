"""What stands in front of ministack: the embedded cloud's own addresses."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from local_cloud import calls

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_ANSWERS: dict[str, Callable[[], object]] = {
    "/_local_cloud/calls": lambda: dict(calls.counts),
    "/_local_cloud/process": lambda: {"pid": os.getpid()},
}


def in_front_of(application: Application) -> Application:
    """Return an application that answers our own addresses and passes everything else on."""

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in _ANSWERS:
            await _answer(send, _ANSWERS[scope["path"]]())
        else:
            await application(scope, receive, send)

    return front


async def _answer(send: Send, document: object) -> None:
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
