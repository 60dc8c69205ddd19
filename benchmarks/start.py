"""How long the CLI needs to start, as a ratio to ``import boto3``: ``python -m benchmarks.start``."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from statistics import median

from benchmarks.report import console, empty_directory, save
from pubsub_cli.checks.catalogue import CHECKS

_ROUNDS = 9
_YARDSTICK = "import boto3"
_PUBSUB = [sys.executable, "-m", "pubsub_client"]
_COMMANDS = {
    _YARDSTICK: [sys.executable, "-c", _YARDSTICK],
    "pubsub --help": [*_PUBSUB, "--help"],
    "pubsub doctor without its checks": [*_PUBSUB, "doctor", *(f"--skip={check.id}" for check in CHECKS)],
}
_GOALS = {"pubsub --help": 1.2, "pubsub doctor without its checks": 2.5}
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}


def main() -> int:
    """Run the commands in turns, print the ratios of their medians, and return 1 if a goal is missed."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in _COMMANDS}
    for command in _COMMANDS.values():
        _run(command)  # writes byte code that is missing
    for _ in range(_ROUNDS):
        for name, command in _COMMANDS.items():
            samples[name].append(_run(command))
    figures = {name: [median(column) for column in zip(*rows, strict=True)] for name, rows in samples.items()}
    ratios = {name: [a / b for a, b in zip(figures[name], figures[_YARDSTICK], strict=True)] for name in _GOALS}
    for name, (cpu, wall) in ratios.items():
        console.print(f"{name}: CPU {cpu:.2f}, wall {wall:.2f} times that of `{_YARDSTICK}`; goal {_GOALS[name]}")
    empty_directory("start")
    save("start", {"cpuAndWallSeconds": figures, "ratios": ratios, "goals": _GOALS})
    return int(any(max(ratios[name]) > goal for name, goal in _GOALS.items()))


def _run(command: list[str]) -> tuple[float, float]:
    """Run a command, and return its seconds of CPU and of time."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=os.environ | _CREDENTIALS, stdout=subprocess.DEVNULL, check=True)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended - begun


if __name__ == "__main__":
    sys.exit(main())
