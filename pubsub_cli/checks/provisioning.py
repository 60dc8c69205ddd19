"""Do the IoT policy, the identity pool's provider and the user pool's trigger exist?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from pubsub_cli.aws_errors import is_not_permitted
from pubsub_cli.checks.check import Check, Group, Severity
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.sign_in_flows import describe_client, missing_flows
from pubsub_cli.checks.stack_resources import arn_prefix
from pubsub_cli.checks.update import set_triggers_fix, update_of
from pubsub_cli.finding import AwsCommand, Finding, PubSubCommand, failed, not_applicable, passed
from pubsub_cli.pool_users import StaleUser
from pubsub_client.outputs import Output
from pubsub_client.policy_document import identity_service, policy_document

_SEVERAL = 2
_SUFFIXES = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}


class PolicyExists(Check):
    """The IoT policy for the identities exists.

    AWS IoT refuses a signed-in user without an attached policy. `cdk deploy` does not restore a policy that was deleted
    manually, because CloudFormation does not see the deletion.
    """

    id = "PS111"
    group = Group.PROVISIONING
    title = "the IoT policy exists"
    depends_on = (OutputsAreComplete,)

    async def run(self, context: Context) -> Finding:
        """Read the policy."""
        name = context.output(Output.POLICY_NAME)
        iot = context.aws.iot
        try:
            policy = await asyncio.to_thread(iot.get_policy, policyName=name)
        except iot.exceptions.ResourceNotFoundException:
            attach_again = PubSubCommand(("sweep", "--stack", context.stack, "--full"), safe=True)
            return failed(
                f"The IoT policy {name} does not exist, so it cannot be attached, and every connection is refused.",
                resource=name,
                fix=[_create_policy(context), *([] if context.deployment_ids else [attach_again])],
            )
        return passed(f"{name}, version {policy['defaultVersionId']}")


class IdentityPoolAcceptsTokens(Check):
    """The identity pool exists, and lists the front end's app client among its providers.

    It gives identities and credentials only for tokens of these app clients; others are rejected with "Token is not
    from a supported provider of this identity pool". If you give an ID token, the check examines its app client.
    """

    id = "PS115"
    group = Group.PROVISIONING
    title = "the identity pool accepts the app client's tokens"
    depends_on = (OutputsAreComplete,)

    async def run(self, context: Context) -> Finding:
        """Describe the identity pool."""
        pool_id, user_pool = context.output(Output.IDENTITY_POOL_ID), context.output(Output.USER_POOL_ID)
        identity_pools = context.aws.identity_pools
        try:
            pool = await asyncio.to_thread(identity_pools.describe_identity_pool, IdentityPoolId=pool_id)
        except identity_pools.exceptions.ResourceNotFoundException:
            return failed(
                f"The identity pool {pool_id} does not exist, so no user gets AWS credentials.",
                resource=pool_id,
                fix=[
                    "Name an existing one:",
                    AwsCommand("cognito-identity", "ListIdentityPools", {"MaxResults": 60}),
                ],
            )
        providers = pool.get("CognitoIdentityProviders", [])
        listed = [each["ClientId"] for each in providers if each["ProviderName"].endswith(f"/{user_pool}")]
        client_id = selected_client(context) or await asyncio.to_thread(_best_client, context, listed)
        front_end_client = context.outputs.setdefault(Output.USER_POOL_CLIENT_ID, client_id)
        if client_id and client_id in listed:
            return passed(f"{pool_id}, app client {client_id}")
        if not client_id:
            return failed(
                f"Identity pool {pool_id} lists no app client of user pool {user_pool}: it rejects the tokens of its "
                "users.",
                resource=pool_id,
                fix="Name the front end's app client with --user-pool-client-id to see the fix.",
            )
        provider = {
            "ProviderName": provider_name(context),
            "ClientId": client_id,
            "ServerSideTokenCheck": True,
        }
        is_front_end = client_id == front_end_client
        add = update_of(
            identity_pools,
            "UpdateIdentityPool",
            pool,
            {"CognitoIdentityProviders": [*providers, provider]},
            safe=context.deployment_ids is None and is_front_end,
        )
        other = f"Sign in with the front end's app client, {front_end_client}; or, if the other is one too, add it:"
        return failed(
            f"Identity pool {pool_id} does not list app client {client_id} among its providers: it rejects the tokens "
            "of users who sign in with it.",
            resource=pool_id,
            fix=add if is_front_end else [other, add],
        )


def provider_name(context: Context) -> str:
    """Return the user pool's provider name in the identity pool."""
    region = context.output(Output.REGION)
    suffix = _SUFFIXES.get(region.partition("-")[0], "amazonaws.com")
    return f"cognito-idp.{region}.{suffix}/{context.output(Output.USER_POOL_ID)}"


def selected_client(context: Context) -> str:
    """Return the app client of the given ID token, or else the front end's; empty if neither is known."""
    token = context.selector.id_token
    if token is not None and token.user_pool_id == context.output(Output.USER_POOL_ID):
        return token.client_id
    return context.outputs.get(Output.USER_POOL_CLIENT_ID, "")


def _best_client(context: Context, listed: Sequence[str]) -> str:
    """Return the listed app client that suits a front end best; empty if none is listed.

    Amplify Gen 1 also lists one with a secret, for mobile apps.
    """
    pool = context.output(Output.USER_POOL_ID)
    if len(listed) < _SEVERAL:
        return next(iter(listed), "")
    try:
        clients = [client for each in listed if (client := describe_client(context.aws, pool, each))]
    except ClientError as error:
        if not is_not_permitted(error):
            raise
        return listed[0]
    best = sorted(clients, key=lambda client: ("ClientSecret" in client, len(missing_flows(client))))
    return next((client["ClientId"] for client in best), listed[0])


class TriggerIsConfigured(Check):
    """The user pool invokes the function that attaches the policy.

    Another deployment, or a change in the console, can remove the PostAuthentication trigger from the user pool.
    Sign-ins still succeed, but the policy is not attached for new users. Not applicable with the setting `attachment:
    self-attach`.
    """

    id = "PS112"
    group = Group.PROVISIONING
    title = "the user pool's PostAuthentication trigger is configured"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Compare the pool's trigger with the stack's function."""
        if not context.attaches_at_sign_in:
            return not_applicable("attachment is self-attach: there is no trigger")
        pool_id = context.output(Output.USER_POOL_ID)
        function_name = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
        user_pools = context.aws.user_pools
        pool = (await asyncio.to_thread(user_pools.describe_user_pool, UserPoolId=pool_id))["UserPool"]
        triggers = pool.get("LambdaConfig", {})
        arn = triggers.get("PostAuthentication", "")
        if arn and "PostAuthentication" in context.chained_triggers:
            return passed(f"{arn.rpartition(':')[2]}, which invokes {function_name}")
        if arn.rpartition(":")[2] == function_name:
            return passed(function_name)
        deployed = f"{arn_prefix(context, 'lambda')}:function:{function_name}"
        return failed(
            f"The user pool's PostAuthentication trigger is {arn or 'not set'}, not {function_name}: "
            "sign-ins do not attach the policy.",
            resource=pool_id,
            fix=await asyncio.to_thread(set_triggers_fix, user_pools, pool, {"PostAuthentication": deployed}),
        )


class NoTestUsersAreLeft(Check):
    """No test users are left from earlier runs that were killed.

    A warning only. Users that are less than an hour old count as those of another current run.
    """

    id = "PS113"
    group = Group.PROVISIONING
    title = "no test users are left from earlier runs"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})
    severity = Severity.WARNING

    async def run(self, context: Context) -> Finding:
        """List old test users."""
        users = await asyncio.to_thread(context.users.find_stale)
        if not users:
            return passed()
        return failed(
            f"{len(users)} test user(s) of earlier runs remain: {', '.join(each.name for each in users)}.",
            resource=context.output(Output.USER_POOL_ID),
            fix=[command for user in users for command in _remove(context, user)],
        )


def deployed_document(context: Context) -> dict[str, Any]:
    """Return the IoT policy's document as the stack deploys it."""
    own = identity_service(context.output(Output.REGION)) if context.own_topics else None
    return policy_document(arn_prefix(context, "iot"), context.topics, own=own)


def _create_policy(context: Context) -> AwsCommand:
    """Return the command that creates the policy as the stack deploys it, or as in Amplify's guide."""
    document = json.dumps(deployed_document(context), separators=(",", ":"))
    name = context.output(Output.POLICY_NAME)
    # A given name can be mistyped.
    safe = context.deployment_ids is None
    return AwsCommand("iot", "CreatePolicy", {"policyName": name, "policyDocument": document}, safe=safe)


def _remove(context: Context, user: StaleUser) -> list[AwsCommand]:
    """Return the commands that remove a user and its identity, the user last because it has the marker."""
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
