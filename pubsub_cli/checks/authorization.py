"""Does the identity pool give the user AWS credentials?"""

from __future__ import annotations

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.identity import SIGN_IN_AGAIN, IdentityIsGiven
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.roles import RoleTrustsThePool
from pubsub_cli.finding import Finding, failed, passed
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import Output


class CredentialsAreGiven(Check):
    """The identity pool gives the identity AWS credentials of the role.

    It rejects the request if the role does not trust the identity pool. An identity pool that checks tokens also
    rejects those of users who were signed out everywhere, disabled or deleted.
    """

    id = "PS302"
    group = Group.AUTHORIZATION
    title = "the identity pool gives the user AWS credentials"
    depends_on = (IdentityIsGiven, RoleTrustsThePool)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        """Call GetCredentialsForIdentity with the ID token."""
        try:
            credentials = await context.session.credentials()
        except SessionError as error:
            return failed(
                f"The identity pool gives the user no AWS credentials: {error}",
                resource=context.output(Output.IDENTITY_POOL_ID),
                fix=SIGN_IN_AGAIN,
            )
        end = credentials.expiration
        return passed(f"until {end:%H:%M:%S %Z}" if end else "without an expiration")
