"""One of `benchmarks.clients` in its own process: ``python -m benchmarks.client_process CLIENT PORT``.

Each line of standard input is a round, ``MESSAGES TRIPS``; the result is printed as a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass

from benchmarks.clients import CLIENTS, Client

QOS_OF_TRIPS = ((0, 0), (1, 0), (1, 1))
"""The QoS of the message, and of the subscription."""
# With QoS 1 of the subscription most trips take 40 ms with some clients.
_TRIPS_DIVIDED_BY = (1, 10)
_WARM_UP_MESSAGES = 1000


@dataclass(frozen=True)
class Effort:
    """What it took to publish so many messages: seconds, and seconds of the process's CPU time."""

    messages: int
    seconds: float
    cpu: float


@dataclass(frozen=True)
class Measured:
    """One round of one client.

    Attributes:
        publishing: messages with QoS 0, and with QoS 1.
        trips: seconds of each, by the QoS of message and subscription.
    """

    publishing: list[Effort]
    trips: list[list[float]]


def main() -> None:
    """Measure each round when it is asked for."""
    name, port = sys.argv[1:]
    with CLIENTS[name](int(port)) as client:
        client.publish(1, _WARM_UP_MESSAGES)
        for line in sys.stdin:
            messages, trips = map(int, line.split())
            print(json.dumps(asdict(_measured(client, messages, trips))), flush=True)


def _measured(client: Client, messages: int, trips: int) -> Measured:
    return Measured(
        publishing=[_effort(client, qos, messages) for qos in (0, 1)],
        trips=[
            client.round_trips(qos, subscription_qos, max(1, trips // _TRIPS_DIVIDED_BY[subscription_qos]))
            for qos, subscription_qos in QOS_OF_TRIPS
        ],
    )


def _effort(client: Client, qos: int, messages: int) -> Effort:
    begun, cpu = time.perf_counter(), time.process_time()
    client.publish(qos, messages)
    effort = Effort(messages, time.perf_counter() - begun, time.process_time() - cpu)
    client.publish(1, 1)  # when it is acknowledged, the broker has read all those before it
    return effort


if __name__ == "__main__":
    main()
