"""The result of a check or an operation, and the fix it suggests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from pubsub_cli.aws import Aws
from pubsub_client._printable import one_line

_COMMANDS = ("aws ", "pubsub ")
"""What the lines of a fix begin with that a shell can run."""
_AND = " &&"
"""What a line ends with if the next command must not run without this one, such as an attachment without its guard."""


class Status(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    WARNING = "warning"
    SKIPPED = "skipped"
    """Not run: a check it rests on did not pass, or the run's options leave it out."""
    UNKNOWN = "unknown"
    """Could not be told: it may not be asked, or AWS answers too many calls; never counts as passed."""


class Command(Protocol):
    """What mends something: one line for a shell, which can also be run from here."""

    @property
    def safe(self) -> bool:
        """Whether it adds or restores what PubSub needs, and neither deletes nor overwrites anything else."""
        ...

    def run(self, aws: Aws) -> None:
        """Run it.

        Raises:
            CommandFailedError, botocore.exceptions.ClientError: it did not do what it should.
        """
        ...


Fix = str | Command | Sequence[str | Command]
"""What mends something, line by line: commands, and what no command can do."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        status: how it ended.
        detail: figures worth showing next to a passed check.
        cause: what is wrong and why that breaks PubSub, in one or two sentences.
        resource: the resource that is wrong.
        fix: the commands or the setting that mend it, a line each.
        commands: the fix, where commands are all of it.
        not_applicable: the deployment has nothing that the check applies to. Checks that depend on it run nevertheless.
    """

    status: Status
    detail: str | None = None
    cause: str | None = None
    resource: str | None = None
    fix: str | None = None
    commands: tuple[Command, ...] = ()
    not_applicable: bool = False

    @property
    def safe_commands(self) -> tuple[Command, ...]:
        """The commands that mend all of it; none if one of them is not safe."""
        return self.commands if all(each.safe for each in self.commands) else ()

    def with_options(self, options: str) -> Finding:
        """Let the commands of the fix go to the account and region that were looked at."""
        if not self.fix or not options:
            return self
        lines = [_with_options(line, options) if line.startswith(_COMMANDS) else line for line in self.fix.splitlines()]
        return replace(self, fix="\n".join(lines))


def _with_options(line: str, options: str) -> str:
    command = line.removesuffix(_AND)
    return f"{command}{options}{line[len(command) :]}"


def passed(detail: str | None = None) -> Finding:
    """Find nothing wrong."""
    return Finding(Status.PASSED, detail=detail)


def failed(cause: str, *, resource: str, fix: Fix) -> Finding:
    """Find what breaks PubSub; in a check whose severity is a warning, what should be looked at."""
    return _wrong(Status.FAILED, cause, resource, fix)


def warning(cause: str, *, resource: str, fix: Fix) -> Finding:
    """Find what does not break PubSub but should be looked at."""
    return _wrong(Status.WARNING, cause, resource, fix)


def _wrong(status: Status, cause: str, resource: str, fix: Fix) -> Finding:
    lines = fix if isinstance(fix, Sequence) and not isinstance(fix, str) else [fix]
    commands = tuple(line for line in lines if not isinstance(line, str))
    return Finding(
        status,
        cause=cause,
        resource=resource,
        fix="\n".join(_joined(lines)),
        commands=commands if len(commands) == len(lines) else (),
    )


def _joined(lines: Sequence[str | Command]) -> list[str]:
    """Return the lines of a fix; in a shell a command runs only if the command before it succeeded."""
    following = [*lines[1:], ""]
    return [
        str(line) if isinstance(line, str) or isinstance(after, str) else f"{line}{_AND}"
        for line, after in zip(lines, following, strict=True)
    ]


def skipped(cause: str) -> Finding:
    """Leave the check out, and say why."""
    return Finding(Status.SKIPPED, cause=cause)


def not_applicable(cause: str) -> Finding:
    """Leave the check out because the deployment has nothing that it could ask about."""
    return Finding(Status.SKIPPED, cause=cause, not_applicable=True)


class OperationError(Exception):
    """An operation failed.

    Args:
        finding: the cause, the resource, and what to do next.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(" ".join(part for part in (one_line(finding.cause or ""), finding.fix) if part))
        self.finding = finding


def operation_error(cause: str, *, resource: str, fix: Fix) -> OperationError:
    """Return the error of an operation that did not fail at AWS."""
    return OperationError(failed(cause, resource=resource, fix=fix))
