"""The command ``pubsub``. Needs the extra ``cli``: ``pip install 'amplify-pubsub[cli]'``."""

from __future__ import annotations

import atexit
import gc
import sys
from typing import NoReturn

try:
    import rich  # noqa: F401 - asked for by name, so that the message names it
    import typer
except ImportError as error:  # the library alone was installed
    print(f"pubsub needs {error.name}: pip install 'amplify-pubsub[cli]'", file=sys.stderr)
    raise SystemExit(2) from None

from pubsub_cli.commands.command import LazyCommand
from pubsub_cli.commands.exit_code import ExitCode
from pubsub_cli.commands.terminal import EscapingGroup
from pubsub_client._printable import one_line

__all__ = ["main"]

SUMMARIES = {
    "smoke": "Prove a deployment end to end: sign-in, attachment, connection, messages, refusals.",
    "doctor": "Name the cause of a refused connection, and the command that mends it; read-only without --fix.",
    "outputs": "Hand a deployment to a front end or a script.",
    "publish": "Publish one message to a stack's AWS IoT, or to any broker over WebSocket.",
    "subscribe": "Show messages of a stack's AWS IoT, or of any broker over WebSocket, as they come, until Ctrl-C.",
    "identity": "Tell what is known of one identity: user, marker, attached policies, logins.",
    "attach": "Attach the IoT policy to one identity; for a user as the sign-in does it, without a password.",
    "detach": "Detach the IoT policy from one identity, until the user signs in or self-attaches; with --all from "
    "everybody.",
    "sweep": "Look at every identity, and attach the IoT policy where it is missing.",
    "redrive": "Move dead letters back to the retry queue, whose worker then tries them again.",
    "adopt": "Tell how to adopt pools and roles that are there already, and what that would change. Changes nothing "
    "itself.",
}
"""The first line of each command's help, written here too so that the list of commands imports none of them."""

app = typer.Typer(
    cls=EscapingGroup,
    name="pubsub",
    help="Amplify PubSub over AWS IoT: check a deployment, hand it to a front end, use it, look after its identities.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # importing rich for it takes longer than all the rest
)
for name, summary in SUMMARIES.items():
    app.command(name, cls=LazyCommand, short_help=summary)(lambda: None)

# At exit Python looks for reference cycles among all objects, a tenth of the doctor's start, although the process ends.
atexit.register(gc.freeze)


def main() -> NoReturn:
    """Run the command line; no traceback of an expected error reaches the user."""
    try:
        app()
    except Exception as error:
        # Imported by whatever raises them, but not by every command.
        from botocore.exceptions import ConfigParseError, ProfileNotFound

        from pubsub_cli.errors import PreconditionError
        from pubsub_cli.operations.failure import OperationError
        from pubsub_client.exceptions import ConfigurationError, PubSubError

        if isinstance(error, (PreconditionError, ConfigurationError, ConfigParseError, ProfileNotFound)):
            print(f"pubsub: {one_line(str(error))}", file=sys.stderr)
            sys.exit(ExitCode.COULD_NOT_RUN)
        if isinstance(error, (OperationError, PubSubError)):
            print(f"pubsub: {error}", file=sys.stderr)
            sys.exit(ExitCode.CHECK_FAILED)
        raise
    sys.exit(ExitCode.PASSED)
