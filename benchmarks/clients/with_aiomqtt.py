"""aiomqtt: paho-mqtt for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import aiomqtt

from benchmarks.clients import HOST, IN_FLIGHT, PAYLOAD, TOPIC
from benchmarks.clients.in_flight import publish_all


class _Aiomqtt:
    def __init__(self, runner: asyncio.Runner, client: aiomqtt.Client) -> None:
        self._runner = runner
        self._client = client

    def publish(self, qos: int, messages: int) -> None:
        self._runner.run(self._publish(qos, messages))

    def round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        return self._runner.run(self._round_trips(qos, subscription_qos, times))

    async def _publish(self, qos: int, messages: int) -> None:
        await publish_all(lambda: self._client.publish(TOPIC, PAYLOAD, qos), messages)

    async def _round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        seconds = []
        await self._client.subscribe(TOPIC, subscription_qos)
        for _ in range(times):
            begun = time.perf_counter()
            await self._client.publish(TOPIC, PAYLOAD, qos)
            await anext(self._client.messages)
            seconds.append(time.perf_counter() - begun)
        await self._client.unsubscribe(TOPIC)
        return seconds


@contextmanager
def connect(port: int) -> Iterator[_Aiomqtt]:
    """Connect: see `Connect`."""
    with asyncio.Runner() as runner:
        client = runner.run(_connected(port))
        try:
            yield _Aiomqtt(runner, client)
        finally:
            runner.run(client.__aexit__(None, None, None))


async def _connected(port: int) -> aiomqtt.Client:
    client = aiomqtt.Client(
        HOST,
        port,
        transport="websockets",
        protocol=aiomqtt.ProtocolVersion.V5,
        max_inflight_messages=IN_FLIGHT,
    )
    # It warns of more than ten messages under way, unless it is told that they are meant.
    client.pending_calls_threshold = IN_FLIGHT
    return await client.__aenter__()
