"""What our client costs beside paho-mqtt, aiomqtt and bare awscrt: ``python -m bench.client``.

All speak MQTT 5 over WebSocket to one mosquitto, in turns. A ratio is our median by paho's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bench.client_process import QOS_OF_TRIPS, Effort, Measured
from bench.clients import IN_FLIGHT
from bench.mosquitto import mosquitto
from bench.report import console, empty_directory, save
from local_cloud.rehearsal import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_OURS, _PAHO = "ours", "paho-mqtt"
_MODULES = {_OURS: "ours", _PAHO: "with_paho", "aiomqtt": "with_aiomqtt", "bare awscrt": "with_awscrt"}
_STALL_SECONDS = 0.010
_THOUSAND = 1000

Rounds = dict[str, list[Measured]]
"""What was measured of each client, round by round."""


@dataclass(frozen=True)
class Goal:
    """What a figure of ours must be: by paho's, or taken by itself.

    Attributes:
        bound: at least this, or at most.
        at_least: which of the two.
        by_paho: whether it is a ratio.
    """

    bound: float
    at_least: bool = False
    by_paho: bool = True

    def is_met(self, ours: float, paho: float) -> bool:
        """Tell whether it is."""
        value = ours / paho if self.by_paho else ours
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        """Return it as the table shows it."""
        sign = ">=" if self.at_least else "<="
        return f"{sign} {self.bound:g}" if self.by_paho else f"{sign} {self.bound:.1%}"


@dataclass(frozen=True)
class Figure:
    """One line of the table: a figure of each client.

    Attributes:
        title: what it is.
        values: by client.
        unit: how a value is written.
        goal: None if it is only told.
    """

    title: str
    values: Mapping[str, float]
    unit: str
    goal: Goal | None

    @property
    def ratio(self) -> float | None:
        """Ours by paho's, unless that is nothing."""
        return self.values[_OURS] / self.values[_PAHO] if self.values[_PAHO] else None

    @property
    def is_met(self) -> bool:
        """Whether its goal is met, if it has one."""
        return self.goal is None or self.goal.is_met(self.values[_OURS], self.values[_PAHO])


def figures(rounds: Rounds) -> list[Figure]:
    """Return all figures: medians over the rounds, of stalls the share in all rounds."""
    return [
        *_of_publishing(rounds, 0, Goal(2, at_least=True)),
        *_of_publishing(rounds, 1, Goal(4, at_least=True)),
        *(figure for number in range(len(QOS_OF_TRIPS)) for figure in _of_trips(rounds, number)),
    ]


def _of_publishing(rounds: Rounds, qos: int, goal: Goal) -> list[Figure]:
    def medians(value: Callable[[Effort], float]) -> dict[str, float]:
        return {name: median(value(each.publishing[qos]) for each in measured) for name, measured in rounds.items()}

    return [
        Figure(
            f"QoS {qos}: messages a second", medians(lambda effort: effort.messages / effort.seconds), "{:,.0f}", goal
        ),
        Figure(
            f"QoS {qos}: CPU of 1,000 messages",
            medians(lambda effort: effort.cpu / effort.messages * _THOUSAND * 1000),
            "{:.0f} ms",
            None,
        ),
    ]


def _of_trips(rounds: Rounds, number: int) -> list[Figure]:
    qos, subscription_qos = QOS_OF_TRIPS[number]

    def medians(value: Callable[[Sequence[float]], float]) -> dict[str, float]:
        return {name: median(value(each.trips[number]) for each in measured) for name, measured in rounds.items()}

    stalls = {
        name: share_of_stalls([trip for each in measured for trip in each.trips[number]])
        for name, measured in rounds.items()
    }
    title = f"QoS {qos}, subscribed with {subscription_qos}"
    # What is subscribed to with QoS 1 is told, but no goal: see the README.
    judged = subscription_qos == 0
    return [
        Figure(
            f"{title}: trip p50", medians(lambda trips: median(trips) * 1000), "{:.2f} ms", Goal(1) if judged else None
        ),
        Figure(
            f"{title}: trip p99",
            medians(lambda trips: percentile(trips, 99) * 1000),
            "{:.2f} ms",
            Goal(1) if judged else None,
        ),
        Figure(f"{title}: trips over 10 ms", stalls, "{:.1%}", Goal(0.005, by_paho=False) if judged else None),
    ]


def percentile(samples: Sequence[float], percent: int) -> float:
    """Return the sample that so many percent of them do not exceed."""
    ordered = sorted(samples)
    return ordered[-(-len(ordered) * percent // 100) - 1]


def share_of_stalls(trips: Sequence[float]) -> float:
    """Return the share of trips that took more than 10 ms."""
    return sum(trip > _STALL_SECONDS for trip in trips) / len(trips)


def _measure(steps: Steps, times: int, sizes: tuple[int, int]) -> Rounds:
    rounds: Rounds = {name: [] for name in _MODULES}
    with mosquitto(IN_FLIGHT, empty_directory("client") / "mosquitto.log") as port:
        names = list(_MODULES)
        for number in range(times):
            turns = names[number % len(names) :] + names[: number % len(names)]

            def in_turns(turns: list[str] = turns) -> None:
                for name in turns:
                    rounds[name].append(_in_a_fresh_process(_MODULES[name], port, *sizes))

            steps.run(f"round {number + 1} of {times}", in_turns)
    return rounds


def _in_a_fresh_process(module: str, port: int, messages: int, trips: int) -> Measured:
    done = subprocess.run(
        [sys.executable, "-m", "bench.client_process", module, *map(str, (port, messages, trips))],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured = json.loads(done.stdout.splitlines()[-1])
    return Measured([Effort(**each) for each in measured["publishing"]], measured["trips"])


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each client is measured.")] = 8,
    messages: Annotated[int, typer.Option(min=20, help="How many messages are published with each QoS.")] = 10_000,
    trips: Annotated[int, typer.Option(min=3, help="How many round trips; a third with subscription QoS 1.")] = 300,
) -> None:
    """Measure, show and save; exit code 1 when a goal is not met."""
    measured = _measure(Steps(), rounds, (messages, trips))
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
    table = Table("", title=f"medians of {rounds} rounds; 256 B, {IN_FLIGHT} under way", title_justify="left")
    for column in (*_MODULES, "ours / paho", "goal", "met"):
        table.add_column(column, justify="right")
    for figure in found:
        table.add_row(
            figure.title,
            *(figure.unit.format(figure.values[name]) for name in _MODULES),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            str(figure.goal or ""),
            ("yes" if figure.is_met else "no") if figure.goal else "",
        )
    return table


if __name__ == "__main__":
    app()
