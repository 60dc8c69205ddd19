"""The Typer options that commands share. Imports neither botocore nor rich, because `python -m tools` uses it too."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from pubsub_client._printable import one_line

Stack = Annotated[str, typer.Option(help="Name of the deployed stack.")]
Environment = Annotated[
    str | None,
    typer.Option(help="Environment of the stack: selects AmplifyPubSub-<environment> unless --stack is given."),
]
Profile = Annotated[str | None, typer.Option(help="Profile of the AWS configuration.")]
Region = Annotated[
    str | None,
    typer.Option(help="AWS region. Default: AWS_REGION, AWS_DEFAULT_REGION or the profile's, in this order."),
]
EndpointUrl = Annotated[str | None, typer.Option(help="Endpoint of all AWS services; only for the local cloud.")]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON document, and nothing else, to standard output.")]
Timeout = Annotated[
    float,
    typer.Option(min=1, help="Seconds to wait for slow changes: on AWS an attachment can take 8 minutes to act."),
]
Redact = Annotated[bool, typer.Option(help="Mask identity ids in the output.")]
Verbose = Annotated[bool, typer.Option(help="Show log messages of the client and the AWS SDK on standard error.")]
Junit = Annotated[
    Path | None,
    typer.Option("--junit", metavar="FILE", dir_okay=False, help="Write the results as JUnit XML to this file."),
]
Skip = Annotated[
    list[str] | None, typer.Option("--skip", metavar="ID", help="Skip a check, such as PS412; may be repeated.")
]

DEFAULT_STACK = "AmplifyPubSub"
DEFAULT_TIMEOUT = 300.0
_DEFAULT_ENVIRONMENT = "default"


def stack_name(stack: str, environment: str | None) -> str:
    """Return the stack's name: as given, or the environment's."""
    names_it = environment not in (None, _DEFAULT_ENVIRONMENT) and stack == DEFAULT_STACK
    return f"{stack}-{environment}" if names_it else stack


def log_if(verbose: bool) -> None:
    """Show log messages of the client and the AWS SDK on standard error."""
    if verbose:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_OneLineFormatter(logging.BASIC_FORMAT))
        logging.basicConfig(level=logging.INFO, handlers=[handler])


class _OneLineFormatter(logging.Formatter):
    """One line a record, whatever is in it, and the traceback after it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return one_line(super().formatMessage(record))


def expand_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the fields of its dataclass parameters as options of their own.

    Typer has no groups of options. A command takes a dataclass for options that it shares with others.
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
