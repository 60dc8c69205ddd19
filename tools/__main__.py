"""``python -m tools``: to a real account and away from it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated, NoReturn

import typer
from botocore.exceptions import ConfigParseError, ProfileNotFound

from pubsub_cli.errors import ExitCode, PreconditionError
from pubsub_cli.finding import OperationError
from pubsub_cli.options import Junit, Profile, Region  # noqa: TC001 - typer reads the annotations
from pubsub_cli.signals import interrupt_on_sigterm
from pubsub_cli.terminal import EscapingGroup
from pubsub_client._printable import one_line
from stacks.settings import SettingsError
from tools.deploy import deploy as deploy_stack
from tools.destroy import destroy as destroy_stack

app = typer.Typer(
    cls=EscapingGroup,
    help="Deploys this repository's stack to an AWS account, and takes it down.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Environment = Annotated[str | None, typer.Option(help="Environment of the settings in cdk.json.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]


@app.command()
def deploy(
    profile: Profile = None,
    region: Region = None,
    environment: Environment = None,
    junit: Junit = None,
    yes: Yes = False,
) -> None:
    """Deploy the stack and run `pubsub smoke`; exit with its code."""
    _exit_with(partial(deploy_stack, profile, region, environment, yes=yes, junit=junit))


@app.command()
def destroy(profile: Profile = None, region: Region = None, environment: Environment = None, yes: Yes = False) -> None:
    """Destroy the stack, once its name is typed."""
    _exit_with(partial(destroy_stack, profile, region, environment, yes=yes))


def main() -> None:
    """Run the command line; no traceback of an expected error reaches the user."""
    try:
        app()
    except (PreconditionError, SettingsError, ConfigParseError, ProfileNotFound) as error:
        print(f"tools: {one_line(str(error))}", file=sys.stderr)
        sys.exit(ExitCode.COULD_NOT_RUN)
    except OperationError as error:
        print(f"tools: {error}", file=sys.stderr)
        sys.exit(ExitCode.CHECK_FAILED)


def _exit_with(work: Callable[[], int]) -> NoReturn:
    interrupt_on_sigterm()
    try:
        raise typer.Exit(work())
    except KeyboardInterrupt:
        print("tools: interrupted; what CloudFormation has begun, it goes on with", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


if __name__ == "__main__":
    main()
