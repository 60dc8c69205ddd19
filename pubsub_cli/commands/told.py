"""How a command tells what it came to: lines for people, one JSON document for programs."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from pubsub_cli.aws import Aws
from pubsub_cli.commands.document import document
from pubsub_cli.commands.exit_code import ExitCode
from pubsub_cli.finding import Finding
from pubsub_client._printable import one_line

_IDENTITY_ID = re.compile(r"\b[a-z]{2}(?:-[a-z]+)+-\d:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass(frozen=True)
class Told:
    """What a command tells: lines for people, members of the JSON document for programs, and what could not be done."""

    lines: Sequence[str]
    members: Mapping[str, Any]
    failure: Finding | None = None


def tell(told: Told, command: str, aws: Aws | None, stack: str | None, *, json: bool, redact: bool = False) -> None:
    """Tell it; what could not be done on standard error too, with ``--json`` as the document's member ``failure``.

    Args:
        told: what it came to.
        command: the command's name.
        aws: where AWS was asked; None where it was not.
        stack: the stack; None where it was about none.
        json: write the document.
        redact: mask identity ids.

    Raises:
        typer.Exit: something could not be done.
    """
    failure = told.failure and told.failure.with_options(aws.cli_options if aws else "")
    shown = redacted if redact else str
    if json:
        why = failure and {"cause": failure.cause, "resource": failure.resource, "fix": failure.fix}
        print(shown(document(command, stack, aws.region if aws else None, **told.members, failure=why)), end="")
    else:
        print(shown("".join(f"{line}\n" for line in told.lines)), end="")
    if failure:
        fix = (failure.fix or "").replace("\n", "\n        ")
        print(shown(f"pubsub: {one_line(failure.cause or '')}\n        {fix}"), file=sys.stderr)
        raise typer.Exit(ExitCode.CHECK_FAILED)


def redacted(text: str) -> str:
    """Mask the identity ids in a text."""
    return _IDENTITY_ID.sub("<identity id>", text)
