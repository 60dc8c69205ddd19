"""The commands that deploy this repository's app; the embedded cloud without them is what a wheel has."""

from __future__ import annotations

import sys

import typer

from local_cloud.cdk_app import CdkApp
from local_cloud.demo import run_demo
from local_cloud.environment import DEFAULT_REGION
from local_cloud.options import DEFAULT_STATE, Port, Region, StateDirectory, running
from local_cloud.rehearsal import Steps, rehearse_deployment

app = typer.Typer()


@app.command()
def deploy(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Deploy this repository's stack onto the cloud that `up` started."""
    steps = Steps()
    cdk_app = CdkApp(running(state_dir), state_dir)
    steps.run("cdk synth", cdk_app.synth)
    steps.run("cdk bootstrap", cdk_app.bootstrap)
    steps.run("cdk deploy", cdk_app.deploy)
    print(f"deployed; the outputs are in {cdk_app.outputs_file}")


@app.command()
def demo(port: Port = None, state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Serve the Amplify web example, with two users ready, on the cloud that `up` started, until Ctrl-C."""
    run_demo(CdkApp(running(state_dir), state_dir), port)


@app.command()
def rehearse(port: Port = None, region: Region = DEFAULT_REGION) -> None:
    """Deploy onto a fresh cloud, run `pubsub smoke`, destroy; exit with the smoke test's code."""
    try:
        raise typer.Exit(rehearse_deployment(port, region))
    except KeyboardInterrupt:
        print("local_cloud: interrupted; the embedded cloud has ended", file=sys.stderr)
        raise typer.Exit(130) from None
