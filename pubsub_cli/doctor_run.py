"""What `pubsub doctor` checks, as often as it checks it: before and after the fixes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

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


def deployment_ids(
    *,
    region: str | None,
    user_pool_id: str | None,
    user_pool_client_id: str | None,
    identity_pool_id: str | None,
    endpoint: str | None,
    policy_name: str | None,
    token: IdToken | None,
    as_operator: bool,
) -> DeploymentIds | None:
    """Return the deployment that the options describe by its ids; None if it is a stack.

    Raises:
        typer.BadParameter: some of the ids are missing.
        PreconditionError: there are no credentials to read the stack, or to check the deployment.
    """
    if not any((user_pool_id, user_pool_client_id, identity_pool_id, endpoint, policy_name)):
        if not as_operator:
            raise PreconditionError(
                "there are no AWS credentials: give them by --profile or the environment; or, to check as the front "
                "end's user, give --id-token, --identity-pool-id, --endpoint and --region"
            )
        return None
    user_pool_id = user_pool_id or (token.user_pool_id if token else None)
    required = {
        "--region": region,
        "--user-pool-id": user_pool_id,
        "--identity-pool-id": identity_pool_id,
        "--endpoint": endpoint,
    }
    if as_operator:
        required["--policy-name"] = policy_name
    if missing := [name for name, value in required.items() if not value]:
        raise typer.BadParameter(f"a deployment that is not a stack also needs {', '.join(missing)}")
    if not as_operator and token is None:
        raise PreconditionError("there are no AWS credentials: give them, or check as the front end's user: --id-token")
    client_id = user_pool_client_id or (token.client_id if token else None)
    return DeploymentIds(str(region), str(user_pool_id), str(identity_pool_id), str(endpoint), policy_name, client_id)
