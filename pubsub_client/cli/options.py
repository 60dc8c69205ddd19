"""The options that every command shares."""

from __future__ import annotations

import logging
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

Stack = Annotated[str, typer.Option(help="Name of the deployed stack.")]
Environment = Annotated[
    str | None,
    typer.Option(help="Environment of the stack: AmplifyPubSub-<environment> unless --stack says otherwise."),
]
Profile = Annotated[str | None, typer.Option(help="Profile of the AWS configuration.")]
Region = Annotated[str | None, typer.Option(help="AWS region; the profile's or AWS_REGION unless given.")]
EndpointUrl = Annotated[str | None, typer.Option(help="Where AWS answers; only the embedded cloud needs it.")]
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
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
