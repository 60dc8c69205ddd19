"""Is there a deployment, and is it known what a front end needs?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.stack import missing_outputs, read_outputs
from pubsub_cli.finding import Finding, failed, passed
from pubsub_client.outputs import Output


class OutputsAreComplete(Check):
    """The stack has every output of the contract, or the ids of the deployment are given.

    Without them neither this client nor a front end knows which pools and which endpoint to use. They are missing when
    the stack was deployed by an older version.
    """

    id = "PS101"
    group = Group.CONFIGURATION
    title = "the stack's outputs are complete"
    requirements = frozenset()

    async def run(self, context: Context) -> Finding:
        """Read the outputs.

        Raises:
            PreconditionError: there is no such stack, or AWS cannot be reached.
        """
        if context.deployment_ids:
            context.set_outputs(context.deployment_ids.outputs())
            return passed(f"{context.deployment_ids.endpoint}, given by ids")
        outputs = await asyncio.to_thread(read_outputs, context.aws, context.stack)
        missing = missing_outputs(outputs)
        if missing:
            return failed(
                f"The stack does not have the outputs {', '.join(missing)}, which the client needs.",
                resource=context.stack,
                fix="Deploy it again with this version: cdk deploy",
            )
        context.set_outputs(outputs)
        return passed(outputs[Output.PUBSUB_ENDPOINT])


class TokenIsGood(Check):
    """The ID token that was given is of the deployment's user pool, and has not expired.

    The identity pool takes no other; whether it takes those of the token's app client is PS115's question. A front end
    renews it with its refresh token; one that does not, or whose refresh token has ended, is disconnected with its AWS
    credentials.
    """

    id = "PS106"
    group = Group.CONFIGURATION
    title = "the ID token is valid for this user pool"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.GIVEN_TOKEN})

    async def run(self, context: Context) -> Finding:
        """Read its claims."""
        token, pool = context.selector.id_token, context.output(Output.USER_POOL_ID)
        if token is None:
            raise TypeError("needs an ID token")
        if token.user_pool_id != pool:
            return failed(
                f"The ID token is of user pool {token.user_pool_id}, not {pool}: the identity pool refuses it.",
                resource=token.user_pool_id,
                fix="Give an ID token that this deployment's front end got, or that deployment's stack or ids.",
            )
        ends = datetime.fromtimestamp(int(token.claims["exp"]), UTC)
        if ends <= datetime.now(UTC):
            return failed(
                f"The ID token has expired, {ends:%Y-%m-%d %H:%M:%S %Z}: the identity pool refuses it, and gives no "
                "new AWS credentials for it.",
                resource=token.user_name,
                fix="Let the user sign in again, or the front end renew its session "
                "(fetchAuthSession({ forceRefresh: true }) in Amplify), and give the new token.",
            )
        return passed(f"until {ends:%H:%M:%S %Z}, of app client {token.client_id}")
