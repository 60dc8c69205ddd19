"""``python -m local_cloud``: the embedded cloud from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from local_cloud.cdk_app import CdkApp, CdkError
from local_cloud.environment import DEFAULT_REGION
from local_cloud.process import LocalCloud, LocalCloudError, choose_port
from local_cloud.rehearsal import Steps, rehearse_deployment
from local_cloud.state import State

app = typer.Typer(
    help="AWS on this machine: ministack with enforced IAM, and what it lacks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

StateDirectory = Annotated[Path, typer.Option("--state-dir", help="Remembers the cloud that runs in the background.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Loopback port; a free one unless given.")]
Region = Annotated[str, typer.Option(help="Region of what is made without naming one.")]
DEFAULT_STATE = Path(".local")


@app.command()
def up(port: Port = None, region: Region = DEFAULT_REGION, state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Start a cloud in the background, unless one runs already."""
    state = State(state_dir)
    with state.alone():
        cloud, told = state.running(), "runs already"
        if cloud is None:
            told = "runs"
            cloud = LocalCloud.start(port, region=region, log_file=state.log_file, outlives_us=True)
            state.remember(cloud)
        elif (port or cloud.port, region) != (cloud.port, cloud.region):
            raise LocalCloudError(
                f"a cloud of {state_dir} runs on port {cloud.port} in {cloud.region} already: end it with `down` first"
            )
    print(f"the embedded cloud {told}: {cloud.endpoint_url}   (. {state_dir}/env makes it yours)")


@app.command()
def down(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """End the cloud that `up` started."""
    state = State(state_dir)
    cloud = state.running()
    if cloud is not None:
        cloud.end()
    state.forget()
    print("the embedded cloud has ended" if cloud else "no embedded cloud runs")


@app.command()
def status(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Tell whether the cloud runs; exit code 1 if not."""
    cloud = State(state_dir).running()
    if cloud is None:
        print("no embedded cloud runs")
        raise typer.Exit(1)
    print(f"{cloud.endpoint_url}  region {cloud.region}  process {cloud.pid}")


@app.command()
def deploy(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Deploy this repository's stack onto the cloud that `up` started."""
    cloud = State(state_dir).running()
    if cloud is None:
        raise LocalCloudError("no embedded cloud runs: start one with `up`")
    steps = Steps()
    cdk_app = CdkApp(cloud, state_dir)
    steps.run("cdk synth", cdk_app.synth)
    steps.run("cdk bootstrap", cdk_app.bootstrap)
    steps.run("cdk deploy", cdk_app.deploy)
    print(f"deployed; the outputs are in {cdk_app.outputs_file}")


@app.command()
def rehearse(port: Port = None, region: Region = DEFAULT_REGION) -> None:
    """Deploy onto a fresh cloud, run `pubsub smoke`, destroy; exit with the smoke test's code."""
    try:
        raise typer.Exit(rehearse_deployment(port, region))
    except KeyboardInterrupt:
        print("local_cloud: interrupted; the embedded cloud has ended", file=sys.stderr)
        raise typer.Exit(130) from None


@app.command()
def serve(
    port: Port = None,
    region: Region = DEFAULT_REGION,
    without: Annotated[list[str] | None, typer.Option(hidden=True)] = None,
    exit_with_parent: Annotated[bool, typer.Option("--exit-with-parent", hidden=True)] = False,
) -> None:
    """Serve in the foreground until Ctrl-C."""
    from local_cloud.behaviours import BehaviourError
    from local_cloud.server import serve as run_server

    try:
        run_server(choose_port(port), region, without=without or (), exit_with_parent=exit_with_parent)
    except BehaviourError as error:
        raise LocalCloudError(str(error)) from error


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (LocalCloudError, CdkError, OSError) as error:
        print(f"local_cloud: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
