"""ASGI middleware that answers the local cloud's own addresses, below ``/_local_cloud``."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from local_cloud import calls, saved_state, seeds
from local_cloud.faults import injection
from local_cloud.faults.injection import client_messages

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_FAULTS = "/_local_cloud/faults"
_GET: dict[str, Callable[[], object]] = {
    "/_local_cloud/calls": lambda: dict(calls.counts),
    "/_local_cloud/permissions": lambda: {arn: sorted(actions) for arn, actions in calls.permissions.items()},
    "/_local_cloud/process": lambda: {"pid": os.getpid()},
    _FAULTS: injection.read,
}
_POST: dict[str, Callable[[object], object]] = {
    "/_local_cloud/identities": seeds.identities,
    "/_local_cloud/attachments": seeds.attachments,
    "/_local_cloud/state": saved_state.save,
    _FAULTS: injection.change,
}
_DELETE: dict[str, Callable[[dict[str, list[str]]], object]] = {_FAULTS: injection.clear}


def with_own_addresses(application: Application) -> Application:
    """Return an application that answers the local cloud's own addresses and passes other requests on."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in _GET | _POST:
            try:
                document = await _own_answer(scope, receive)
            except ValueError as error:
                await _answer(send, {"message": str(error)}, status=400)
            else:
                await _answer(send, document)
        else:
            client_messages.set(receive)
            await application(scope, receive, send)

    return middleware


async def _own_answer(scope: Scope, receive: Receive) -> object:
    # Browsers send this header. Without the check any web page could set faults or write files.
    if any(name == b"origin" for name, _ in scope["headers"]):
        raise ValueError("header Origin: web pages must not use this address")
    path, method = scope["path"], scope["method"]
    if method == "GET" and path in _GET:
        return _GET[path]()
    if method == "POST" and path in _POST:
        return _POST[path](await _json_body(receive))
    if method == "DELETE" and path in _DELETE:
        return _DELETE[path](parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    allowed = [name for name, paths in (("GET", _GET), ("POST", _POST), ("DELETE", _DELETE)) if path in paths]
    raise ValueError(f"method: {method} given; allowed: {', '.join(allowed)}")


async def _json_body(receive: Receive) -> object:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        return json.loads(body)
    except ValueError:
        raise ValueError("body: not valid JSON") from None


async def _answer(send: Send, document: object, status: int = 200) -> None:
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
