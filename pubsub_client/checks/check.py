"""What a check is, and what it finds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pubsub_client.checks.context import Context


class CouldNotRunError(Exception):
    """The run cannot begin or go on: no such stack, no credentials, no region. The message says what to do."""


class Status(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    WARNING = "warning"
    SKIPPED = "skipped"
    """Not run: a check it rests on did not pass, or the run's options leave it out."""
    UNKNOWN = "unknown"
    """Could not be told, for want of a permission; never counts as passed."""


class Group(StrEnum):
    """What a check is about."""

    CONFIGURATION = "configuration"
    PROVISIONING = "provisioning"
    SIGN_IN = "sign-in"
    IDENTITY = "identity"
    AUTHORIZATION = "authorization"
    CONNECTION = "connection"
    MESSAGES = "messages"
    OPERATIONS = "operations"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        status: how it ended.
        detail: figures worth showing next to a passed check.
        cause: what is wrong and why that breaks PubSub, in one or two sentences.
        resource: the resource that is wrong.
        fix: the command or setting that mends it.
        needless: the deployment has nothing that the check could ask about, so what rests on it is run all the same.
    """

    status: Status
    detail: str | None = None
    cause: str | None = None
    resource: str | None = None
    fix: str | None = None
    needless: bool = False

    def with_options(self, options: str) -> Finding:
        """Let the AWS CLI commands of the fix go to the account and region that were looked at."""
        if not self.fix or not options:
            return self
        lines = [f"{line}{options}" if line.startswith("aws ") else line for line in self.fix.splitlines()]
        return replace(self, fix="\n".join(lines))


def passed(detail: str | None = None) -> Finding:
    """Find nothing wrong."""
    return Finding(Status.PASSED, detail=detail)


def failed(cause: str, *, resource: str, fix: str) -> Finding:
    """Find what breaks PubSub."""
    return Finding(Status.FAILED, cause=cause, resource=resource, fix=fix)


def warning(cause: str, *, resource: str, fix: str) -> Finding:
    """Find what does not break PubSub but should be looked at."""
    return Finding(Status.WARNING, cause=cause, resource=resource, fix=fix)


def skipped(cause: str) -> Finding:
    """Leave the check out, and say why."""
    return Finding(Status.SKIPPED, cause=cause)


def needless(cause: str) -> Finding:
    """Leave the check out because the deployment has nothing that it could ask about."""
    return Finding(Status.SKIPPED, cause=cause, needless=True)


class Check(ABC):
    """One question about the deployment.

    Ids are stable: reports, `--skip` and documents refer to them, and none is ever used for another check.
    """

    id: ClassVar[str]
    group: ClassVar[Group]
    title: ClassVar[str]
    rests_on: ClassVar[tuple[type[Check], ...]] = ()
    """Checks that must have passed or be needless, or this one says nothing."""

    @abstractmethod
    async def run(self, context: Context) -> Finding:
        """Answer the question, and leave in the context what later checks need.

        An AWS error may be let through: the runner reports it with its operation.
        """

    @classmethod
    def docs(cls) -> str:
        """Return where the check is documented."""
        return f"docs/checks.md#{cls.id.lower()}"
