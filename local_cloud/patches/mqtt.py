"""AWS IoT accepts MQTT connections and subscriptions as Amplify JS makes them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from ministack.core.iam_evaluator import AuthError, is_root_access_key
from ministack.core.router import extract_access_key_id
from ministack.services import iot


def install() -> None:
    """Install each part."""
    _require_signature()
    _accept_mqtt31()
    _replace_subscriptions()


def _require_signature() -> None:
    """Reject an unsigned WebSocket upgrade with 403.

    ministack accepts it. The root user's key needs no signature in ministack, as for every service. As on AWS the
    session token is not signed and can be anywhere in the query string: Amplify JS appends it after signing, the AWS
    IoT device SDKs sign with ``omit_session_token=True``.
    https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html#mqtt-ws
    https://github.com/aws/aws-iot-device-sdk-python-v2/blob/main/awsiot/mqtt5_client_builder.py
    """
    check = iot._ws_handshake_check

    def handshake_check(scope: dict[str, Any]) -> Any:
        checked = check(scope)
        if checked is None and not _names_root_key(scope):
            return AuthError("MissingAuthenticationToken", "Missing Authentication Token")
        return checked

    iot._ws_handshake_check = handshake_check


def _names_root_key(scope: dict[str, Any]) -> bool:
    access_key_id = extract_access_key_id({}, parse_qs(scope["query_string"].decode("latin-1")))
    return bool(access_key_id) and bool(is_root_access_key(access_key_id))


_MQTT31 = b"\x00\x06MQIsdp\x03"

_MQTT311 = b"\x00\x04MQTT\x04"


def _accept_mqtt31() -> None:
    """Accept MQTT 3.1, which Amplify JS uses (protocol name ``MQIsdp``, level 3, subprotocol ``mqttv3.1``).

    ministack rejects the level. AWS documents only 3.1.1 and 5, but its own front-end library uses 3.1, whose CONNECT
    differs only in name and level.
    https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    https://github.com/aws-amplify/amplify-js/blob/main/packages/pubsub/src/Providers/MqttOverWS.ts
    https://public.dhe.ibm.com/software/dw/webservices/ws-mqtt/mqtt-v3r1.html#connect
    """
    dispatch = iot._WSSession._dispatch_packet

    async def dispatch_packet(session: Any, packet_type: int, flags: int, body: bytes) -> Any:
        if packet_type == iot.PKT_CONNECT and body.startswith(_MQTT31):
            body = _MQTT311 + body[len(_MQTT31) :]
        return await dispatch(session, packet_type, flags, body)

    iot._WSSession._dispatch_packet = dispatch_packet


def _replace_subscriptions() -> None:
    """Replace a session's subscription to the same topic filter, so that each message is delivered once.

    ministack delivers twice. Amplify JS subscribes again for every component that listens and after each reconnection.
    [MQTT-3.8.4-3], https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html; AWS lists no difference:
    https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html#mqtt-differences
    """
    dispatch = iot._WSSession._dispatch_packet

    async def dispatch_packet(session: Any, packet_type: int, flags: int, body: bytes) -> Any:
        answer = await dispatch(session, packet_type, flags, body)
        if packet_type == iot.PKT_SUBSCRIBE:
            await _keep_last_of_each_filter(session)
        return answer

    iot._WSSession._dispatch_packet = dispatch_packet


async def _keep_last_of_each_filter(session: Any) -> None:
    last = {topic_filter: subscription for subscription, topic_filter in session._sub_filters.items()}
    for subscription in session._sub_filters.keys() - last.values():
        await iot.broker_unsubscribe(subscription)
        session._sub_ids.remove(subscription)
        del session._sub_filters[subscription], session._sub_granted_qos[subscription]
