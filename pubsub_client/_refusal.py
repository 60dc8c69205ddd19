"""Why a connection was not made, in words that help."""

from __future__ import annotations

import asyncio
import http.client
from http import HTTPStatus

from awscrt import mqtt5

from pubsub_client._link import AttemptFailed
from pubsub_client._provider import Operation, Provider, UpgradeRequest
from pubsub_client._upgrade import UpgradeAnswer, ask_for_upgrade

# What awscrt says without telling the answer it got.
_UPGRADE_REFUSED = {"AWS_ERROR_HTTP_WEBSOCKET_UPGRADE_FAILURE", "AWS_ERROR_HTTP_PROXY_CONNECT_FAILED"}
_CLOSED = {"AWS_ERROR_MQTT_UNEXPECTED_HANGUP", "AWS_ERROR_HTTP_CONNECTION_CLOSED", "AWS_IO_SOCKET_CLOSED"}
_NOT_UNDERSTOOD = {"AWS_ERROR_MQTT5_DECODE_PROTOCOL_ERROR", "AWS_ERROR_MQTT5_CONNACK_TIMEOUT"}
_DENIED_UPGRADE = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_DENIED_CONNECT = {mqtt5.ConnectReasonCode.NOT_AUTHORIZED, mqtt5.ConnectReasonCode.BAD_USERNAME_OR_PASSWORD}
# Not a denial: the same request is accepted once the broker has room. AWS IoT answers 0x97 when it throttles.
_AT_A_LIMIT = {
    mqtt5.ConnectReasonCode.SERVER_UNAVAILABLE,
    mqtt5.ConnectReasonCode.SERVER_BUSY,
    mqtt5.ConnectReasonCode.QUOTA_EXCEEDED,
    mqtt5.ConnectReasonCode.CONNECTION_RATE_EXCEEDED,
}
_CODES = (mqtt5.ConnectReasonCode, mqtt5.DisconnectReasonCode, mqtt5.SubackReasonCode, mqtt5.PubackReasonCode)


def was_denied(attempt: AttemptFailed) -> bool:
    """Tell whether the broker refused who asks: by its answer, or by closing the WebSocket without one."""
    if attempt.connack:
        return attempt.connack[0] in _DENIED_CONNECT
    return getattr(attempt.error, "name", "") in _CLOSED


def speaks_another_version(attempt: AttemptFailed) -> bool:
    """Tell whether the broker may not speak the version of MQTT it was asked in; some just close the WebSocket."""
    if attempt.connack:
        return bool(attempt.connack[0] == mqtt5.ConnectReasonCode.UNSUPPORTED_PROTOCOL_VERSION)
    return getattr(attempt.error, "name", "") in _CLOSED | _NOT_UNDERSTOOD


async def why_refused(attempt: AttemptFailed, request: UpgradeRequest, provider: Provider, client_id: str) -> str:
    """Say who refused an attempt and why, as far as can be told; asks again about a refused upgrade."""
    if attempt.connack:
        code, text = attempt.connack
        reason = reason_of(code, text)
        if code in _DENIED_CONNECT:
            return f"{reason}: {provider.explain_denial(Operation.CONNECT, client_id)}"
        return with_advice(code, reason)
    name = getattr(attempt.error, "name", "")
    if name in _UPGRADE_REFUSED:
        return await _why_not_upgraded(request, provider)
    if name in _CLOSED:
        # A proxy that refuses the tunnel may close the connection before awscrt has read its answer.
        if provider.endpoint.proxy() and isinstance(unreached := await _ask_for_upgrade(request, provider), str):
            return unreached
        denial = provider.explain_denial(Operation.CONNECT, client_id)
        return f"it was closed without an answer. If that happens each time, {denial}"
    return f"{attempt.error} Look at the endpoint's name, the network and the proxy."


async def why_silent(request: UpgradeRequest | None, provider: Provider, seconds: float) -> str:
    """Say why there was no answer in time, as far as can be told; asks again if an upgrade was asked for."""
    silence = f"no answer within {seconds:g} s"
    if request is None:
        return f"{silence} from the credentials source"
    return f"{silence}. {await _why_not_upgraded(request, provider)}"


async def _ask_for_upgrade(request: UpgradeRequest, provider: Provider) -> UpgradeAnswer | str:
    """Ask for the WebSocket upgrade by HTTP; return why the endpoint cannot be reached if there is no answer."""
    try:
        return await asyncio.to_thread(ask_for_upgrade, provider.endpoint, request)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"Asked for the WebSocket upgrade by HTTP, the endpoint cannot be reached: {error}"


async def _why_not_upgraded(request: UpgradeRequest, provider: Provider) -> str:
    answer = await _ask_for_upgrade(request, provider)
    if isinstance(answer, str):
        return answer
    if answer.accepted:
        return "Asked for the WebSocket upgrade by HTTP, the endpoint accepts it: try again"
    told = f"the WebSocket upgrade is refused with HTTP {answer.status} {answer.body}".rstrip()
    return f"{told}; {provider.explain_denied_upgrade()}" if answer.status in _DENIED_UPGRADE else told


def with_advice(code: int | None, reason: str) -> str:
    """Add what to do to a reason that is no denial, if the reason code tells that."""
    if code not in _AT_A_LIMIT:
        return reason
    return f"{reason}: the broker is busy or a quota is used up, which is no denial; try again later and less often"


def reason_of(code: int | None, text: str | None) -> str:
    """Return an MQTT 5 reason code with its name and the broker's own words, as ``0x87 NOT_AUTHORIZED``."""
    if code is None:
        return text or "an unknown reason code"
    name = next((kind(code).name for kind in _CODES if code in kind.__members__.values()), "")
    return " ".join(part for part in (f"{code:#04x}", name, text and f"({text})") if part)
