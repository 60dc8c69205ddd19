"""``python -m local_cloud``: the local cloud from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from local_cloud.environment import DEFAULT_REGION
from local_cloud.faults import FaultError
from local_cloud.faults.commands import app as fault_app
from local_cloud.options import DEFAULT_STATE, Port, Region, StateDirectory, running
from local_cloud.process import LocalCloud, LocalCloudError, listen
from local_cloud.state import State
from pubsub_client._printable import printable

app = typer.Typer(
    help="AWS on this machine: ministack with enforced IAM, and what it lacks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(fault_app, name="fault")


@app.command()
def up(port: Port = None, region: Region = DEFAULT_REGION, state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Start a cloud in the background, unless one runs already."""
    state = State(state_dir)
    with state.alone():
        cloud, told = state.running(), "runs already"
        if cloud is None:
            told = "runs"
            cloud = LocalCloud.start(port, region=region, log_file=state.log_file)
            state.remember(cloud)
            cloud.let_go()  # from here on somebody knows of it
        elif (port or cloud.port, region) != (cloud.port, cloud.region):
            raise LocalCloudError(
                f"a cloud of {state_dir} runs on port {cloud.port} in {cloud.region} already: end it with `down` first"
            )
    print(f"the local cloud {told}: {cloud.endpoint_url}   (. {state_dir}/env makes it yours)")


@app.command()
def down(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """End the cloud that `up` started."""
    state = State(state_dir)
    cloud = state.running()
    if cloud is not None:
        cloud.end()
    state.forget()
    print("the local cloud has ended" if cloud else "no local cloud runs")


@app.command()
def status(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Tell whether the cloud runs; exit code 1 if not."""
    cloud = State(state_dir).running()
    if cloud is None:
        print("no local cloud runs")
        raise typer.Exit(1)
    print(f"{cloud.endpoint_url}  region {cloud.region}  process {cloud.pid}")


@app.command(name="calls")
def print_calls(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Print how often each operation was called since the start."""
    counts = running(state_dir).calls()
    for operation, count in sorted(counts.items()):
        print(f"{count:8}  {operation}")
    if not counts:
        print("no calls")


@app.command()
def serve(port: Port = None, region: Region = DEFAULT_REGION) -> None:
    """Serve in the foreground until Ctrl-C."""
    from local_cloud.patches import BehaviourError
    from local_cloud.server import serve as run_server

    try:
        run_server(listen(port), region)
    except BehaviourError as error:
        raise LocalCloudError(str(error)) from error


def main() -> None:
    """Run the command line."""
    if (Path(__file__).parent.parent / "cdk.json").is_file():  # installed from a wheel, there is no app to deploy
        from local_cloud.repository import app as of_the_repository

        app.add_typer(of_the_repository)
    try:
        app()
    except (LocalCloudError, FaultError, OSError) as error:
        print(f"local_cloud: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
