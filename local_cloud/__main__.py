"""``python -m local_cloud``: the local cloud from the command line."""

from __future__ import annotations

import sys

import typer

from local_cloud.environment import DEFAULT_REGION
from local_cloud.faults import FaultError
from local_cloud.faults.commands import app as fault_app
from local_cloud.process import LocalCloud, LocalCloudError
from local_cloud.state import DEFAULT_STATE, Port, Region, State, StateDirectory
from pubsub_client._printable import printable

app = typer.Typer(
    help="The local cloud, an AWS emulator: ministack with enforced IAM and patches.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(fault_app, name="fault")


@app.command()
def up(port: Port = None, region: Region = DEFAULT_REGION, state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Start a cloud in the background, unless one runs already."""
    state = State(state_dir)
    with state.lock():
        cloud, verb = state.running(), "runs already"
        if cloud is None:
            verb = "runs"
            cloud = LocalCloud.start(port, region=region, log_file=state.log_file)
            state.remember(cloud)
            cloud.detach()  # not earlier: an interrupted `up` must not leave a cloud that nobody knows of
        elif (port or cloud.port, region) != (cloud.port, cloud.region):
            raise LocalCloudError(
                f"a cloud of {state_dir} runs on port {cloud.port} in {cloud.region} already: end it with `down` first"
            )
    print(f"the local cloud {verb}: {cloud.endpoint_url}   (point a shell at it: . {state_dir}/env)")


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
    """Show whether the cloud runs; exit with 1 if not."""
    cloud = State(state_dir).running()
    if cloud is None:
        print("no local cloud runs")
        raise typer.Exit(1)
    print(f"{cloud.endpoint_url}  region {cloud.region}  process {cloud.pid}")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (LocalCloudError, FaultError, OSError) as error:
        print(f"local_cloud: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
