"""Runs checks in order and never stops at an error: whatever happens in a check becomes its finding."""

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
    """One check's finding, and how long it took in seconds."""

    check: type[Check]
    finding: Finding
    seconds: float


class Observer(Protocol):
    """Told of each check as it starts and ends, to show progress."""

    def started(self, check: type[Check]) -> None:
        """A check begins."""

    def ended(self, result: Result) -> None:
        """A check ended."""


async def run_checks(
    checks: Sequence[type[Check]], context: Context, observer: Observer, *, skip: Collection[str] = ()
) -> list[Result]:
    """Run the checks in the given order.

    One whose ground did not hold, that needs what the run has not, or that ``skip`` names by id, is skipped.

    Raises:
        PreconditionError: the run cannot go on: credentials, region or the stack itself are missing.
    """
    results: dict[type[Check], Result] = {}
    for check in checks:
        observer.started(check)
        begun = time.monotonic()
        ground = next((each for each in check.depends_on if not _holds(results.get(each))), None)
        # In the order in which needs are told: what is wanting most.
        need = next((each for each in Requirement if each in check.needs - context.has), None)
        if check.id in skip:
            finding = skipped("left out by --skip")
        elif need:
            finding = not_applicable(f"needs {need}")
        elif ground:
            finding = skipped(f"rests on {ground.id}, which did not pass")
        else:
            finding = (await _run(check, context)).with_options(context.aws.cli_options)
        results[check] = Result(check, finding, time.monotonic() - begun)
        observer.ended(results[check])
    return list(results.values())


def _holds(result: Result | None) -> bool:
    """Tell whether what a check rests on did not fail; what is not listed in this run did not."""
    return result is None or result.finding.status in (Status.PASSED, Status.WARNING) or result.finding.not_applicable


async def _run(check: type[Check], context: Context) -> Finding:
    """Run a check; one that could not be made is not a warning, however bad what it looks for may be."""
    context.aws.forget_answer()
    try:
        finding = await check().run(context)
    except PreconditionError:
        raise
    except PubSubError as error:
        return failed(str(error), resource=context.stack, fix=f"See {check.docs()}.")
    except AWS_ERRORS as error:
        return explain(error, context.aws, context.stack)
    except Exception as error:  # noqa: BLE001 - an answer nobody expected is a finding too, and ends no run
        cause = f"{context.aws.last_answer or 'unexpectedly'}: {type(error).__name__}: {error}"
        return failed(cause, resource=check.id, fix="Run it again with --verbose, and report it.")
    if finding.status is Status.FAILED and check.severity is Severity.WARNING:
        return replace(finding, status=Status.WARNING)
    return finding
