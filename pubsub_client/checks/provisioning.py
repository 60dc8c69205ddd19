"""Are the parts of the chain there and wired to each other?"""

from __future__ import annotations

import asyncio
import json
import shlex
from typing import TYPE_CHECKING

from pubsub_client.checks.check import Check, Finding, Group, failed, needless, passed, warning
from pubsub_client.checks.configuration import OutputsAreComplete
from pubsub_client.outputs import Output
from pubsub_client.policy_document import policy_document

if TYPE_CHECKING:
    from pubsub_client.checks.context import Context
    from pubsub_client.checks.probe_users import LeftOver


class PolicyExists(Check):
    """The IoT policy that identities are to get is there.

    AWS IoT refuses a signed-in user without an attached policy. A policy deleted by hand does not come back with
    `cdk deploy`, because CloudFormation does not see that it is gone.
    """

    id = "PS111"
    group = Group.PROVISIONING
    title = "the IoT policy exists"
    rests_on = (OutputsAreComplete,)

    async def run(self, context: Context) -> Finding:
        """Ask AWS IoT for the policy."""
        name = context.output(Output.POLICY_NAME)
        iot = context.aws.iot
        try:
            policy = await asyncio.to_thread(iot.get_policy, policyName=name)
        except iot.exceptions.ResourceNotFoundException:
            again = (
                "then raise markerGeneration in cdk.json and run cdk deploy, so that users attached before are again"
            )
            return failed(
                f"The IoT policy {name} does not exist, so nothing can be attached and every connection is refused.",
                resource=name,
                fix="\n".join([_create_policy(context), *([again] if context.attaches_at_sign_in else [])]),
            )
        return passed(f"{name}, version {policy['defaultVersionId']}")


class TriggerIsWired(Check):
    """The user pool calls the function that attaches the policy.

    Another deployment, or a change in the console, can take the PostAuthentication trigger off the user pool; sign-ins
    go on without a word, and no new user is attached. Needless where the setting `attachment` is `self-attach`.
    """

    id = "PS112"
    group = Group.PROVISIONING
    title = "the user pool's PostAuthentication trigger is wired"
    rests_on = (OutputsAreComplete,)

    async def run(self, context: Context) -> Finding:
        """Compare the pool's trigger with the stack's function."""
        if not context.attaches_at_sign_in:
            return needless("attachment is self-attach: there is no trigger")
        pool_id = context.output(Output.USER_POOL_ID)
        function_name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
        answer = await asyncio.to_thread(context.aws.user_pools.describe_user_pool, UserPoolId=pool_id)
        arn = answer["UserPool"].get("LambdaConfig", {}).get("PostAuthentication", "")
        if arn.rpartition(":")[2] == function_name:
            return passed(function_name)
        return failed(
            f"The user pool's PostAuthentication trigger is {arn or 'not set'}, not {function_name}: "
            "signing in attaches no policy.",
            resource=pool_id,
            fix=f"Set the PostAuthentication trigger of user pool {pool_id} to {function_name} "
            "(Cognito console, Extensions); `cdk deploy` alone does not see what was changed by hand",
        )


class NothingIsLeftOver(Check):
    """No earlier run of these checks was killed before it could remove its users.

    A warning only. Users of a run that is less than an hour old are taken for those of another run going on now.
    """

    id = "PS113"
    group = Group.PROVISIONING
    title = "no users are left over from an earlier run"
    rests_on = (OutputsAreComplete,)

    async def run(self, context: Context) -> Finding:
        """Look for old users of a smoke test."""
        users = await asyncio.to_thread(context.users.left_over)
        if not users:
            return passed()
        return warning(
            f"A killed smoke test has left {len(users)} user(s) behind: {', '.join(each.name for each in users)}.",
            resource=context.output(Output.USER_POOL_ID),
            fix="\n".join(command for user in users for command in _remove(context, user)),
        )


def _create_policy(context: Context) -> str:
    """Return the command that makes the policy as the stack had made it."""
    _, partition, _, _, account, _ = context.output(Output.AUTH_ROLE_ARN).split(":", 5)
    prefix = f"arn:{partition}:iot:{context.output(Output.REGION)}:{account}"
    document = json.dumps(policy_document(prefix, context.topics), separators=(",", ":"))
    name = context.output(Output.POLICY_NAME)
    return f"aws iot create-policy --policy-name {name} --policy-document '{document}'"


def _remove(context: Context, user: LeftOver) -> list[str]:
    """Return the commands that remove every trace of a user, the marker's user last."""
    policy, pool = context.output(Output.POLICY_NAME), context.output(Output.USER_POOL_ID)
    commands = [f"aws cognito-idp admin-delete-user --user-pool-id {pool} --username {shlex.quote(user.name)}"]
    if user.marker:
        commands = [
            f"aws iot detach-policy --policy-name {policy} --target {user.marker.identity_id}",
            f"aws cognito-identity delete-identities --identity-ids-to-delete {user.marker.identity_id}",
            *commands,
        ]
    return commands
