"""Our client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.clients import HOST, PAYLOAD, TOPIC
from benchmarks.clients.in_flight import publish_all
from pubsub_client import MqttOverWebSocket, PubSub


class _Ours:
    def __init__(self, runner: asyncio.Runner, pubsub: PubSub) -> None:
        self._runner = runner
        self._pubsub = pubsub

    def publish(self, qos: int, messages: int) -> None:
        self._runner.run(self._publish(qos, messages))

    def round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        return self._runner.run(self._round_trips(qos, subscription_qos, times))

    async def _publish(self, qos: int, messages: int) -> None:
        await publish_all(lambda: self._pubsub.publish(TOPIC, PAYLOAD, qos=qos), messages)

    async def _round_trips(self, qos: int, subscription_qos: int, times: int) -> list[float]:
        seconds = []
        async with self._pubsub.subscribe(TOPIC, qos=subscription_qos) as messages:
            for _ in range(times):
                begun = time.perf_counter()
                await self._pubsub.publish(TOPIC, PAYLOAD, qos=qos)
                await anext(messages)
                seconds.append(time.perf_counter() - begun)
        return seconds


@contextmanager
def connect(port: int) -> Iterator[_Ours]:
    """Connect: see `Connect`."""
    with asyncio.Runner() as runner:
        pubsub = runner.run(_connected(port))
        try:
            yield _Ours(runner, pubsub)
        finally:
            runner.run(pubsub.close())


async def _connected(port: int) -> PubSub:
    pubsub = PubSub(MqttOverWebSocket(f"ws://{HOST}:{port}/"))
    await pubsub.connect()
    return pubsub
