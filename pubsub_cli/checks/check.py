"""The definition of a check, and the run of several checks."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Protocol

from pubsub_cli.aws_errors import AWS_ERRORS, explain
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Finding, Status, failed, not_applicable, skipped
from pubsub_client.exceptions import PubSubError


class Group(StrEnum):
    """The area that a check examines."""

    CONFIGURATION = "configuration"
    NETWORK = "network"
    PROVISIONING = "provisioning"
    SIGN_IN = "sign-in"
    IDENTITY = "identity"
    AUTHORIZATION = "authorization"
    CONNECTION = "connection"
    REJECTIONS = "rejections"
    SELF_ATTACH = "self-attach"
    OPERATIONS = "operations"


class Severity(StrEnum):
    """How a failed check is reported."""

    ERROR = "error"
    """Users cannot use PubSub, or soon will not be able to."""
    WARNING = "warning"
    """PubSub works, but an operator should act."""


class Check(ABC):
    """One check of a deployment: its data, and the method that runs it.

    Reports, ``--skip`` and the documentation refer to ids, so an id never changes and is never reused. The docstring of
    a check becomes its section in the documentation.
    """

    id: ClassVar[str]
    group: ClassVar[Group]
    title: ClassVar[str]
    """A thing and the state that it should have."""
    depends_on: ClassVar[tuple[type[Check], ...]] = ()
    """The check runs only if each of these passed or does not apply."""
    requirements: ClassVar[frozenset[Requirement]] = frozenset({Requirement.OPERATOR, Requirement.STACK})
    """The check does not apply to a run that lacks one of these."""
    requires_trigger: ClassVar[bool] = False
    """The check does not apply with the setting `attachment: self-attach`."""
    severity: ClassVar[Severity] = Severity.ERROR
    retries: ClassVar[bool] = False
    """Whether the check retries until the timeout of a run that waits, because changes take time to act."""

    @abstractmethod
    async def run(self, context: Context) -> Finding:
        """Run the check, and set the fields of the context that later checks read.

        It may raise AWS errors; the run reports them as findings.
        """

    @classmethod
    def docs(cls) -> str:
        """Return the command that prints the check's documentation."""
        return f"pubsub explain {cls.id}"


class BlockingCheck(Check):
    """A check that makes only blocking calls, such as those of boto3."""

    @abstractmethod
    def examine(self, context: Context) -> Finding:
        """Run the check in a thread; see :meth:`Check.run`."""

    async def run(self, context: Context) -> Finding:
        """Call :meth:`examine` in a thread."""
        return await asyncio.to_thread(self.examine, context)


@dataclass(frozen=True)
class Result:
    """A check's finding and its duration in seconds."""

    check: type[Check]
    finding: Finding
    seconds: float


class Observer(Protocol):
    """Shows the progress of a run."""

    def started(self, check: type[Check]) -> None:
        """A check starts."""

    def ended(self, result: Result) -> None:
        """A check has ended."""


async def run_checks(
    checks: Sequence[type[Check]], context: Context, observer: Observer, *, skip: Collection[str] = ()
) -> list[Result]:
    """Run checks in the given order. An error in a check becomes its finding and does not end the run.

    A check is skipped if a check that it depends on did not pass, if the run lacks a requirement, or if ``skip`` has
    its id.

    Raises:
        PreconditionError: the run cannot continue: credentials, the region or the stack are missing.
    """
    results: dict[type[Check], Result] = {}
    for check in checks:
        observer.started(check)
        started = time.monotonic()
        blocking = next((each for each in check.depends_on if not _allows_dependents(results.get(each))), None)
        # The order of the enumeration puts the most general requirement first.
        missing = next((each for each in Requirement if each in check.requirements - context.available), None)
        if check.id in skip:
            finding = skipped("left out by --skip")
        elif missing:
            finding = not_applicable(f"needs {missing}")
        elif blocking:
            finding = skipped(f"{blocking.id} did not pass")
        elif check.requires_trigger and not context.attaches_at_sign_in:
            finding = not_applicable("attachment is self-attach")
        else:
            finding = (await _run(check, context)).with_options(context.aws.cli_options)
        results[check] = Result(check, finding, time.monotonic() - started)
        observer.ended(results[check])
    return list(results.values())


def _allows_dependents(result: Result | None) -> bool:
    """Return whether dependent checks can run. A check that is not part of the run does not block them."""
    if result is None or not result.finding.blocks:
        return True
    return result.finding.status in (Status.PASSED, Status.WARNING) or result.finding.not_applicable


async def _run(check: type[Check], context: Context) -> Finding:
    """Run a check. Its severity decides about a failure that it finds, but not about an error that it raises."""
    context.aws.clear_last_response()
    try:
        finding = await check().run(context)
    except PreconditionError:
        raise
    except PubSubError as error:
        return failed(str(error), resource=context.stack, fix=f"See `{check.docs()}`.")
    except AWS_ERRORS as error:
        return explain(error, context.aws, context.stack)
    except Exception as error:  # noqa: BLE001 - an unexpected response must not end the run
        cause = f"{context.aws.last_response or 'unexpected error'}: {type(error).__name__}: {error}"
        return failed(cause, resource=check.id, fix="Run it again with --verbose, and report the output.")
    if finding.status is Status.FAILED and check.severity is Severity.WARNING:
        return replace(finding, status=Status.WARNING)
    return finding
