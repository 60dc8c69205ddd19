"""``python -m local_cloud``: the command line of the local cloud."""

from __future__ import annotations

import sys

import typer

from local_cloud.environment import DEFAULT_REGION
from local_cloud.faults import FaultError
from local_cloud.faults.commands import app as fault_app
from local_cloud.process import LocalCloud, LocalCloudError
from local_cloud.state_directory import DEFAULT_STATE, PortOption, RegionOption, StateDirectory, StateDirOption
from pubsub_client._printable import printable

app = typer.Typer(
    help="The local cloud, an AWS emulator: ministack with patches and enforced IAM.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(fault_app, name="fault")


@app.command()
def up(
    port: PortOption = None, region: RegionOption = DEFAULT_REGION, state_dir: StateDirOption = DEFAULT_STATE
) -> None:
    """Start a local cloud in the background, unless one is running."""
    state = StateDirectory(state_dir)
    with state.lock():
        cloud, status = state.running(), "is already running"
        if cloud is None:
            status = "is running"
            cloud = LocalCloud.start(port, region=region, log_file=state.log_file)
            state.remember(cloud)
            cloud.detach()  # last, so that an interrupted `up` leaves no cloud behind
        elif (port or cloud.port, region) != (cloud.port, cloud.region):
            raise LocalCloudError(
                f"a local cloud is already running on port {cloud.port} in {cloud.region}; stop it with `down` first"
            )
    print(f"The local cloud {status}: {cloud.endpoint_url}\nTo use it in a shell: . {state_dir}/env")


@app.command()
def down(state_dir: StateDirOption = DEFAULT_STATE) -> None:
    """Stop the local cloud that `up` started."""
    state = StateDirectory(state_dir)
    cloud = state.running()
    if cloud is not None:
        cloud.end()
    state.forget()
    print("The local cloud has stopped." if cloud else f"No local cloud of {state_dir} is running.")


@app.command()
def status(state_dir: StateDirOption = DEFAULT_STATE) -> None:
    """Show whether the local cloud is running; exit with 1 if not."""
    cloud = StateDirectory(state_dir).running()
    if cloud is None:
        print(f"No local cloud of {state_dir} is running.")
        raise typer.Exit(1)
    print(f"The local cloud is running: {cloud.endpoint_url}, region {cloud.region}, process {cloud.pid}")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (LocalCloudError, FaultError, OSError) as error:
        print(f"local_cloud: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
