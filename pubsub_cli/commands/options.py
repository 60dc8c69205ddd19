"""The options that every command shares."""

from __future__ import annotations

import logging
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from pubsub_client._printable import one_line

Stack = Annotated[str, typer.Option(help="Name of the deployed stack.")]
Environment = Annotated[
    str | None,
    typer.Option(help="Environment of the stack: AmplifyPubSub-<environment> unless --stack says otherwise."),
]
Profile = Annotated[str | None, typer.Option(help="Profile of the AWS configuration.")]
Region = Annotated[
    str | None,
    typer.Option(help="AWS region; that of AWS_REGION, AWS_DEFAULT_REGION or the profile unless given, in this order."),
]
EndpointUrl = Annotated[str | None, typer.Option(help="Where AWS answers; only the local cloud needs it.")]
Json = Annotated[
    bool, typer.Option("--json", help="Write one JSON document to standard output and nothing else there.")
]
Timeout = Annotated[
    float,
    typer.Option(
        min=1, help="Seconds to wait for what takes its time: on AWS an attachment can take 8 minutes to act."
    ),
]
Redact = Annotated[bool, typer.Option(help="Mask identity ids in what is shown.")]
Verbose = Annotated[bool, typer.Option(help="Show what the client and the AWS SDK log, on standard error.")]

Junit = Annotated[
    Path | None,
    typer.Option("--junit", metavar="FILE", dir_okay=False, help="Write the results as JUnit XML to this file."),
]
Skip = Annotated[
    list[str] | None, typer.Option("--skip", metavar="ID", help="Leave a check out, such as PS412; may be repeated.")
]

DEFAULT_STACK = "AmplifyPubSub"
DEFAULT_TIMEOUT = 300.0
_DEFAULT_ENVIRONMENT = "default"


def stack_name(stack: str, environment: str | None) -> str:
    """Return the stack's name: as given, or the environment's."""
    names_it = environment not in (None, _DEFAULT_ENVIRONMENT) and stack == DEFAULT_STACK
    return f"{stack}-{environment}" if names_it else stack


def log_if(verbose: bool) -> None:
    """Show what the client and the AWS SDK log, on standard error."""
    if verbose:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Lines(logging.BASIC_FORMAT))
        logging.basicConfig(level=logging.INFO, handlers=[handler])


class _Lines(logging.Formatter):
    """A line a record, whatever is in it, and the traceback after it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return one_line(super().formatMessage(record))
