"""The synthesis of this app beside that of an app with one bucket: ``python -m benchmarks.synth``.

A third app has one bucket and imports the modules of this app: the difference to one bucket is the price of the
imports, the rest is the price of the constructs. The CDK CLI synthesizes them in turns, as `make smoke` does it:
without CDK's own validation of the template. A first run of each, which does not count, fills the caches.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.report import REPOSITORY, console, empty_directory, save
from local_cloud.environment import ACCOUNT_ID, DEFAULT_REGION, NODE, without_aws

_CDK = REPOSITORY / "node_modules" / "aws-cdk" / "bin" / "cdk"
_BOUND = 1.7
_OURS, _IMPORTS, _BUCKET = "this app", "one bucket, our imports", "one bucket"
_ONE_BUCKET = """
from aws_cdk import App, Stack, aws_s3

app = App()
aws_s3.Bucket(Stack(app, "OneBucket"), "Bucket")
app.synth()
"""


@dataclass(frozen=True)
class Run:
    """What one synthesis took.

    Attributes:
        seconds: from its start to its end.
        processor_seconds: of the CLI, the app and jsii's Node together.
    """

    seconds: float
    processor_seconds: float


app = typer.Typer(add_completion=False)


@app.command()
def main(rounds: Annotated[int, typer.Option(min=1, help="Runs of each app.")] = 5) -> None:
    """Synthesize the apps in turns; exit code 1 if the ratio of this app to one bucket exceeds the bound."""
    directory = empty_directory("synth")
    cdk_json = json.loads((REPOSITORY / "cdk.json").read_text())
    script = directory / "app.py"
    script.write_text(_ONE_BUCKET)
    importing = directory / "importing.py"
    importing.write_text(f"import stacks.amplify_pubsub_stack\n{_ONE_BUCKET}")
    commands = {
        _OURS: cdk_json["app"],
        _IMPORTS: f"{sys.executable} {importing}",
        _BUCKET: f"{sys.executable} {script}",
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            run = _synthesize(command, directory / name.replace(", ", "-").replace(" ", "-"))
            if number:
                runs[name].append(run)
    ratio = _median(runs[_OURS]) / _median(runs[_BUCKET])
    console.print(_table(runs))
    save("synth", {"runs": {name: [asdict(run) for run in each] for name, each in runs.items()}, "ratio": ratio})
    imports = _median(runs[_IMPORTS]) / _median(runs[_BUCKET])
    print(
        f"synth: {ratio:.2f} times an app with one bucket ({imports:.2f} by the imports alone); the bound is {_BOUND}"
    )
    if ratio > _BOUND:
        raise typer.Exit(1)


def _synthesize(command: str, output: Path) -> Run:
    environment = without_aws(os.environ) | {"JSII_NODE": str(NODE), "CDK_VALIDATION": "false"}
    environment |= {
        "PYTHONPATH": str(REPOSITORY),
        "CDK_DEFAULT_ACCOUNT": ACCOUNT_ID,
        "CDK_DEFAULT_REGION": DEFAULT_REGION,
    }
    used, begun = _processor_seconds(), time.monotonic()
    subprocess.run(
        [str(NODE), str(_CDK), "synth", "--no-notices", "--quiet", "--app", command, "--output", str(output)],
        cwd=REPOSITORY,  # whose cdk.json has the feature flags of both
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return Run(time.monotonic() - begun, _processor_seconds() - used)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _median(runs: Sequence[Run]) -> float:
    return median(run.seconds for run in runs)


def _table(runs: dict[str, list[Run]]) -> Table:
    table = Table("app", title="cdk synth", title_justify="left")
    for column in ("median", "fastest", "processor time"):
        table.add_column(column, justify="right")
    for name, each in runs.items():
        fastest, processor = min(run.seconds for run in each), median(run.processor_seconds for run in each)
        table.add_row(name, f"{_median(each):.2f} s", f"{fastest:.2f} s", f"{processor:.2f} s")
    return table


if __name__ == "__main__":
    app()
