"""Our client side by side with bare awscrt, paho-mqtt and aiomqtt: ``python -m benchmarks.client``.

All speak MQTT 5 over WebSocket to one mosquitto, and take turns in short rounds. A ratio is the median of the rounds'
ratios: other work on the machine disturbs a round of every client, and cancels out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from typing import IO, Annotated, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.client_process import QOS_OF_TRIPS, Effort, Measured
from benchmarks.clients import CLIENTS, IN_FLIGHT
from benchmarks.mosquitto import mosquitto
from benchmarks.report import console, empty_directory, save

_OURS, _BARE, _PAHO = "ours", "awscrt", "paho"
_STALL_SECONDS = 0.010
_SHARE = "{:.1%}"

Rounds = dict[str, list[Measured]]
"""What was measured of each client, round by round."""


@dataclass(frozen=True)
class Goal:
    """A bound that our ratio to another client must not pass, or our own value.

    Attributes:
        bound: the least, or the greatest allowed.
        at_least: which of the two.
        relative_to: the other client; None for a bound of our own value.
    """

    bound: float
    at_least: bool = False
    relative_to: str | None = None

    def is_met(self, value: float) -> bool:
        """Whether a ratio, or a value of ours, keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        """Return it as the table shows it."""
        sign = ">=" if self.at_least else "<="
        return f"{self.relative_to} {sign} {self.bound:g}" if self.relative_to else f"{sign} {self.bound:.1%}"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        title: what it shows.
        values: by client, round by round.
        unit: how a value is written.
        goal: None if it has none.
    """

    title: str
    values: Mapping[str, Sequence[float]]
    unit: str
    goal: Goal | None = None

    def value(self, client: str) -> float:
        """Return the median of the rounds."""
        return median(self.values[client])

    def ratio(self, client: str) -> float | None:
        """Return the median of the rounds' ratios of ours to another client; None for shares, which may be 0."""
        if self.unit == _SHARE:
            return None
        return median(ours / other for ours, other in zip(self.values[_OURS], self.values[client], strict=True))

    @property
    def is_met(self) -> bool:
        """Whether its goal is met, if it has one."""
        if self.goal is None:
            return True
        if self.goal.relative_to is None:
            return self.goal.is_met(self.value(_OURS))
        ratio = self.ratio(self.goal.relative_to)
        return ratio is not None and self.goal.is_met(ratio)


def figures(rounds: Rounds) -> list[Figure]:
    """Return all lines of the table."""
    return [
        *_of_publishing(rounds, 0, Goal(0.95, at_least=True, relative_to=_BARE)),
        *_of_publishing(rounds, 1, Goal(0.9, at_least=True, relative_to=_BARE)),
        *(figure for number in range(len(QOS_OF_TRIPS)) for figure in _of_trips(rounds, number)),
    ]


def _of_publishing(rounds: Rounds, qos: int, goal: Goal) -> list[Figure]:
    def each_round(value: Callable[[Effort], float]) -> dict[str, list[float]]:
        return {name: [value(each.publishing[qos]) for each in measured] for name, measured in rounds.items()}

    return [
        Figure(f"QoS {qos}: messages/s", each_round(lambda effort: effort.messages / effort.seconds), "{:,.0f}", goal),
        Figure(f"QoS {qos}: CPU/message", each_round(lambda effort: effort.cpu / effort.messages * 1e6), "{:.0f} us"),
    ]


def _of_trips(rounds: Rounds, number: int) -> list[Figure]:
    qos, subscription_qos = QOS_OF_TRIPS[number]

    def each_round(value: Callable[[Sequence[float]], float]) -> dict[str, list[float]]:
        return {name: [value(each.trips[number]) for each in measured] for name, measured in rounds.items()}

    stalls = {
        name: [share_of_stalls([trip for each in measured for trip in each.trips[number]])]
        for name, measured in rounds.items()
    }
    title = f"trip {qos} to {subscription_qos}"
    # A subscription with QoS 1 has no goal: see the README.
    goal, most_stalls = (Goal(1, relative_to=_PAHO), Goal(0.005)) if subscription_qos == 0 else (None, None)
    return [
        Figure(f"{title}: p50", each_round(lambda trips: median(trips) * 1000), "{:.2f} ms", goal),
        Figure(f"{title}: p99", each_round(lambda trips: percentile(trips, 99) * 1000), "{:.2f} ms", goal),
        Figure(f"{title}: over 10 ms", stalls, _SHARE, most_stalls),
    ]


def percentile(samples: Sequence[float], percent: int) -> float:
    """Return the sample that so many percent of them do not exceed."""
    ordered = sorted(samples)
    return ordered[-(-len(ordered) * percent // 100) - 1]


def share_of_stalls(trips: Sequence[float]) -> float:
    """Return the share of trips that took more than 10 ms."""
    return sum(trip > _STALL_SECONDS for trip in trips) / len(trips)


def _measure(times: int, messages: int, trips: int) -> Rounds:
    rounds: Rounds = {name: [] for name in CLIENTS}
    with mosquitto(IN_FLIGHT, empty_directory("client") / "mosquitto.log") as port, ExitStack() as running:
        clients = {name: running.enter_context(_process(name, port)) for name in CLIENTS}
        for number in range(times):
            first = number % len(CLIENTS)
            for name in [*CLIENTS, *CLIENTS][first : first + len(CLIENTS)]:
                rounds[name].append(_measured_by(clients[name], messages, trips))
    return rounds


@contextmanager
def _process(name: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run a client in its own process until the block ends."""
    command = [sys.executable, "-m", "benchmarks.client_process", name, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def _measured_by(process: subprocess.Popen[str], messages: int, trips: int) -> Measured:
    # Both are pipes: see _process.
    stdin, stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
    stdin.write(f"{messages} {trips}\n")
    stdin.flush()
    line = stdout.readline()
    if not line:
        raise SystemExit(f"a client ended with exit code {process.wait()}: {process.args!r}")
    measured = json.loads(line)
    return Measured([Effort(**each) for each in measured["publishing"]], measured["trips"])


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each client is measured.")] = 32,
    messages: Annotated[int, typer.Option(min=20, help="How many messages a round publishes with each QoS.")] = 2_000,
    trips: Annotated[int, typer.Option(min=1, help="How many round trips; a tenth with subscription QoS 1.")] = 100,
) -> None:
    """Measure, show and save; exit code 1 when a goal is missed."""
    measured = _measure(rounds, messages, trips)
    found = figures(measured)
    console.print(_table(found, rounds))
    missed = [figure.title for figure in found if not figure.is_met]
    save(
        "client",
        {
            "figures": [asdict(figure) for figure in found],
            "rounds": {name: [asdict(each) for each in own] for name, own in measured.items()},
            "missed": missed,
        },
    )
    if missed:
        print(f"client missed {len(missed)} of its goals: {'; '.join(missed)}")
        raise typer.Exit(1)
    print("client met every goal")


def _table(found: list[Figure], rounds: int) -> Table:
    title = f"medians of {rounds} rounds; 256 B, {IN_FLIGHT} in flight; trips: QoS of message to QoS of subscription"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for column in (*CLIENTS, f"ours / {_BARE}", f"ours / {_PAHO}", "goal", "met"):
        table.add_column(column, justify="right")
    for figure in found:
        table.add_row(
            figure.title,
            *(figure.unit.format(figure.value(name)) for name in CLIENTS),
            *("" if (ratio := figure.ratio(name)) is None else f"{ratio:.2f}" for name in (_BARE, _PAHO)),
            str(figure.goal or ""),
            ("yes" if figure.is_met else "no") if figure.goal else "",
        )
    return table


if __name__ == "__main__":
    app()
