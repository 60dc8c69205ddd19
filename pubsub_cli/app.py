"""The command ``pubsub``. Needs the extra ``cli``: ``pip install 'amplify-pubsub[cli]'``.

Commands are imported when they run, and rich and botocore with them, so that ``pubsub --help`` is fast.
"""

from __future__ import annotations

import atexit
import gc
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache
from importlib import import_module
from typing import Annotated, Any, NoReturn

try:
    import rich  # noqa: F401 - imported by name, so that the message names it
    import typer
    import typer.main
    from typer.core import TyperCommand
except ImportError as error:  # only the library was installed
    print(f"pubsub needs {error.name}: pip install 'amplify-pubsub[cli]'", file=sys.stderr)
    raise SystemExit(2) from None

from pubsub_cli.errors import ExitCode, PreconditionError
from pubsub_cli.help import HelpfulCommand, HelpfulGroup
from pubsub_cli.terminal import MAX_COLUMNS, fit
from pubsub_client._printable import one_line

__all__ = ["COMMANDS", "app", "load_command", "main"]

COMMANDS = {
    "Diagnose": {
        "doctor": "Find why a connection is refused, and how to fix it.",
        "smoke": "Test a deployment end to end, from sign-in to first message.",
        "identity": "Show a user's identity: IoT policies, marker, logins.",
        "explain": "Explain a check of smoke and doctor, or list all checks.",
    },
    "Integrate": {
        "outputs": "Print a deployment's configuration for a front end or a script.",
        "adopt": "Print the settings that adopt existing pools and roles.",
    },
    "Messages": {
        "publish": "Publish a message to AWS IoT, or to another broker.",
        "subscribe": "Show messages from AWS IoT, or from another broker, until Ctrl-C.",
    },
    "Manage attachments": {
        "attach": "Attach the IoT policy to an identity.",
        "detach": "Detach the IoT policy from an identity, or from all identities.",
        "sweep": "Check every identity, and attach missing IoT policies.",
        "redrive": "Move messages from the dead-letter queue back to the retry queue.",
    },
}
"""The commands by section, with their summaries: also the first lines of their help, but without importing them."""


_CONTEXT = {"max_content_width": MAX_COLUMNS, "help_option_names": ["-h", "--help"]}


class LazyCommand(TyperCommand):
    """A command whose module is imported when it runs."""

    def make_context(self, *arguments: Any, **keywords: Any) -> Any:
        """Import the command and parse its options."""
        return load_command(str(self.name)).make_context(*arguments, **keywords)


class _PubSub(HelpfulGroup):
    """The commands of ``pubsub``."""

    sections = COMMANDS


@cache
def load_command(name: str) -> Any:
    """Import a command, which is the function of that name in the module of that name."""
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    command = getattr(import_module(f"pubsub_cli.commands.{name}"), name)
    single.command(name, cls=HelpfulCommand, context_settings=_CONTEXT)(expand_option_groups(command))
    return typer.main.get_command(single)


def expand_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with each field of its dataclass parameters as an option.

    Typer has no groups of options. So commands have dataclasses as parameters for the options that they share.
    """
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {each.name: each.annotation for each in parameters if is_dataclass(each.annotation)}
    expanded = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in parameters
        for option in (
            inspect.signature(each.annotation, eval_str=True).parameters.values() if each.name in groups else [each]
        )
    ]

    def run(**values: Any) -> None:
        given = {
            name: group(**{field: values.pop(field) for field in group.__dataclass_fields__})
            for name, group in groups.items()
        }
        command(**given, **values)

    run.__doc__, run.__annotations__ = command.__doc__, {each.name: each.annotation for each in expanded}
    run.__signature__ = inspect.Signature(expanded)  # type: ignore[attr-defined]
    return run


app = typer.Typer(
    cls=_PubSub,
    name="pubsub",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich takes longer than the rest of the start
    context_settings=_CONTEXT,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"pubsub {version('amplify-pubsub')}")
        raise typer.Exit


@app.callback()
def _pubsub(
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Amplify PubSub over AWS IoT: diagnose a deployment, and manage it.

    `pubsub COMMAND --help` shows a command's options, with examples.
    """


for _summaries in COMMANDS.values():
    for _name, _summary in _summaries.items():
        app.command(_name, cls=LazyCommand, short_help=_summary)(lambda: None)

# Without this, the garbage collection at exit takes a tenth of the time that the doctor needs to start.
atexit.register(gc.freeze)


def main() -> NoReturn:
    """Run the command line. An expected error is one line on standard error, without a traceback."""
    try:
        try:
            app()
        finally:
            if sys.stdout:
                sys.stdout.flush()  # reports a full disk here, not when Python exits
    except Exception as error:
        # Imported only now, because --help needs none of them.
        from botocore.exceptions import ConfigParseError, ProfileNotFound

        from pubsub_cli.finding import OperationError
        from pubsub_client.exceptions import ConfigurationError, PubSubError

        if isinstance(error, (PreconditionError, ConfigurationError, ConfigParseError, ProfileNotFound)):
            print(fit(f"pubsub: {one_line(str(error))}", sys.stderr), file=sys.stderr)
            sys.exit(ExitCode.COULD_NOT_RUN)
        if isinstance(error, (OperationError, PubSubError)):
            print(fit(f"pubsub: {error}", sys.stderr), file=sys.stderr)
            sys.exit(ExitCode.CHECK_FAILED)
        if isinstance(error, OSError):
            # Discards the rest of the output: https://docs.python.org/3/library/signal.html#note-on-sigpipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                print(f"pubsub: {error.strerror or error}", file=sys.stderr)
            sys.exit(ExitCode.COULD_NOT_RUN)
        raise
    sys.exit(ExitCode.PASSED)
