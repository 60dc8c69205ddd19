"""The options that commands share, and how a run uses them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import typer

from pubsub_cli.aws import Aws
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
_IDENTITY_ID = re.compile(r"\b[a-z]{2}(?:-[a-z]+)+-\d:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass(frozen=True)
class RunOptions:
    """How one run of a command reports.

    Args:
        command: the command's name.
        stack: the stack, or another name for the deployment; empty if the run is about none.
        region: the region in effect; None if the run does not use AWS.
        cli_options: the options that make a suggested command go to the same account and region.
        json: write only the JSON document to standard output.
        redact: mask identity ids.
        junit: the file of the JUnit report.
        skip: ids of checks to skip.
    """

    command: str
    stack: str = ""
    region: str | None = None
    cli_options: str = ""
    json: bool = False
    redact: bool = False
    junit: Path | None = None
    skip: Collection[str] = ()

    @classmethod
    def of(cls, command: str, aws: Aws, stack: str, **options: Any) -> Self:
        """Return the run of a command that uses AWS."""
        return cls(command, stack, aws.region, aws.cli_options, **options)

    def masked(self, text: str) -> str:
        """Return a text as it may be shown."""
        return mask_identity_ids(text) if self.redact else text


def stack_name(stack: str, environment: str | None) -> str:
    """Return the stack's name: as given, or the environment's."""
    names_it = environment not in (None, _DEFAULT_ENVIRONMENT) and stack == DEFAULT_STACK
    return f"{stack}-{environment}" if names_it else stack


def mask_identity_ids(text: str) -> str:
    """Return the text with its identity ids masked."""
    return _IDENTITY_ID.sub("<identity id>", text)


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
