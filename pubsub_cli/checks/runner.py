"""Runs checks in order. An error in a check becomes its finding, so it never ends the run."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pubsub_cli.aws_errors import AWS_ERRORS, explain
from pubsub_cli.checks.check import Check, Severity
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import Finding, Status, failed, not_applicable, skipped
from pubsub_client.exceptions import PubSubError


@dataclass(frozen=True)
class Result:
    """A check's finding and its duration in seconds."""

    check: type[Check]
    finding: Finding
    seconds: float


class Observer(Protocol):
    """Is notified of each check as it starts and ends, to show progress."""

    def started(self, check: type[Check]) -> None:
        """A check starts."""

    def ended(self, result: Result) -> None:
        """A check ended."""


async def run_checks(
    checks: Sequence[type[Check]], context: Context, observer: Observer, *, skip: Collection[str] = ()
) -> list[Result]:
    """Run the checks in the given order.

    A check is skipped if a check it depends on did not pass, if the run lacks a requirement, or if ``skip`` has its id.

    Raises:
        PreconditionError: the run cannot continue: credentials, region or the stack itself are missing.
    """
    results: dict[type[Check], Result] = {}
    for check in checks:
        observer.started(check)
        begun = time.monotonic()
        blocking = next((each for each in check.depends_on if not _allows_dependents(results.get(each))), None)
        # In the order of the enumeration: the most general requirement first.
        missing = next((each for each in Requirement if each in check.requirements - context.available), None)
        if check.id in skip:
            finding = skipped("left out by --skip")
        elif missing:
            finding = not_applicable(f"needs {missing}")
        elif blocking:
            finding = skipped(f"depends on {blocking.id}, which did not pass")
        elif check.requires_trigger and not context.attaches_at_sign_in:
            finding = not_applicable("the setting attachment is self-attach")
        else:
            finding = (await _run(check, context)).with_options(context.aws.cli_options)
        results[check] = Result(check, finding, time.monotonic() - begun)
        observer.ended(results[check])
    return list(results.values())


def _allows_dependents(result: Result | None) -> bool:
    """Return whether dependent checks can run; a check that is not part of this run does not block them."""
    return result is None or result.finding.status in (Status.PASSED, Status.WARNING) or result.finding.not_applicable


async def _run(check: type[Check], context: Context) -> Finding:
    """Run a check. An error is never a mere warning, whatever the check's severity."""
    context.aws.clear_last_response()
    try:
        finding = await check().run(context)
    except PreconditionError:
        raise
    except PubSubError as error:
        return failed(str(error), resource=context.stack, fix=f"See {check.docs()}.")
    except AWS_ERRORS as error:
        return explain(error, context.aws, context.stack)
    except Exception as error:  # noqa: BLE001 - an unexpected response is a finding too, and does not end the run
        cause = f"{context.aws.last_response or 'unexpected error'}: {type(error).__name__}: {error}"
        return failed(cause, resource=check.id, fix="Run it again with --verbose, and report it.")
    if finding.status is Status.FAILED and check.severity is Severity.WARNING:
        return replace(finding, status=Status.WARNING)
    return finding
