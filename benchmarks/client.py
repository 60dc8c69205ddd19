"""Compare our MQTT client with bare awscrt and paho-mqtt: ``python -m benchmarks.client``.

All clients publish to one mosquitto, and take turns in short rounds. A figure is the median of the rounds, and a ratio
is the median of the rounds' ratios, so that other work on the machine affects all clients alike.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import IO, Annotated, Any, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.mqtt_clients import CLIENTS, HOST, IN_FLIGHT
from benchmarks.report import console, empty_directory, save

# The directories of Debian and Homebrew, which may not be in PATH.
_PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))
_READY_SECONDS = 20.0

Rounds = dict[str, list[dict[str, Any]]]
"""The results of each client, by round: ``rates`` and ``trips``, each for QoS 0 and 1."""


@dataclass(frozen=True)
class Figure:
    """A row of the table, with a bound for the ratio of our client to another.

    Attributes:
        title: what was measured.
        values: the value of each round, by client.
        unit: the format of a value.
        other: the client of the bound.
        at_least: the least ratio; None if the ratio has a maximum.
        at_most: the greatest ratio.
    """

    title: str
    values: Mapping[str, Sequence[float]]
    unit: str
    other: str
    at_least: float | None = None
    at_most: float = 1.0

    def ratio(self, client: str) -> float:
        """Return the median of the rounds' ratios of our client to another."""
        return median(ours / other for ours, other in zip(self.values["ours"], self.values[client], strict=True))

    @property
    def goal(self) -> str:
        """The bound, as the table shows it."""
        return f"{self.other} <= {self.at_most:g}" if self.at_least is None else f"{self.other} >= {self.at_least:g}"

    @property
    def is_met(self) -> bool:
        """Whether the ratio is within the bound."""
        ratio = self.ratio(self.other)
        return ratio <= self.at_most if self.at_least is None else ratio >= self.at_least


def figures(rounds: Rounds) -> list[Figure]:
    """Return all rows of the table."""

    def values(result: str, qos: int, value: Callable[[Any], float]) -> dict[str, list[float]]:
        return {name: [value(each[result][qos]) for each in own] for name, own in rounds.items()}

    rates = [
        Figure(f"QoS {qos}: messages/s", values("rates", qos, float), "{:,.0f}", "awscrt", at_least=bound)
        for qos, bound in ((0, 0.95), (1, 0.9))
    ]
    trips = [
        Figure(
            f"QoS {qos}: round trip p{percent}",
            values("trips", qos, lambda trips, percent=percent: percentile(trips, percent) * 1000),  # type: ignore[misc]
            "{:.2f} ms",
            "paho",
        )
        for qos in (0, 1)
        for percent in (50, 99)
    ]
    return [*rates, *trips]


def percentile(samples: Sequence[float], percent: int) -> float:
    """Return the smallest sample that is not exceeded by ``percent`` of all samples."""
    ordered = sorted(samples)
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _measure(times: int, messages: int, trips: int) -> Rounds:
    rounds: Rounds = {name: [] for name in CLIENTS}
    with _mosquitto(empty_directory("client")) as port, ExitStack() as running:
        clients = {name: running.enter_context(_process(name, port)) for name in CLIENTS}
        names = list(CLIENTS)
        for _ in range(times):
            for name in names:
                rounds[name].append(_run_round(clients[name], messages, trips))
            names.append(names.pop(0))  # another client is the first in the next round
    return rounds


@contextmanager
def _process(name: str, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.mqtt_clients", name, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def _run_round(process: subprocess.Popen[str], messages: int, trips: int) -> dict[str, Any]:
    stdin, stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
    stdin.write(f"{messages} {trips}\n")
    stdin.flush()
    line = stdout.readline()
    if not line:
        raise SystemExit(f"{process.args!r} ended with exit code {process.wait()}")
    result: dict[str, Any] = json.loads(line)
    return result


@contextmanager
def _mosquitto(directory: Path) -> Iterator[int]:
    """Run a broker on loopback, and yield the port of its WebSocket.

    https://mosquitto.org/man/mosquitto-conf-5.html
    """
    program = shutil.which("mosquitto", path=_PATH)
    if program is None:
        raise SystemExit("mosquitto is not installed; install it (Debian: apt-get install mosquitto)")
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as another:
        tcp, websocket = one.getsockname()[1], another.getsockname()[1]
    configuration, log = directory / "mosquitto.conf", directory / "mosquitto.log"
    configuration.write_text(
        # Started by root, mosquitto would change to a user without access to its files. With IPv6, its WebSocket
        # listener would bind to every address. It does not start without a listener for plain MQTT.
        "user root\npersistence false\nallow_anonymous true\n"
        f"max_inflight_messages {IN_FLIGHT}\n"
        f"listener {tcp} {HOST}\nlistener {websocket} {HOST}\nprotocol websockets\nsocket_domain ipv4\n"
    )
    with log.open("wb") as output:
        process = subprocess.Popen([program, "-c", str(configuration)], stdout=output, stderr=output)
    with process:
        try:
            deadline = time.monotonic() + _READY_SECONDS
            while not _accepts_connections(websocket):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"mosquitto did not start: {log.read_text()}")
                time.sleep(0.01)
            yield websocket
        finally:
            process.terminate()


def _accepts_connections(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except ConnectionRefusedError:
        return False
    return True


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds.")] = 32,
    messages: Annotated[int, typer.Option(min=20, help="Messages per round and QoS.")] = 2_000,
    trips: Annotated[int, typer.Option(min=1, help="Round trips per round and QoS.")] = 100,
) -> None:
    """Measure the clients, and print and save the figures; exit code 1 if a goal is missed."""
    measured = _measure(rounds, messages, trips)
    found = figures(measured)
    title = f"medians of {rounds} rounds; 256-byte messages, {IN_FLIGHT} in flight"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for column in (*CLIENTS, "ours / awscrt", "ours / paho", "goal", "met"):
        table.add_column(column, justify="right")
    for figure in found:
        medians = [figure.unit.format(median(figure.values[name])) for name in CLIENTS]
        ratios = [f"{figure.ratio(name):.2f}" for name in ("awscrt", "paho")]
        table.add_row(figure.title, *medians, *ratios, figure.goal, "yes" if figure.is_met else "no")
    console.print(table)
    missed = [figure.title for figure in found if not figure.is_met]
    save("client", {"figures": [asdict(figure) for figure in found], "missed": missed})
    if missed:
        print(f"client: {len(missed)} goals missed: {'; '.join(missed)}")
        raise typer.Exit(1)
    print("client: all goals met")


if __name__ == "__main__":
    app()
