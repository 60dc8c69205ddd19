"""MQTT 3.1, which Amplify JS speaks (protocol name ``MQIsdp``, level 3, subprotocol ``mqttv3.1``), is served.

ministack refuses the level. AWS documents 3.1.1 and 5 only, but its own front end library connects with 3.1.
Apart from name and level a CONNECT of 3.1 reads as one of 3.1.1.
https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
https://github.com/aws-amplify/amplify-js/blob/main/packages/pubsub/src/Providers/MqttOverWS.ts
https://public.dhe.ibm.com/software/dw/webservices/ws-mqtt/mqtt-v3r1.html#connect
"""

from __future__ import annotations

from typing import Any

from ministack.services import iot

NEEDS = {iot: ("PKT_CONNECT",), iot._WSSession: ("_dispatch_packet",)}

_MQTT31 = b"\x00\x06MQIsdp\x03"
_MQTT311 = b"\x00\x04MQTT\x04"


def install() -> None:
    """Rewrite a 3.1 CONNECT before ministack reads it."""
    dispatch = iot._WSSession._dispatch_packet

    async def dispatch_packet(session: Any, packet_type: int, flags: int, body: bytes) -> Any:
        if packet_type == iot.PKT_CONNECT and body.startswith(_MQTT31):
            body = _MQTT311 + body[len(_MQTT31) :]
        return await dispatch(session, packet_type, flags, body)

    iot._WSSession._dispatch_packet = dispatch_packet
