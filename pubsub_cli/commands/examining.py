"""What the doctor asks, as often as it asks: before a fix and after it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from pubsub_cli.aws import Aws
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig, Requirement, UserSelector
from pubsub_cli.commands.checking import Checking, Run
from pubsub_cli.finding import PubSubCommand


@dataclass(frozen=True)
class LeftToAnOperator:
    """What only an operator can see, and how."""

    checks: Sequence[type[Check]]
    command: str

    @property
    def lines(self) -> list[str]:
        """The same for people."""
        return [
            "As the front end's user no more can be told. An operator must look at:",
            *(f"  {check.id}  {check.title}" for check in self.checks),
            f"by: {self.command}",
        ]

    @property
    def members(self) -> dict[str, Any]:
        """The same for programs."""
        return {"checks": [{"id": each.id, "title": each.title} for each in self.checks], "command": self.command}


@dataclass(frozen=True)
class Examination:
    """What is asked, as often as it is asked."""

    aws: Aws
    stack: str
    timeout: float
    selector: UserSelector
    front_end: FrontEndConfig
    deployment_ids: DeploymentIds | None
    as_operator: bool
    only: tuple[str, ...]

    @property
    def name(self) -> str:
        """What stands for the deployment in reports."""
        return self.deployment_ids.identity_pool_id if self.deployment_ids else self.stack

    def run(self, checking: Checking) -> Run:
        """Run the checks."""
        from pubsub_cli.checks.catalogue import REPORTED_BY_DOCTOR, select_checks

        tells = REPORTED_BY_DOCTOR if self.as_operator else REPORTED_BY_DOCTOR - {Requirement.OPERATOR}
        return checking.run(self._context, lambda context: select_checks(context.available, tells, self.only))

    def left_to_an_operator(self, run: Run) -> LeftToAnOperator | None:
        """Return what the first failure may come from that only an operator sees; None if there is nothing."""
        from pubsub_cli.checks.catalogue import CHECKS, with_dependencies

        if self.as_operator or not run.bad:
            return None
        grounds = with_dependencies({run.bad[0].check})
        unseen = [check for check in CHECKS if check in grounds and Requirement.OPERATOR in check.requirements]
        identity_id = next(
            (each.finding.detail for each in run.results if each.check.id == "PS201" and each.finding.detail), None
        )
        whom = ("--identity-id", identity_id) if identity_id else ("--user", str(self.selector.user_name))
        command = str(PubSubCommand(("doctor", *whom, *(self.deployment_ids.options() if self.deployment_ids else ()))))
        return LeftToAnOperator(unseen, command) if unseen else None

    def _context(self, cleanup: AsyncExitStack) -> Context:
        from pubsub_cli.checks.context import Context

        return Context(
            aws=self.aws,
            stack=self.stack,
            timeout=self.timeout,
            cleanup=cleanup,
            as_operator=self.as_operator,
            allow_probes=False,
            selector=self.selector,
            front_end=self.front_end,
            deployment_ids=self.deployment_ids,
            rerun_command=shlex.join(("pubsub", *sys.argv[1:])),
        )
