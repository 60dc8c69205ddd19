"""Explanations of refused and lost connections, and of rejected messages and subscriptions."""

from __future__ import annotations

import asyncio
import base64
import math
import secrets
import time
from dataclasses import dataclass
from http import HTTPStatus

from awscrt import mqtt5

from pubsub_client._endpoint import Endpoint
from pubsub_client._messages import Packet
from pubsub_client._provider import Operation, Provider, Recovery, UpgradeRequest
from pubsub_client._transport import (
    SUCCESS,
    Ack,
    ClientId,
    ConnectAttemptError,
    Disconnect,
    DisconnectedError,
    reason_text,
)
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, PublishRefused, SubscribeRefused

# awscrt's errors for HTTP responses whose status and body it does not expose.
_UPGRADE_REJECTED = {"AWS_ERROR_HTTP_WEBSOCKET_UPGRADE_FAILURE", "AWS_ERROR_HTTP_PROXY_CONNECT_FAILED"}
_CLOSED = {"AWS_ERROR_MQTT_UNEXPECTED_HANGUP", "AWS_ERROR_HTTP_CONNECTION_CLOSED", "AWS_IO_SOCKET_CLOSED"}
_NOT_UNDERSTOOD = {"AWS_ERROR_MQTT5_DECODE_PROTOCOL_ERROR", "AWS_ERROR_MQTT5_CONNACK_TIMEOUT"}
# The suffix of awscrt's errors for packets beyond the limits in the broker's CONNACK.
_NOT_SUPPORTED = "_VALIDATION"
_DENIED_UPGRADE = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_DENIED_CONNECT = {mqtt5.ConnectReasonCode.NOT_AUTHORIZED, mqtt5.ConnectReasonCode.BAD_USERNAME_OR_PASSWORD}
# Not a denial: the same request can succeed later. AWS IoT returns 0x97 when it throttles.
_AT_A_LIMIT = {
    mqtt5.ConnectReasonCode.SERVER_UNAVAILABLE,
    mqtt5.ConnectReasonCode.SERVER_BUSY,
    mqtt5.ConnectReasonCode.QUOTA_EXCEEDED,
    mqtt5.ConnectReasonCode.CONNECTION_RATE_EXCEEDED,
}
_BODY_CHARACTERS = 500

_TAKEN_OVER = 0x8E
# After this number of short connections in a row, two clients may use the same client id.
_SUSPICIOUS_RUN = 3
# A broker that denies a message with QoS 0 cannot reply, and ends the connection within this time.
_DENIAL_SECONDS = 2.0
_NO_PUBLISH = ("", -math.inf)


class ConnectErrors:
    """Explains failed attempts to connect, and lets the provider recover once before the next connection."""

    def __init__(self, provider: Provider, client_id: ClientId) -> None:
        self.last: ConnectionRefused | None = None
        self._provider = provider
        self._client_id = client_id
        self._recovery: Recovery | None = None

    @property
    def recovered(self) -> bool:
        """Whether the provider has recovered, so that the next attempt can succeed."""
        return self._recovery is not None and self._recovery.applied

    def reset(self) -> None:
        """Allow another recovery, after a connection was made."""
        self._recovery = None

    async def explain(self, attempt: ConnectAttemptError, request: UpgradeRequest | None) -> ConnectionRefused:
        """Return why an attempt failed; after a denial, let the provider recover.

        Args:
            attempt: the failure.
            request: the upgrade request; None if the provider failed to create it.
        """
        denied = request is not None and _was_denied(attempt)
        if request is None:
            reason = f"the provider could not create the WebSocket request: {attempt.error}"
        else:
            reason = await self._reason_of(attempt, request)
        self.last = self._connection_refused(reason, attempt, denied=denied)
        if denied and not self.recovered:
            self._recovery = await self._provider.recover_from_denial()
        if self._recovery:
            self.last = self._connection_refused(f"{reason}. {self._recovery.text}", attempt, denied=denied)
        return self.last

    async def explain_timeout(self, request: UpgradeRequest | None, seconds: float) -> str:
        """Return why there was no connection in time; repeats the upgrade request over HTTP if there was one."""
        timeout = f"no answer within {seconds:g} s"
        if request is None:
            return f"{timeout} from the credentials source"
        return f"{timeout}. {await self._why_not_upgraded(request)}"

    def _connection_refused(self, reason: str, attempt: ConnectAttemptError, *, denied: bool) -> ConnectionRefused:
        refusal = ConnectionRefused(self._provider.endpoint.authority, reason, denied=denied)
        refusal.__cause__ = attempt.error
        return refusal

    async def _reason_of(self, attempt: ConnectAttemptError, request: UpgradeRequest) -> str:
        if attempt.connack:
            code, text = attempt.connack
            reason = reason_text(code, text)
            return f"{reason}: {self._connect_denial()}" if code in _DENIED_CONNECT else _with_advice(code, reason)
        name = getattr(attempt.error, "name", "")
        if name in _UPGRADE_REJECTED:
            return await self._why_not_upgraded(request)
        if name in _CLOSED:
            # A proxy that rejects the tunnel may close the connection before awscrt has read its response.
            if self._provider.endpoint.proxy() and isinstance(unreachable := await self._upgrade(request), str):
                return unreachable
            return (
                "the broker closed the connection without an answer. If this happens each time, "
                f"{self._connect_denial()}"
            )
        return f"{attempt.error} Check the endpoint's name, the network and the proxy."

    def _connect_denial(self) -> str:
        return self._provider.explain_denial(Operation.CONNECT, str(self._client_id))

    async def _why_not_upgraded(self, request: UpgradeRequest) -> str:
        answer = await self._upgrade(request)
        if isinstance(answer, str):
            return answer
        if answer.accepted:
            return "A second WebSocket request was accepted; try again"
        refusal = f"the WebSocket request was rejected with HTTP {answer.status} {answer.body}".rstrip()
        return f"{refusal}; {self._provider.explain_denied_upgrade()}" if answer.status in _DENIED_UPGRADE else refusal

    async def _upgrade(self, request: UpgradeRequest) -> UpgradeResponse | str:
        """Request the upgrade over HTTP; return an error text if the endpoint cannot be reached."""
        try:
            return await asyncio.to_thread(request_upgrade, self._provider.endpoint, request)
        except (OSError, ValueError) as error:
            return f"the endpoint cannot be reached over HTTP: {error}"


@dataclass(frozen=True)
class UpgradeResponse:
    """The endpoint's response: the HTTP status, and the beginning of the body."""

    status: int
    body: str

    @property
    def accepted(self) -> bool:
        """Whether the endpoint switches to the WebSocket protocol."""
        return self.status == HTTPStatus.SWITCHING_PROTOCOLS


def request_upgrade(endpoint: Endpoint, request: UpgradeRequest) -> UpgradeResponse:
    """Request a WebSocket without awscrt, which does not expose the response to a rejected upgrade; blocks.

    Raises:
        OSError: there is no response.
    """
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Protocol": "mqtt",
        **request.headers,
    }
    response = endpoint.request_http("GET", request.path, headers)
    return UpgradeResponse(response.status, response.body.decode(errors="replace")[:_BODY_CHARACTERS].strip())


def needs_another_version(attempt: ConnectAttemptError) -> bool:
    """Return whether the broker may not speak this version of MQTT; some brokers then only close the WebSocket."""
    if attempt.connack:
        return bool(attempt.connack[0] == mqtt5.ConnectReasonCode.UNSUPPORTED_PROTOCOL_VERSION)
    return getattr(attempt.error, "name", "") in _CLOSED | _NOT_UNDERSTOOD


def _was_denied(attempt: ConnectAttemptError) -> bool:
    """Return whether the broker denied the connection: by its CONNACK, or by closing the WebSocket without one."""
    if attempt.connack:
        return attempt.connack[0] in _DENIED_CONNECT
    return getattr(attempt.error, "name", "") in _CLOSED


class DisconnectReasons:
    """Explains why connections end, by the events before."""

    def __init__(self, provider: Provider, client_id: ClientId) -> None:
        self._provider = provider
        self._client_id = client_id
        self._last_publish = _NO_PUBLISH
        """The topic and time of the last message with QoS 0."""
        self._takeovers = 0
        self._short_connections = 0

    def record_publish(self, topic: str) -> None:
        """Remember a message with QoS 0."""
        self._last_publish = topic, time.monotonic()

    def explain(self, disconnect: Disconnect, *, stable: bool) -> str:
        """Return why a connection ended; ``stable`` means that it was up long enough to ignore earlier ends."""
        (topic, sent_at), self._last_publish = self._last_publish, _NO_PUBLISH
        if stable:
            self._takeovers = self._short_connections = 0
        self._short_connections += 1
        if disconnect.code == _TAKEN_OVER:
            self._takeovers += 1
            return self._explain_takeover(disconnect)
        if time.monotonic() - sent_at < _DENIAL_SECONDS:
            denial = self._provider.explain_denial(Operation.PUBLISH, topic)
            return f"{disconnect.reason}. It followed a message to {topic}; if this happens each time, {denial}"
        if self._short_connections >= _SUSPICIOUS_RUN and disconnect.code is None:
            return (
                f"{disconnect.reason}. Another client may use the client id {self._client_id!r}; the broker then "
                "disconnects one of them each time"
            )
        return disconnect.reason

    def _explain_takeover(self, disconnect: Disconnect) -> str:
        reason = f"{disconnect.reason}: another client connected with the client id {self._client_id!r}"
        if self._takeovers == 1:
            return reason
        return (
            f"{reason}, {self._takeovers} times in a row; use another client_id for each client, or none for a random "
            "one"
        )


def check_published(ack: Ack, packet: Packet, provider: Provider) -> None:
    """Raise the error of a message's acknowledgement.

    Raises:
        PublishRefused: the broker rejected the message.
        ConnectionLost: there is no acknowledgement.
    """
    if ack == SUCCESS or (ack.error is None and not ack.rejected):
        return
    operation = Operation.PUBLISH_RETAINED if packet.retain else Operation.PUBLISH
    if ack.rejected:
        raise PublishRefused(packet.topic, _why_rejected(ack, provider, operation, packet.topic))
    if _is_unsupported(ack):
        raise PublishRefused(packet.topic, f"the broker does not support this message: {ack.error}") from ack.error
    raise ConnectionLost(_why_unacknowledged(ack, provider, operation, packet.topic)) from ack.error


def check_subscribed(ack: Ack, topic_filter: str, provider: Provider) -> None:
    """Raise the error of a subscription's acknowledgement.

    Raises:
        SubscribeRefused: the broker rejected the topic filter.
        ConnectionLost: there is no acknowledgement.
    """
    if ack.rejected:
        raise SubscribeRefused(topic_filter, _why_rejected(ack, provider, Operation.SUBSCRIBE, topic_filter))
    if _is_unsupported(ack):
        raise SubscribeRefused(topic_filter, f"the broker does not support this filter: {ack.error}") from ack.error
    if ack.error:
        raise ConnectionLost(_why_unacknowledged(ack, provider, Operation.SUBSCRIBE, topic_filter)) from ack.error


def _is_unsupported(ack: Ack) -> bool:
    return str(getattr(ack.error, "name", "")).endswith(_NOT_SUPPORTED)


def _why_rejected(ack: Ack, provider: Provider, operation: Operation, resource: str) -> str:
    reason = reason_text(ack.code, ack.text)
    if ack.code == mqtt5.PubackReasonCode.NOT_AUTHORIZED:
        return f"{reason}: {provider.explain_denial(operation, resource)}"
    return _with_advice(ack.code, reason)


def _why_unacknowledged(ack: Ack, provider: Provider, operation: Operation, resource: str) -> str:
    if not isinstance(ack.error, DisconnectedError):
        return f"{operation} {resource} failed: {ack.error}"
    if not ack.error.was_sent:
        return f"{operation} {resource} failed before anything was sent: {ack.error}"
    return (
        f"the connection was lost while {operation} {resource}: {ack.error}. If this happens each time, "
        f"{provider.explain_denial(operation, resource)}"
    )


def _with_advice(code: int | None, reason: str) -> str:
    if code not in _AT_A_LIMIT:
        return reason
    return f"{reason}: the broker is busy or a quota is exceeded; this is not a denial, try again later and less often"
