"""One client in a process of its own, measured: ``python -m bench.client_process MODULE PORT``.

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

MESSAGES = 10_000
# By the QoS of the subscription: with 1, most take 40 ms with some clients.
TRIPS = (300, 100)
_WARM_UP_MESSAGES = 500
QOS_OF_TRIPS = ((0, 0), (1, 0), (1, 1))
"""The QoS of the message, and of the subscription."""


@dataclass(frozen=True)
class Effort:
    """What it took to publish: seconds, and seconds of the process's CPU time."""

    seconds: float
    cpu: float


@dataclass(frozen=True)
class Measured:
    """One client.

    Attributes:
        publishing: so many messages with QoS 0, and with QoS 1.
        trips: seconds of each, by the QoS of message and subscription.
    """

    publishing: list[Effort]
    trips: list[list[float]]


def main() -> None:
    """Measure."""
    module, port = sys.argv[1], int(sys.argv[2])
    connect: Connect = importlib.import_module(f"bench.clients.{module}").connect
    with connect(port) as client:
        print(json.dumps(asdict(_measured(client))))


def _measured(client: Client) -> Measured:
    client.publish(1, _WARM_UP_MESSAGES)
    return Measured(
        publishing=[_effort(partial(client.publish, qos, MESSAGES)) for qos in (0, 1)],
        trips=[
            client.round_trips(qos, subscription_qos, TRIPS[subscription_qos]) for qos, subscription_qos in QOS_OF_TRIPS
        ],
    )


def _effort(work: Callable[[], None]) -> Effort:
    begun, cpu = time.perf_counter(), time.process_time()
    work()
    return Effort(time.perf_counter() - begun, time.process_time() - cpu)


if __name__ == "__main__":
    main()
