"""The command ``pubsub``. Needs the extra ``cli``: ``pip install 'amplify-pubsub[cli]'``."""

from __future__ import annotations

import sys
from typing import NoReturn

try:
    import rich  # noqa: F401 - asked for by name, so that the message names it
    import typer
except ImportError as error:  # the library alone was installed
    print(f"pubsub needs {error.name}: pip install 'amplify-pubsub[cli]'", file=sys.stderr)
    raise SystemExit(2) from None

from botocore.exceptions import ConfigParseError, ProfileNotFound

from pubsub_client._printable import one_line
from pubsub_client.checks.check import CouldNotRunError
from pubsub_client.cli.adopt import adopt
from pubsub_client.cli.attach import attach
from pubsub_client.cli.detach import detach
from pubsub_client.cli.doctor import doctor
from pubsub_client.cli.exit_code import ExitCode
from pubsub_client.cli.identity import identity
from pubsub_client.cli.outputs import outputs
from pubsub_client.cli.publish import publish
from pubsub_client.cli.redrive import redrive
from pubsub_client.cli.smoke import smoke
from pubsub_client.cli.subscribe import subscribe
from pubsub_client.cli.sweep import sweep
from pubsub_client.cli.terminal import EscapingGroup
from pubsub_client.exceptions import ConfigurationError, PubSubError
from pubsub_client.operations.failure import NotDoneError

__all__ = ["main"]

app = typer.Typer(
    cls=EscapingGroup,
    name="pubsub",
    help="Amplify PubSub over AWS IoT: check a deployment, hand it to a front end, use it, look after its identities.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (smoke, doctor, outputs, publish, subscribe, identity, attach, detach, sweep, redrive, adopt):
    app.command()(command)


def main() -> NoReturn:
    """Run the command line; no traceback of an expected error reaches the user."""
    try:
        app()
    except (CouldNotRunError, ConfigurationError, ConfigParseError, ProfileNotFound) as error:
        print(f"pubsub: {one_line(str(error))}", file=sys.stderr)
        sys.exit(ExitCode.COULD_NOT_RUN)
    except (NotDoneError, PubSubError) as error:
        print(f"pubsub: {error}", file=sys.stderr)
        sys.exit(ExitCode.CHECK_FAILED)
    sys.exit(ExitCode.PASSED)
