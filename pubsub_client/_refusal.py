"""Why a connection was not made, in words that help."""

from __future__ import annotations

import asyncio
import http.client
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from awscrt import mqtt5

from pubsub_client._provider import Operation
from pubsub_client._upgrade import ask_for_upgrade

if TYPE_CHECKING:
    from pubsub_client._provider import Provider

_UPGRADE_REFUSED = "AWS_ERROR_HTTP_WEBSOCKET_UPGRADE_FAILURE"
_CLOSED = {"AWS_ERROR_MQTT_UNEXPECTED_HANGUP", "AWS_ERROR_HTTP_CONNECTION_CLOSED", "AWS_IO_SOCKET_CLOSED"}
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_CODES = (mqtt5.ConnectReasonCode, mqtt5.DisconnectReasonCode, mqtt5.SubackReasonCode, mqtt5.PubackReasonCode)


@dataclass(frozen=True)
class FailedAttempt:
    """An attempt to connect that failed.

    Args:
        error: what awscrt says.
        connack: the broker's answer, if there was one.
        path: what the upgrade was asked for with, if it was.
        unprepared: why the upgrade request could not be made, if so; awscrt hides it.
    """

    error: Exception
    connack: mqtt5.ConnackPacket | None
    path: str | None
    unprepared: BaseException | None

    @property
    def denied(self) -> bool:
        """Whether the broker took the signature and refused the identity: by its answer, or by closing without one."""
        if self.connack:
            return bool(self.connack.reason_code == mqtt5.ConnectReasonCode.NOT_AUTHORIZED)
        return self.unprepared is None and getattr(self.error, "name", "") in _CLOSED


async def why_refused(attempt: FailedAttempt, provider: Provider, client_id: str) -> str:
    """Say who refused an attempt and why, as far as can be told; asks again about a refused upgrade."""
    if attempt.unprepared:
        return f"the request could not be signed: {attempt.unprepared}"
    if attempt.connack:
        reason = reason_of(attempt.connack.reason_code, attempt.connack.reason_string)
        if attempt.connack.reason_code == mqtt5.ConnectReasonCode.NOT_AUTHORIZED:
            return f"{reason}: {provider.explain_denial(Operation.CONNECT, client_id)}"
        return reason
    name = getattr(attempt.error, "name", "")
    if name == _UPGRADE_REFUSED and attempt.path:
        return await _why_not_upgraded(attempt.path, provider)
    if name in _CLOSED:
        denial = provider.explain_denial(Operation.CONNECT, client_id)
        return f"it was closed without an answer. If that happens each time, {denial}"
    return f"{attempt.error} Look at the endpoint's name, the network and the proxy."


async def why_silent(path: str | None, provider: Provider, seconds: float) -> str:
    """Say why there was no answer in time, as far as can be told; asks again if an upgrade was asked for."""
    silence = f"no answer within {seconds:g} s"
    if path is None:
        return f"{silence} from the credentials source"
    return f"{silence}. {await _why_not_upgraded(path, provider)}"


async def _why_not_upgraded(path: str, provider: Provider) -> str:
    try:
        answer = await asyncio.to_thread(ask_for_upgrade, provider.endpoint, path)
    except (OSError, http.client.HTTPException) as error:
        return f"Asked for the WebSocket upgrade by HTTP, the endpoint cannot be reached: {error}"
    if answer.accepted:
        return "Asked for the WebSocket upgrade by HTTP, the endpoint accepts it: try again"
    told = f"the WebSocket upgrade is refused with HTTP {answer.status} {answer.body}".rstrip()
    return f"{told}; {provider.explain_denied_upgrade()}" if answer.status in _DENIED else told


def reason_of(code: int | None, text: str | None) -> str:
    """Return an MQTT 5 reason code with its name and the broker's own words, as ``0x87 NOT_AUTHORIZED``."""
    if code is None:
        return text or "an unknown reason code"
    name = next((kind(code).name for kind in _CODES if code in kind.__members__.values()), "")
    return " ".join(part for part in (f"{code:#04x}", name, text and f"({text})") if part)
