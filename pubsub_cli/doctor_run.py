"""What `pubsub doctor` checks, as often as it checks it: before and after the fixes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated

import typer

from pubsub_cli.aws import Aws
from pubsub_cli.check_run import CheckRun, show_check_run
from pubsub_cli.checks.catalogue import CHECKS, REPORTED_BY_DOCTOR, select_checks, with_dependencies
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig, IdToken, Requirement, UserSelector
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import PubSubCommand
from pubsub_cli.run_options import RunOptions

_IDS = "A deployment that is not a stack of this toolkit"


@dataclass(frozen=True)
class DoctorRun:
    """The input of the doctor.

    Args:
        aws: the operator's clients.
        stack: the stack's name.
        timeout: seconds to wait for slow changes.
        selector: the user or identity to check.
        front_end: what the front end does.
        ids: the deployment, if it is not a stack.
        as_operator: whether the operator's credentials are used.
        only: the ids of the only checks to run, with those they depend on.
    """

    aws: Aws
    stack: str
    timeout: float
    selector: UserSelector
    front_end: FrontEndConfig
    ids: DeploymentIds | None
    as_operator: bool
    only: tuple[str, ...]

    def run(self, run: RunOptions) -> CheckRun:
        """Run the checks."""
        reported = REPORTED_BY_DOCTOR if self.as_operator else REPORTED_BY_DOCTOR - {Requirement.OPERATOR}
        return show_check_run(run, self._context, lambda context: select_checks(context.available, reported, self.only))

    def operator_checks(self, checked: CheckRun) -> tuple[Sequence[type[Check]], str] | None:
        """Return the checks behind the first failure that only an operator can run, and the command; None if none."""
        if self.as_operator or not checked.bad:
            return None
        dependencies = with_dependencies({checked.bad[0].check})
        unseen = [check for check in CHECKS if check in dependencies and Requirement.OPERATOR in check.requirements]
        if not unseen:
            return None
        identity_id = next(
            (each.finding.detail for each in checked.results if each.check.id == "PS201" and each.finding.detail), None
        )
        selector = ("--identity-id", identity_id) if identity_id else ("--user", str(self.selector.user_name))
        return unseen, str(PubSubCommand(("doctor", *selector, *(self.ids.options() if self.ids else ()))))

    def _context(self, cleanup: AsyncExitStack) -> Context:
        return Context(
            aws=self.aws,
            stack=self.stack,
            timeout=self.timeout,
            cleanup=cleanup,
            as_operator=self.as_operator,
            allow_probes=False,
            selector=self.selector,
            front_end=self.front_end,
            deployment_ids=self.ids,
            rerun_command=shlex.join(("pubsub", *sys.argv[1:])),
        )


@dataclass(frozen=True)
class DeploymentIdOptions:
    """The options for a deployment that is not a stack of this toolkit."""

    user_pool_id: Annotated[str | None, typer.Option(help="The user pool.", rich_help_panel=_IDS)] = None
    user_pool_client_id: Annotated[
        str | None, typer.Option(help="The front end's app client.", rich_help_panel=_IDS)
    ] = None
    identity_pool_id: Annotated[str | None, typer.Option(help="The identity pool.", rich_help_panel=_IDS)] = None
    endpoint: Annotated[
        str | None,
        typer.Option(help="The AWS IoT endpoint the front end is configured with.", rich_help_panel=_IDS),
    ] = None
    policy_name: Annotated[
        str | None, typer.Option(help="The IoT policy that its users need.", rich_help_panel=_IDS)
    ] = None

    def deployment_ids(self, region: str | None, token: IdToken | None, *, as_operator: bool) -> DeploymentIds | None:
        """Return the deployment that the options describe; None if it is a stack.

        Raises:
            typer.BadParameter: some of the ids are missing.
            PreconditionError: there are no credentials to read the stack, or to check the deployment.
        """
        if not any(vars(self).values()):
            if not as_operator:
                raise PreconditionError(
                    "there are no AWS credentials: give them by --profile or the environment; or, to check as the "
                    "front end's user, give --id-token, --identity-pool-id, --endpoint and --region"
                )
            return None
        user_pool_id = self.user_pool_id or (token.user_pool_id if token else None)
        required = {
            "--region": region,
            "--user-pool-id": user_pool_id,
            "--identity-pool-id": self.identity_pool_id,
            "--endpoint": self.endpoint,
        }
        if as_operator:
            required["--policy-name"] = self.policy_name
        if missing := [name for name, value in required.items() if not value]:
            raise typer.BadParameter(f"a deployment that is not a stack also needs {', '.join(missing)}")
        if not as_operator and token is None:
            raise PreconditionError("there are no AWS credentials: give them, or --id-token of a front end's user")
        client_id = self.user_pool_client_id or (token.client_id if token else None)
        return DeploymentIds(
            str(region), str(user_pool_id), str(self.identity_pool_id), str(self.endpoint), self.policy_name, client_id
        )
