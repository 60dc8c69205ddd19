"""How one run of a command reports."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pubsub_cli.aws import Aws

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


def mask_identity_ids(text: str) -> str:
    """Return the text with its identity ids masked."""
    return _IDENTITY_ID.sub("<identity id>", text)
