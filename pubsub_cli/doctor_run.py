"""The deployment that `pubsub doctor` checks by its ids, and what it leaves to an operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from pubsub_cli.check_run import CheckRun
from pubsub_cli.checks.catalogue import CHECKS, with_dependencies
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.options import DeploymentIds, IdToken, Requirement, UserSelector
from pubsub_cli.errors import PreconditionError
from pubsub_cli.finding import PubSubCommand

_IDS = "A deployment that is not a stack of this toolkit"


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


def operator_checks(
    checked: CheckRun, selector: UserSelector, ids: DeploymentIds | None
) -> tuple[list[type[Check]], str] | None:
    """Return the checks behind the first failure that need an operator, and the operator's command; None if none do."""
    if not checked.bad:
        return None
    dependencies = with_dependencies({checked.bad[0].check})
    unseen = [check for check in CHECKS if check in dependencies and Requirement.OPERATOR in check.requirements]
    if not unseen:
        return None
    identity_id = next(
        (each.finding.detail for each in checked.results if each.check.id == "PS201" and each.finding.detail), None
    )
    who = ("--identity-id", identity_id) if identity_id else ("--user", str(selector.user_name))
    return unseen, str(PubSubCommand(("doctor", *who, *(ids.options() if ids else ()))))
