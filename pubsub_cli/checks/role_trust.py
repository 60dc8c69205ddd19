"""Do the roles of signed-in users trust the identity pool?"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context, RoleInUse
from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.finding import AwsCommand, Finding, failed, passed
from pubsub_cli.iam.request import signed_in_context
from pubsub_cli.iam.roles import role_name, trust_policy, why_not_trusted
from pubsub_client.outputs import Output


class RoleTrustsThePool(Check):
    """The role that signed-in users get trusts this identity pool, and its signed-in users.

    A role's trust policy names Cognito's service, the identity pool (`aud`), and whether its users have signed in
    (`amr`). Where it names another pool or guests, the identity pool gives no credentials of the role.
    """

    id = "PS305"
    group = Group.AUTHORIZATION
    title = "the role trusts the identity pool's signed-in users"
    depends_on = (MappingGivesARole,)

    async def run(self, context: Context) -> Finding:
        """Read the trust policies of the roles."""
        for role in context.roles:
            if finding := await asyncio.to_thread(_look, context, role):
                return finding
        return passed(", ".join(role_name(role.arn) for role in context.roles))


def _look(context: Context, role: RoleInUse) -> Finding | None:
    name, region = role_name(role.arn), context.output(Output.REGION)
    pool_id = context.output(Output.IDENTITY_POOL_ID)
    document: Any = context.aws.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    user_pool_id = context.output(Output.USER_POOL_ID)
    users = signed_in_context(region, pool_id, user_pool_id=user_pool_id, identity_id=context.known_identity_id)
    why = why_not_trusted(document, region, users)
    if why is None:
        return None
    right = json.dumps(trust_policy(region, pool_id), separators=(",", ":"))
    return failed(
        f"{role.who} ({name}) does not trust the signed-in users of identity pool {pool_id}: its trust policy {why}. "
        "So the identity pool gives no AWS credentials, and no request to AWS IoT can be signed.",
        resource=role.arn,
        # Other roles can trust more than this identity pool.
        fix=AwsCommand("iam", "UpdateAssumeRolePolicy", {"RoleName": name, "PolicyDocument": right}, safe=True)
        if role.arn == context.outputs.get(Output.AUTH_ROLE_ARN)
        else f"Let the trust policy of {name} contain this statement, and none that denies it: {right}",
    )
