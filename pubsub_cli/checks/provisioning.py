"""Checks that the IoT policy and the user pool's trigger exist, and that no test users are left."""

from __future__ import annotations

import json
from typing import Any

from pubsub_cli.checks.check import BlockingCheck, Group, Severity
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.cognito_updates import set_triggers
from pubsub_cli.finding import AwsCommand, Finding, PubSubCommand, failed, passed
from pubsub_cli.pool_users import StaleUser
from pubsub_client.outputs import Output
from pubsub_client.policy_document import identity_service, policy_document


class PolicyExists(BlockingCheck):
    """AWS IoT rejects signed-in users without an attached policy. `cdk deploy` does not restore a policy that was
    deleted manually.
    """

    id = "PS111"
    group = Group.PROVISIONING
    title = "the IoT policy exists"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR})

    def examine(self, context: Context) -> Finding:
        name = context.output(Output.POLICY_NAME)
        iot = context.aws.iot
        try:
            policy = iot.get_policy(policyName=name)
        except iot.exceptions.ResourceNotFoundException:
            # The document of the stack, or of Amplify's guide. Not safe with a given name, because that can be wrong.
            document = json.dumps(deployed_document(context), separators=(",", ":"))
            parameters, of_stack = {"policyName": name, "policyDocument": document}, context.deployment_ids is None
            create = AwsCommand("iot", "CreatePolicy", parameters, safe=of_stack)
            attach_again = PubSubCommand(("sweep", "--stack", context.stack, "--full"), safe=True)
            other_name = "" if of_stack else ", unless the policy has another name: give it with --policy-name"
            return failed(
                f"The IoT policy {name} does not exist, so AWS IoT rejects every connection{other_name}.",
                resource=name,
                fix=[create, attach_again] if of_stack else create,
            )
        return passed(f"{name}, version {policy['defaultVersionId']}")


class TriggerIsConfigured(BlockingCheck):
    """Another deployment or a change in the console can remove the trigger. Sign-ins then succeed, but new users do not
    get the policy.
    """

    id = "PS112"
    group = Group.PROVISIONING
    title = "the user pool's PostAuthentication trigger is configured"
    depends_on = (OutputsAreComplete,)
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        pool_id = context.output(Output.USER_POOL_ID)
        function_name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
        user_pools = context.aws.user_pools
        pool = user_pools.describe_user_pool(UserPoolId=pool_id)["UserPool"]
        triggers = pool.get("LambdaConfig", {})
        arn = triggers.get("PostAuthentication", "")
        if arn and "PostAuthentication" in context.chained_triggers:
            return passed(f"{arn.rpartition(':')[2]}, which invokes {function_name}")
        if arn.rpartition(":")[2] == function_name:
            return passed(function_name)
        deployed = f"{context.arn_prefix('lambda')}:function:{function_name}"
        return failed(
            f"The user pool's PostAuthentication trigger is {arn or 'not set'}; it must be "
            f"{function_name}. Sign-ins do not attach the policy.",
            resource=pool_id,
            fix=set_triggers(user_pools, pool, {"PostAuthentication": deployed}),
        )


class NoTestUsersAreLeft(BlockingCheck):
    """A run that was killed cannot remove its test users. The check ignores those that are less than an hour old."""

    id = "PS113"
    group = Group.PROVISIONING
    title = "no test users are left from earlier runs"
    depends_on = (OutputsAreComplete,)
    severity = Severity.WARNING

    def examine(self, context: Context) -> Finding:
        users = context.users.find_stale()
        if not users:
            return passed()
        return failed(
            f"Test users of earlier runs remain in the user pool: {', '.join(each.name for each in users)}.",
            resource=context.output(Output.USER_POOL_ID),
            fix=[command for user in users for command in _remove(context, user)],
        )


def deployed_document(context: Context) -> dict[str, Any]:
    """Return the IoT policy's document as the stack deploys it."""
    own = identity_service(context.output(Output.REGION)) if context.own_topics else None
    return policy_document(context.arn_prefix("iot"), context.topics, own=own)


def _remove(context: Context, user: StaleUser) -> list[AwsCommand]:
    """Return the commands that remove a user and its identity. The user is last because it has the marker."""
    policy, pool = context.output(Output.POLICY_NAME), context.output(Output.USER_POOL_ID)
    commands = [AwsCommand("cognito-idp", "AdminDeleteUser", {"UserPoolId": pool, "Username": user.name})]
    if user.marker:
        identity_id = user.marker.identity_id
        commands = [
            AwsCommand("iot", "DetachPolicy", {"policyName": policy, "target": identity_id}),
            AwsCommand("cognito-identity", "DeleteIdentities", {"IdentityIdsToDelete": [identity_id]}),
            *commands,
        ]
    return commands
