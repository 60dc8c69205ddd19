"""The definition of a check."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import ClassVar

from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.finding import Finding


class Group(StrEnum):
    """The part of the chain that a check examines."""

    CONFIGURATION = "configuration"
    PROVISIONING = "provisioning"
    SIGN_IN = "sign-in"
    IDENTITY = "identity"
    AUTHORIZATION = "authorization"
    CONNECTION = "connection"
    MESSAGES = "messages"
    OPERATIONS = "operations"


class Severity(StrEnum):
    """What a failure means."""

    ERROR = "error"
    """Users are refused, or will be."""
    WARNING = "warning"
    """PubSub works, but an operator should act."""


class Check(ABC):
    """One check of a deployment: data, and the function that runs it.

    Ids are stable and never reused: reports, `--skip` and documents refer to them. The docstring is its documentation.
    """

    id: ClassVar[str]
    group: ClassVar[Group]
    title: ClassVar[str]
    """The thing and the state that it should have."""
    depends_on: ClassVar[tuple[type[Check], ...]] = ()
    """Checks that must have passed or be not applicable before this one runs."""
    requirements: ClassVar[frozenset[Requirement]] = frozenset({Requirement.OPERATOR})
    """What the run must have; otherwise this check is not applicable."""
    requires_trigger: ClassVar[bool] = False
    """Whether it is not applicable with the setting `attachment: self-attach`."""
    severity: ClassVar[Severity] = Severity.ERROR
    retry_seconds: ClassVar[float] = 0.0
    """How long it retries in a run that waits, because a change takes time to act."""

    @abstractmethod
    async def run(self, context: Context) -> Finding:
        """Run the check, and set in the context what later checks use.

        An AWS error may be raised: the runner reports it with its operation.
        """

    @classmethod
    def docs(cls) -> str:
        """Return where the check is documented."""
        return f"docs/checks.md#{cls.id.lower()}"


class BlockingCheck(Check):
    """A check that only makes blocking calls, such as those of boto3."""

    @abstractmethod
    def examine(self, context: Context) -> Finding:
        """Run the check in a thread; see :meth:`Check.run`."""

    async def run(self, context: Context) -> Finding:
        """Run :meth:`examine` in a thread."""
        return await asyncio.to_thread(self.examine, context)
