"""Compare the start of `pubsub` and of `cdk synth` with that of a minimal program: ``python -m benchmarks.startup``.

The commands of a group take turns. A ratio is the median time of a command, divided by that of the group's baseline.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.report import REPOSITORY, console, empty_directory, save
from local_cloud.environment import ACCOUNT_ID, DEFAULT_REGION, NODE, without_aws
from pubsub_cli.checks.catalogue import CHECKS

_CDK = REPOSITORY / "node_modules" / "aws-cdk" / "bin" / "cdk"
_PUBSUB = [sys.executable, "-m", "pubsub_client"]
_ONE_BUCKET = """
from aws_cdk import App, Stack, aws_s3

app = App()
aws_s3.Bucket(Stack(app, "OneBucket"), "Bucket")
app.synth()
"""


@dataclass(frozen=True)
class Group:
    """Commands to compare.

    Attributes:
        baseline: the command of which a ratio is a multiple.
        commands: by name, with the baseline.
        environment: their environment variables.
        goals: the greatest ratio allowed, by command.
    """

    baseline: str
    commands: Mapping[str, list[str]]
    environment: Mapping[str, str]
    goals: Mapping[str, float]

    def measure(self, rounds: int) -> dict[str, float]:
        """Return the median seconds of each command."""
        seconds: dict[str, list[float]] = {name: [] for name in self.commands}
        for number in range(rounds + 1):
            for name, command in self.commands.items():
                started = time.monotonic()
                subprocess.run(
                    command,
                    cwd=REPOSITORY,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=True,
                )
                if number:  # the first run fills the caches
                    seconds[name].append(time.monotonic() - started)
        return {name: median(samples) for name, samples in seconds.items()}


def _cli() -> Group:
    credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}
    commands = {
        "import boto3": [sys.executable, "-c", "import boto3"],
        "pubsub --help": [*_PUBSUB, "--help"],
        "pubsub doctor, all checks skipped": [*_PUBSUB, "doctor", *(f"--skip={check.id}" for check in CHECKS)],
    }
    goals = {"pubsub --help": 1.2, "pubsub doctor, all checks skipped": 2.5}
    return Group("import boto3", commands, os.environ | credentials, goals)


def _synth(directory: Path) -> Group:
    """Compare `cdk synth` of this app with that of an app with one bucket, without CDK's own template validation."""
    script = directory / "one_bucket.py"
    script.write_text(_ONE_BUCKET)
    apps = {
        "one bucket": f"{sys.executable} {script}",
        "this app": json.loads((REPOSITORY / "cdk.json").read_text())["app"],
    }
    commands = {
        f"cdk synth, {name}": [
            *(str(NODE), str(_CDK), "synth", "--no-notices", "--quiet"),
            *("--app", app, "--output", str(directory / name.replace(" ", "-"))),
        ]
        for name, app in apps.items()
    }
    environment = without_aws(os.environ) | {
        "JSII_NODE": str(NODE),
        "CDK_VALIDATION": "false",
        "PYTHONPATH": str(REPOSITORY),
        "CDK_DEFAULT_ACCOUNT": ACCOUNT_ID,
        "CDK_DEFAULT_REGION": DEFAULT_REGION,
    }
    return Group("cdk synth, one bucket", commands, environment, {"cdk synth, this app": 1.7})


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each `pubsub` command.")] = 9,
    synth_rounds: Annotated[int, typer.Option(min=1, help="Runs of each synthesis.")] = 5,
) -> None:
    """Measure the commands, and print and save the figures; exit code 1 if a goal is missed."""
    directory = empty_directory("startup")
    table = Table(title="medians", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("command", no_wrap=True)
    for column in ("seconds", "ratio", "goal", "met"):
        table.add_column(column, justify="right")
    seconds: dict[str, float] = {}
    missed = []
    for group, times in ((_cli(), rounds), (_synth(directory), synth_rounds)):
        measured = group.measure(times)
        seconds |= measured
        for name, value in measured.items():
            ratio = value / measured[group.baseline]
            goal = group.goals.get(name)
            is_met = goal is None or ratio <= goal
            if not is_met:
                missed.append(name)
            cells = ("", "") if goal is None else (f"<= {goal:g}", "yes" if is_met else "no")
            table.add_row(name, f"{value:.2f}", f"{ratio:.2f}", *cells)
    console.print(table)
    save("startup", {"seconds": seconds, "missed": missed})
    if missed:
        print(f"startup: {len(missed)} goals missed: {'; '.join(missed)}")
        raise typer.Exit(1)
    print("startup: all goals met")


if __name__ == "__main__":
    app()
