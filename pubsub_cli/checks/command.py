"""The commands that mend something: printed to be run in a shell, and run as they are by ``pubsub doctor --fix``."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore import xform_name

from pubsub_cli.aws import Aws
from pubsub_cli.errors import CommandFailedError


@dataclass(frozen=True)
class AwsCommand:
    """One operation of AWS, as a command of the AWS CLI.

    Args:
        service: the service's name in AWS CLI and boto3, such as ``iot``.
        operation: the operation's name in the API, such as ``AttachPolicy``.
        parameters: the operation's parameters by their names in the API.
        safe: it adds or restores what PubSub needs, and neither deletes nor overwrites anything else.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    safe: bool = False

    def __str__(self) -> str:
        """Return the command line."""
        options = " ".join(_option(name, value) for name, value in self.parameters.items())
        return f"aws {self.service} {xform_name(self.operation, '-')} {options}"

    def run(self, aws: Aws) -> None:
        """Call the operation.

        Raises:
            botocore.exceptions.ClientError: AWS refuses.
        """
        aws.call(self.service, self.operation, self.parameters)


@dataclass(frozen=True)
class PubSubCommand:
    """A command of ``pubsub``.

    Args:
        arguments: the command's name and its options.
        safe: as with :class:`AwsCommand`.
    """

    arguments: tuple[str, ...]
    safe: bool = False

    def __str__(self) -> str:
        """Return the command line."""
        return shlex.join(("pubsub", *self.arguments))

    def run(self, aws: Aws) -> None:
        """Run it in a process of its own.

        Raises:
            CommandFailedError: it did not do what it should.
        """
        command = [sys.executable, "-m", "pubsub_client", *self.arguments, *shlex.split(aws.cli_options)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CommandFailedError(done.stderr.strip() or f"exit code {done.returncode}")


def _option(name: str, value: Any) -> str:
    option = f"--{xform_name(name, '-')}"
    if isinstance(value, bool):
        return option if value else option.replace("--", "--no-", 1)
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return f"{option} {shlex.quote(text)}"
