"""What a check is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import ClassVar

from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.finding import Finding


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


class Severity(StrEnum):
    """What it means if something is wrong."""

    ERROR = "error"
    """Somebody is refused, or will be."""
    WARNING = "warning"
    """PubSub works, and somebody should look all the same."""


class Check(ABC):
    """One question about the deployment.

    Ids are stable: reports, `--skip` and documents refer to them, and none is ever used for another check.
    """

    id: ClassVar[str]
    group: ClassVar[Group]
    title: ClassVar[str]
    depends_on: ClassVar[tuple[type[Check], ...]] = ()
    """Checks that must have passed or be not_applicable, or this one says nothing."""
    needs: ClassVar[frozenset[Requirement]] = frozenset({Requirement.OPERATOR})
    """What the run must have; without it this check is not_applicable."""
    severity: ClassVar[Severity] = Severity.ERROR
    """What it means if it fails."""
    retry_deadline: ClassVar[float] = 0.0
    """Seconds for which it may look again, in a run that waits; what it asks about may take its time to act."""

    @abstractmethod
    async def run(self, context: Context) -> Finding:
        """Answer the question, and leave in the context what later checks need.

        An AWS error may be let through: the runner reports it with its operation.
        """

    @classmethod
    def docs(cls) -> str:
        """Return where the check is documented."""
        return f"docs/checks.md#{cls.id.lower()}"
