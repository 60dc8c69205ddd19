"""``python -m tools``: deploy this repository's stack to a local cloud or to an AWS account."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, NoReturn

import typer

from local_cloud.environment import DEFAULT_REGION
from local_cloud.process import LocalCloudError
from local_cloud.state_directory import DEFAULT_STATE, PortOption, StateDirectory, StateDirOption
from local_cloud.state_directory import RegionOption as LocalRegionOption
from pubsub_cli.errors import ExitCode
from pubsub_cli.options import Junit, Profile, Region, Yes
from pubsub_cli.signals import interrupt_on_sigterm
from pubsub_cli.terminal import EscapingGroup
from pubsub_client._printable import one_line, printable
from tools.demo import run_demo
from tools.local import deploy_locally
from tools.smoke import smoke as run_smoke

app = typer.Typer(
    cls=EscapingGroup,
    help="Deploy this repository's stack to a local cloud or to an AWS account.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Environment = Annotated[str | None, typer.Option(metavar="NAME", help="Use this environment of cdk.json.")]
_CLOUDFORMATION_CONTINUES = "CloudFormation continues in AWS"


@app.command()
def smoke(port: PortOption = None, region: LocalRegionOption = DEFAULT_REGION) -> None:
    """Deploy to a new local cloud, run `pubsub smoke`, and destroy; exit with the smoke test's code."""
    _exit_with(partial(run_smoke, port, region), "the local cloud has ended")


@app.command()
def local(port: PortOption = None, state_dir: StateDirOption = DEFAULT_STATE) -> None:
    """Deploy to the local cloud in the background; start one if none is running."""
    _exit_with(partial(deploy_locally, StateDirectory(state_dir), port), "run it again to complete the deployment")


@app.command()
def demo(port: PortOption = None, state_dir: StateDirOption = DEFAULT_STATE) -> None:
    """Serve the Amplify web example with two users on that local cloud, until Ctrl-C."""
    _exit_with(partial(run_demo, StateDirectory(state_dir), port), "the local cloud keeps running")


@app.command()
def deploy(
    profile: Profile = None,
    region: Region = None,
    environment: Environment = None,
    junit: Junit = None,
    yes: Yes = False,
) -> None:
    """Deploy to an AWS account, and run `pubsub smoke`; exit with its code."""
    from tools.deploy import deploy as deploy_stack

    with _account_errors():
        _exit_with(partial(deploy_stack, profile, region, environment, yes=yes, junit=junit), _CLOUDFORMATION_CONTINUES)


@app.command()
def destroy(profile: Profile = None, region: Region = None, environment: Environment = None, yes: Yes = False) -> None:
    """Destroy the stack in an AWS account, after you type its name."""
    from tools.destroy import destroy as destroy_stack

    with _account_errors():
        _exit_with(partial(destroy_stack, profile, region, environment, yes=yes), _CLOUDFORMATION_CONTINUES)


def main() -> None:
    """Run the command line; an expected error is one line without a traceback."""
    try:
        app()
    except (LocalCloudError, OSError) as error:
        print(f"tools: {printable(str(error))}", file=sys.stderr)
        sys.exit(ExitCode.COULD_NOT_RUN)


@contextmanager
def _account_errors() -> Iterator[None]:
    """Print an expected error of a real account, and exit with its code."""
    # The local commands start half a second sooner without these modules.
    from botocore.exceptions import ConfigParseError, ProfileNotFound

    from pubsub_cli.errors import PreconditionError
    from pubsub_cli.finding import OperationError
    from stacks.settings import SettingsError

    try:
        yield
    except (PreconditionError, SettingsError, ConfigParseError, ProfileNotFound) as error:
        print(f"tools: {one_line(str(error))}", file=sys.stderr)
        raise typer.Exit(ExitCode.COULD_NOT_RUN) from None
    except OperationError as error:
        print(f"tools: {error}", file=sys.stderr)
        raise typer.Exit(ExitCode.CHECK_FAILED) from None


def _exit_with(work: Callable[[], int | None], interrupted: str) -> NoReturn:
    """Exit with the work's code; if it is interrupted, print the state that remains."""
    interrupt_on_sigterm()
    try:
        raise typer.Exit(work() or 0)
    except KeyboardInterrupt:
        print(f"tools: interrupted; {interrupted}", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


if __name__ == "__main__":
    main()
