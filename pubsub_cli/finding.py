"""The result of a check or an operation, and the commands of its fix."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from botocore import xform_name

from pubsub_cli.aws import Aws
from pubsub_client._printable import one_line

_AND = " &&"
"""Joins two commands, so that the second runs only if the first succeeds."""


class Status(StrEnum):
    """The status of a check that ended."""

    PASSED = "passed"
    FAILED = "failed"
    WARNING = "warning"
    SKIPPED = "skipped"
    """Not run: a check that it depends on did not pass, it is not applicable, or ``--skip`` names it."""
    UNKNOWN = "unknown"
    """No result: a call was not permitted, not supported or throttled. Never counts as passed."""


@dataclass(frozen=True)
class AwsCommand:
    """One AWS operation: printed as a command of the AWS CLI, and run by ``pubsub doctor --fix``.

    Args:
        service: the service's name in the AWS CLI and boto3, such as ``iot``.
        operation: the operation's name in the API, such as ``AttachPolicy``.
        parameters: the operation's parameters, by their names in the API.
        safe: whether it only adds or restores what PubSub needs, and deletes or overwrites nothing else.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    safe: bool = False

    def __str__(self) -> str:
        options = " ".join(_cli_option(name, value) for name, value in self.parameters.items())
        return f"aws {self.service} {xform_name(self.operation, '-')} {options}"

    def run(self, aws: Aws) -> None:
        """Call the operation.

        Raises:
            botocore.exceptions.ClientError: AWS rejected the call.
        """
        aws.call(self.service, self.operation, self.parameters)


@dataclass(frozen=True)
class PubSubCommand:
    """A command of ``pubsub``: its name and options; ``safe`` as in :class:`AwsCommand`."""

    arguments: tuple[str, ...]
    safe: bool = False

    def __str__(self) -> str:
        return shlex.join(("pubsub", *self.arguments))


Command = AwsCommand | PubSubCommand
Fix = str | Command | Sequence[str | Command]
"""A fix, line by line: commands, and instructions for the rest."""


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Args:
        status: how the check ended.
        detail: values to show with a passed check.
        cause: what is wrong, and why that breaks PubSub, in one or two sentences.
        resource: the affected resource.
        fix: the commands and instructions of the fix, one a line.
        commands: the commands of the fix; empty if a line is an instruction.
        not_applicable: whether the check does not apply to the deployment. Dependent checks still run.
        blocks: whether dependent checks are skipped unless the check passed.
    """

    status: Status
    detail: str | None = None
    cause: str | None = None
    resource: str | None = None
    fix: str | None = None
    commands: tuple[Command, ...] = ()
    not_applicable: bool = False
    blocks: bool = True

    @property
    def safe_commands(self) -> tuple[Command, ...]:
        """The commands of the fix; empty if one of them is not safe."""
        return self.commands if all(each.safe for each in self.commands) else ()

    def as_member(self) -> dict[str, str | None]:
        """Return the member of a JSON document that describes a failure."""
        return {"cause": self.cause, "resource": self.resource, "fix": self.fix}

    def with_options(self, options: str) -> Finding:
        """Add options such as ``--profile`` to each command of the fix, so that it runs in the checked account."""
        if not self.fix or not options:
            return self
        lines = [_with_options(line, options) for line in self.fix.splitlines()]
        return replace(self, fix="\n".join(lines))


def passed(detail: str | None = None) -> Finding:
    """Return the finding of a check that passed."""
    return Finding(Status.PASSED, detail=detail)


def failed(cause: str, *, resource: str, fix: Fix) -> Finding:
    """Return a finding that breaks PubSub; a check with the severity warning turns it into a warning."""
    return _wrong(Status.FAILED, cause, resource, fix)


def warning(cause: str, *, resource: str, fix: Fix) -> Finding:
    """Return a finding that does not break PubSub but needs attention."""
    return _wrong(Status.WARNING, cause, resource, fix)


def unknown(cause: str, *, resource: str, fix: Fix, blocks: bool = True) -> Finding:
    """Return the finding of a check without a result; dependent checks run unless it ``blocks`` them."""
    return replace(_wrong(Status.UNKNOWN, cause, resource, fix), blocks=blocks)


def skipped(cause: str) -> Finding:
    """Return the finding of a check that did not run."""
    return Finding(Status.SKIPPED, cause=cause)


def not_applicable(cause: str) -> Finding:
    """Return the finding of a check that does not apply to the deployment."""
    return Finding(Status.SKIPPED, cause=cause, not_applicable=True)


def _wrong(status: Status, cause: str, resource: str, fix: Fix) -> Finding:
    lines = fix if isinstance(fix, Sequence) and not isinstance(fix, str) else [fix]
    commands = tuple(line for line in lines if not isinstance(line, str))
    return Finding(
        status,
        cause=cause,
        resource=resource,
        fix="\n".join(_chained(lines)),
        commands=commands if len(commands) == len(lines) else (),
    )


def _chained(lines: Sequence[str | Command]) -> list[str]:
    """Return the lines of a fix, with ``&&`` between commands that follow each other."""
    following = [*lines[1:], ""]
    return [
        str(line) if isinstance(line, str) or isinstance(after, str) else f"{line}{_AND}"
        for line, after in zip(lines, following, strict=True)
    ]


def _with_options(line: str, options: str) -> str:
    if not line.startswith(("aws ", "pubsub ")):
        return line
    command = line.removesuffix(_AND)
    return f"{command}{options}{line[len(command) :]}"


def _cli_option(name: str, value: Any) -> str:
    option = f"--{xform_name(name, '-')}"
    if isinstance(value, bool):
        return option if value else option.replace("--", "--no-", 1)
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return f"{option} {shlex.quote(text)}"


class OperationError(Exception):
    """An operation failed.

    Args:
        finding: cause, resource and fix.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(" ".join(part for part in (one_line(finding.cause or ""), finding.fix) if part))
        self.finding = finding


def operation_error(cause: str, *, resource: str, fix: Fix) -> OperationError:
    """Return the error of an operation."""
    return OperationError(failed(cause, resource=resource, fix=fix))
