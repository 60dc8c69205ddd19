"""Why a broker refuses a CONNECT of MQTT 3.1.1: asked for once more, because awscrt keeps the return code to itself."""

from __future__ import annotations

import asyncio

from awscrt import websocket
from awscrt.http import HttpRequest
from awscrt.io import TlsConnectionOptions
from awscrt.mqtt5 import ConnectReasonCode

from pubsub_client._endpoint import Endpoint
from pubsub_client._hop import Hop
from pubsub_client._provider import Provider, UpgradeRequest

_ANSWER_SECONDS = 10.0
# MQTT 3.1.1, sections 3.1 and 3.2.
_CONNECT = 0x10
_CONNACK = b"\x20\x02"
_CONNACK_LENGTH = 4
_KEEP_ALIVE_SECONDS = 60
_PROTOCOL = b"\x00\x04MQTT\x04"
_CLEAN_SESSION = 0x02
_WITH_PASSWORD = 0x40
_WITH_USER_NAME = 0x80
_MORE_LENGTH = 0x80
# The return codes of MQTT 3.1.1, table 3.1, in its own words, and the reason codes of MQTT 5 that mean the same.
_RETURN_CODES = {
    1: (ConnectReasonCode.UNSUPPORTED_PROTOCOL_VERSION, "unacceptable protocol version"),
    2: (ConnectReasonCode.CLIENT_IDENTIFIER_NOT_VALID, "identifier rejected"),
    3: (ConnectReasonCode.SERVER_UNAVAILABLE, "server unavailable"),
    4: (ConnectReasonCode.BAD_USERNAME_OR_PASSWORD, "bad user name or password"),
    5: (ConnectReasonCode.NOT_AUTHORIZED, "not authorized"),
    # The specification reserves 7. AWS IoT returns it instead of 5: "AWS IoT differences from MQTT version 3.1.1
    # specification" in its developer guide of 2023 (https://github.com/awsdocs/aws-iot-docs); not in today's page.
    7: (ConnectReasonCode.NOT_AUTHORIZED, "not authorized, as AWS IoT says it"),
}
_RESERVED = (ConnectReasonCode.UNSPECIFIED_ERROR, "one that the specification reserves")


async def ask_why_refused(provider: Provider, request: UpgradeRequest, client_id: str) -> tuple[int, str] | None:
    """Connect once more the way awscrt did, read the answer and close, whatever it is.

    Args:
        provider: the broker that refused.
        request: what to ask for the WebSocket with.
        client_id: the MQTT client id.

    Returns:
        The reason code of MQTT 5 and the words of MQTT 3.1.1; None if there is no answer within ten seconds, or the
        broker takes the connection this time.
    """
    code = await _return_code(provider.endpoint, request, _connect_packet(provider, client_id))
    if not code:
        return None
    reason, words = _RETURN_CODES.get(code, _RESERVED)
    return int(reason), f"return code {code}: {words}"


async def _return_code(endpoint: Endpoint, request: UpgradeRequest, connect: bytes) -> int | None:
    loop = asyncio.get_running_loop()
    hop = Hop(loop)
    answer: asyncio.Future[int | None] = loop.create_future()
    received = bytearray()
    opened: list[websocket.WebSocket] = []

    def settle(code: int | None) -> None:
        if not answer.done():
            answer.set_result(code)

    def on_setup(data: websocket.OnConnectionSetupData) -> None:
        if data.websocket is None:
            hop.call(settle, None)
            return
        opened.append(data.websocket)
        if answer.done():  # nobody waits any more, and who did may have found nothing to close
            data.websocket.close()
        else:
            data.websocket.send_frame(websocket.Opcode.BINARY, connect)

    def on_payload(data: websocket.OnIncomingFramePayloadData) -> None:
        received.extend(data.data)
        if len(received) >= _CONNACK_LENGTH:
            hop.call(settle, received[_CONNACK_LENGTH - 1] if received.startswith(_CONNACK) else None)

    proxy = endpoint.proxy()
    websocket.connect(
        host=endpoint.host,
        port=endpoint.port,
        handshake_request=_handshake(endpoint, request),
        tls_connection_options=_tls_options(endpoint),
        proxy_options=proxy.options if proxy else None,
        on_connection_setup=on_setup,
        on_connection_shutdown=lambda _: hop.call(settle, None),
        on_incoming_frame_payload=on_payload,
    )
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await answer
    except TimeoutError:
        return None
    finally:
        answer.cancel()
        for socket in opened:
            socket.close()


def _handshake(endpoint: Endpoint, request: UpgradeRequest) -> HttpRequest:
    handshake = websocket.create_handshake_request(host=endpoint.authority)
    request.fill(handshake, endpoint.authority)
    handshake.headers.set("Sec-WebSocket-Protocol", "mqtt")
    return handshake


def _tls_options(endpoint: Endpoint) -> TlsConnectionOptions | None:
    context = endpoint.tls_context()
    if context is None:
        return None
    options = context.new_connection_options()
    options.set_server_name(endpoint.host)
    return options


def _connect_packet(provider: Provider, client_id: str) -> bytes:
    flags = _CLEAN_SESSION
    payload = _field(client_id)
    if provider.user_name is not None:
        flags |= _WITH_USER_NAME
        payload += _field(provider.user_name)
        if provider.password is not None:
            flags |= _WITH_PASSWORD
            payload += _field(provider.password)
    rest = _PROTOCOL + bytes([flags]) + _KEEP_ALIVE_SECONDS.to_bytes(2) + payload
    return bytes([_CONNECT]) + _length(len(rest)) + rest


def _field(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2) + encoded


def _length(number: int) -> bytes:
    """Encode a remaining length: seven bits a byte, the lowest first (MQTT 3.1.1, section 2.2.3)."""
    encoded = bytearray()
    while number >= _MORE_LENGTH:
        encoded.append(number % _MORE_LENGTH | _MORE_LENGTH)
        number //= _MORE_LENGTH
    return bytes([*encoded, number])
