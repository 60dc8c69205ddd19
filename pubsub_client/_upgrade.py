"""A WebSocket upgrade asked for over plain HTTP, to learn what a refusal says: awscrt does not tell."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from http import HTTPStatus

from pubsub_client._endpoint import Endpoint
from pubsub_client._provider import UpgradeRequest

_BODY_BYTES = 500


@dataclass(frozen=True)
class UpgradeAnswer:
    """How the endpoint answers: the HTTP status, and the beginning of the body of a refusal."""

    status: int
    body: str

    @property
    def accepted(self) -> bool:
        """Whether the endpoint switches to the WebSocket protocol."""
        return self.status == HTTPStatus.SWITCHING_PROTOCOLS


def ask_for_upgrade(endpoint: Endpoint, request: UpgradeRequest) -> UpgradeAnswer:
    """Ask once, and close the connection whatever the answer. Blocks for ten seconds at most.

    Args:
        endpoint: whom to ask.
        request: what to ask with, signed or not.

    Raises:
        OSError, http.client.HTTPException: there is no answer.
    """
    headers = {
        "Host": endpoint.authority,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Protocol": "mqtt",
        **request.headers,
    }
    connection = endpoint.open_http()
    try:
        connection.request("GET", request.path, headers=headers)
        with connection.getresponse() as response:
            if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
                return UpgradeAnswer(response.status, "")
            return UpgradeAnswer(response.status, response.read(_BODY_BYTES).decode(errors="replace").strip())
    finally:
        connection.close()
