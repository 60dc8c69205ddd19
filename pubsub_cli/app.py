"""The command ``pubsub``. Needs the extra ``cli``: ``pip install 'amplify-pubsub[cli]'``.

Commands are imported when they run, and rich and botocore with them, so that ``pubsub --help`` is fast.
"""

from __future__ import annotations

import atexit
import gc
import sys
from functools import cache
from importlib import import_module
from typing import Any, NoReturn

try:
    import rich  # noqa: F401 - imported by name, so that the message names it
    import typer
    import typer.main
    from typer.core import TyperCommand
except ImportError as error:  # only the library was installed
    print(f"pubsub needs {error.name}: pip install 'amplify-pubsub[cli]'", file=sys.stderr)
    raise SystemExit(2) from None

from pubsub_cli.errors import ExitCode, PreconditionError
from pubsub_cli.options import expand_option_groups
from pubsub_cli.terminal import EscapingGroup
from pubsub_client._printable import one_line

__all__ = ["SUMMARIES", "app", "load_command", "main"]

SUMMARIES = {
    "smoke": "Test a deployment end to end: sign-in, attachment, connection, messages, rejections.",
    "doctor": "Find why a connection is refused, and show the command that fixes it; read-only without --fix.",
    "outputs": "Print a deployment's configuration for a front end or a script.",
    "publish": "Publish one message to a stack's AWS IoT, or to any broker over WebSocket.",
    "subscribe": "Show messages from a stack's AWS IoT, or from any broker over WebSocket, until Ctrl-C.",
    "explain": "Explain a check of smoke and doctor, or list all checks.",
    "identity": "Show one identity: user, marker, attached policies, logins.",
    "attach": "Attach the IoT policy to one identity; for a user as the sign-in does it, without a password.",
    "detach": "Detach the IoT policy from one identity until the user signs in or self-attaches; --all: from everyone.",
    "sweep": "Check every identity, and attach the IoT policy where it is missing.",
    "redrive": "Move messages from the dead-letter queue back to the retry queue.",
    "adopt": "Print the settings that adopt existing pools and roles, and what they would change. Changes nothing.",
}
"""The first line of each command's help, repeated here so that the list of commands imports none of them."""


class LazyCommand(TyperCommand):
    """A command whose module is imported when it runs."""

    def make_context(self, *arguments: Any, **keywords: Any) -> Any:
        """Import the command and parse its options."""
        return load_command(str(self.name)).make_context(*arguments, **keywords)


class _SectionedCommand(TyperCommand):
    """A command whose help lists the options in sections, by the ``rich_help_panel`` of each option."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            title = getattr(parameter, "rich_help_panel", None) or f"{parameter.param_type_name}s".capitalize()
            if record := parameter.get_help_record(ctx):
                sections.setdefault(title, []).append(record)
        for title, rows in sections.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


@cache
def load_command(name: str) -> Any:
    """Import a command, which is the function of that name in the module of that name."""
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    command = getattr(import_module(f"pubsub_cli.commands.{name}"), name)
    single.command(name, cls=_SectionedCommand)(expand_option_groups(command))
    return typer.main.get_command(single)


app = typer.Typer(
    cls=EscapingGroup,
    name="pubsub",
    help="Amplify PubSub over AWS IoT: check a deployment, connect a front end, publish and subscribe, manage "
    "attachments.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # importing rich for it takes longer than all the rest
)
for _name, _summary in SUMMARIES.items():
    app.command(_name, cls=LazyCommand, short_help=_summary)(lambda: None)

# At exit Python collects garbage, which takes a tenth of the doctor's start although the process ends.
atexit.register(gc.freeze)


def main() -> NoReturn:
    """Run the command line; expected errors are one line on standard error, never a traceback."""
    try:
        app()
    except Exception as error:
        # The command that raised one of these has imported its module already.
        from botocore.exceptions import ConfigParseError, ProfileNotFound

        from pubsub_cli.finding import OperationError
        from pubsub_client.exceptions import ConfigurationError, PubSubError

        if isinstance(error, (PreconditionError, ConfigurationError, ConfigParseError, ProfileNotFound)):
            print(f"pubsub: {one_line(str(error))}", file=sys.stderr)
            sys.exit(ExitCode.COULD_NOT_RUN)
        if isinstance(error, (OperationError, PubSubError)):
            print(f"pubsub: {error}", file=sys.stderr)
            sys.exit(ExitCode.CHECK_FAILED)
        raise
    sys.exit(ExitCode.PASSED)
