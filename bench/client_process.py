"""One client in a process of its own, measured: ``python -m bench.client_process MODULE PORT MESSAGES TRIPS``.

The module is one of `bench.clients`. The last line of standard output is the measurement as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.clients import Client, Connect

# How many trips there are for each one with this QoS of the subscription: with 1, most take 40 ms with some clients.
_TRIPS_DIVIDED_BY = (1, 3)
_WARM_UP_SHARE = 20
QOS_OF_TRIPS = ((0, 0), (1, 0), (1, 1))
"""The QoS of the message, and of the subscription."""


@dataclass(frozen=True)
class Effort:
    """What it took to publish so many messages: seconds, and seconds of the process's CPU time."""

    messages: int
    seconds: float
    cpu: float


@dataclass(frozen=True)
class Measured:
    """One client.

    Attributes:
        publishing: messages with QoS 0, and with QoS 1.
        trips: seconds of each, by the QoS of message and subscription.
    """

    publishing: list[Effort]
    trips: list[list[float]]


def main() -> None:
    """Measure."""
    module, port, messages, trips = sys.argv[1], *map(int, sys.argv[2:])
    connect: Connect = importlib.import_module(f"bench.clients.{module}").connect
    with connect(port) as client:
        print(json.dumps(asdict(_measured(client, messages, trips))))


def _measured(client: Client, messages: int, trips: int) -> Measured:
    client.publish(1, messages // _WARM_UP_SHARE)
    return Measured(
        publishing=[_effort(messages, partial(client.publish, qos, messages)) for qos in (0, 1)],
        trips=[
            client.round_trips(qos, subscription_qos, trips // _TRIPS_DIVIDED_BY[subscription_qos])
            for qos, subscription_qos in QOS_OF_TRIPS
        ],
    )


def _effort(messages: int, work: Callable[[], None]) -> Effort:
    begun, cpu = time.perf_counter(), time.process_time()
    work()
    return Effort(messages, time.perf_counter() - begun, time.process_time() - cpu)


if __name__ == "__main__":
    main()
