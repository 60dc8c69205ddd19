"""The account and stack that a command uses, and how one run of it reports."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pubsub_cli import options
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
        verbose: show ids, times and details of all checks.
    """

    command: str
    stack: str = ""
    region: str | None = None
    cli_options: str = ""
    json: bool = False
    redact: bool = False
    junit: Path | None = None
    skip: Collection[str] = ()
    verbose: bool = False

    def masked(self, text: str) -> str:
        """Return a text as it may be shown."""
        return mask_identity_ids(text) if self.redact else text


@dataclass(frozen=True)
class AccountOptions:
    """The options of a command that uses an AWS account."""

    profile: options.Profile = None
    region: options.Region = None
    endpoint_url: options.EndpointUrl = None
    verbose: options.Verbose = False

    @cached_property
    def aws(self) -> Aws:
        """The operator's clients."""
        return Aws(self.profile, self.region, self.endpoint_url)

    @property
    def stack_name(self) -> str:
        """The stack; empty for a command about none."""
        return ""

    def start(self, command: str, **report: Any) -> RunOptions:
        """Start a run: show log messages if --verbose is given, and return how the run reports.

        Args:
            command: the command's name.
            report: the other fields of :class:`RunOptions`.

        Raises:
            PreconditionError: --endpoint-url is not a URL.
            botocore.exceptions.ProfileNotFound: there is no such profile.
        """
        options.log_if(self.verbose)
        name = {"stack": self.stack_name} | report
        return RunOptions(
            command, region=self.aws.region, cli_options=self.aws.cli_options, verbose=self.verbose, **name
        )


@dataclass(frozen=True)
class StackOptions(AccountOptions):
    """The options of a command about a deployed stack."""

    stack: options.Stack = options.DEFAULT_STACK
    environment: options.Environment = None

    @property
    def stack_name(self) -> str:
        """The stack's name: as given, or the environment's."""
        return options.stack_name(self.stack, self.environment)


def mask_identity_ids(text: str) -> str:
    """Return the text with its identity ids masked."""
    return _IDENTITY_ID.sub("<identity id>", text)
