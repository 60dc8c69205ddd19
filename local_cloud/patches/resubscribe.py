"""Subscribing again with the same topic filter replaces the subscription; each message still comes once.

ministack adds another subscription, and delivers as often. Amplify JS subscribes again for every component that
listens and at each reconnection.
https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html [MQTT-3.8.4-3], which AWS lists no difference to:
https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html#mqtt-differences
"""

from __future__ import annotations

from typing import Any

from ministack.services import iot

NEEDS = {iot: ("PKT_SUBSCRIBE", "broker_unsubscribe"), iot._WSSession: ("_dispatch_packet",)}


def install() -> None:
    """After each SUBSCRIBE take away the session's earlier subscriptions with the same filters."""
    dispatch = iot._WSSession._dispatch_packet

    async def dispatch_packet(session: Any, packet_type: int, flags: int, body: bytes) -> Any:
        answer = await dispatch(session, packet_type, flags, body)
        if packet_type == iot.PKT_SUBSCRIBE:
            await _keep_the_last_of_each_filter(session)
        return answer

    iot._WSSession._dispatch_packet = dispatch_packet


async def _keep_the_last_of_each_filter(session: Any) -> None:
    last = {topic_filter: subscription for subscription, topic_filter in session._sub_filters.items()}
    for subscription in session._sub_filters.keys() - last.values():
        await iot.broker_unsubscribe(subscription)
        session._sub_ids.remove(subscription)
        del session._sub_filters[subscription], session._sub_granted_qos[subscription]
