"""Are the parts of the chain there and wired to each other?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from pubsub_cli.aws_errors import is_not_permitted
from pubsub_cli.checks.arn import arn_prefix
from pubsub_cli.checks.check import Check, Group, Severity
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.sign_in_flows import describe_client, missing_flows
from pubsub_cli.checks.update import rewiring, update_of
from pubsub_cli.finding import AwsCommand, Finding, PubSubCommand, failed, not_applicable, passed
from pubsub_cli.pool_users import StaleUser
from pubsub_client.outputs import Output
from pubsub_client.policy_document import identity_service, policy_document

_SEVERAL = 2
_SUFFIXES = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}


class PolicyExists(Check):
    """The IoT policy that identities are to get is there.

    AWS IoT refuses a signed-in user without an attached policy. A policy deleted by hand does not come back with
    `cdk deploy`, because CloudFormation does not see that it is gone.
    """

    id = "PS111"
    group = Group.PROVISIONING
    title = "the IoT policy exists"
    depends_on = (OutputsAreComplete,)

    async def run(self, context: Context) -> Finding:
        """Ask AWS IoT for the policy."""
        name = context.output(Output.POLICY_NAME)
        iot = context.aws.iot
        try:
            policy = await asyncio.to_thread(iot.get_policy, policyName=name)
        except iot.exceptions.ResourceNotFoundException:
            attach_again = PubSubCommand(("sweep", "--stack", context.stack, "--full"), safe=True)
            return failed(
                f"The IoT policy {name} does not exist, so nothing can be attached and every connection is refused.",
                resource=name,
                fix=[_create_policy(context), *([] if context.deployment_ids else [attach_again])],
            )
        return passed(f"{name}, version {policy['defaultVersionId']}")


class IdentityPoolTakesTokens(Check):
    """The identity pool is there, and lists the front end's app client among its providers.

    It gives identities and credentials for the tokens of those app clients only; for any other it refuses with "Token
    is not from a supported provider of this identity pool". Where an ID token is given, its app client is asked about.
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
                f"There is no identity pool {pool_id}, so no user gets AWS credentials.",
                resource=pool_id,
                fix=[
                    "Name one that there is:",
                    AwsCommand("cognito-identity", "ListIdentityPools", {"MaxResults": 60}),
                ],
            )
        providers = pool.get("CognitoIdentityProviders", [])
        listed = [each["ClientId"] for each in providers if each["ProviderName"].endswith(f"/{user_pool}")]
        wanted = asked_client(context) or await asyncio.to_thread(_front_ends, context, listed)
        front_ends = context.outputs.setdefault(Output.USER_POOL_CLIENT_ID, wanted)
        if wanted and wanted in listed:
            return passed(f"{pool_id}, those of {wanted}")
        if not wanted:
            return failed(
                f"Identity pool {pool_id} lists no app client of user pool {user_pool}: it refuses the tokens of its "
                "users.",
                resource=pool_id,
                fix="Name the front end's app client with --user-pool-client-id: the fix is told then.",
            )
        provider = {
            "ProviderName": login_of(context),
            "ClientId": wanted,
            "ServerSideTokenCheck": True,
        }
        is_front_ends = wanted == front_ends
        add = update_of(
            identity_pools,
            "UpdateIdentityPool",
            pool,
            {"CognitoIdentityProviders": [*providers, provider]},
            safe=context.deployment_ids is None and is_front_ends,
        )
        other = f"Sign in with the front end's app client, {front_ends}; or, if the other is one too, let it in:"
        return failed(
            f"Identity pool {pool_id} does not list app client {wanted} among its providers: it refuses the tokens of "
            "everybody who signs in with it.",
            resource=pool_id,
            fix=add if is_front_ends else [other, add],
        )


def login_of(context: Context) -> str:
    """Return the user pool's name among an identity pool's logins and providers."""
    region = context.output(Output.REGION)
    suffix = _SUFFIXES.get(region.partition("-")[0], "amazonaws.com")
    return f"cognito-idp.{region}.{suffix}/{context.output(Output.USER_POOL_ID)}"


def asked_client(context: Context) -> str:
    """Return the app client asked about: that of the given ID token, or the front end's; empty if neither is known."""
    token = context.selector.id_token
    if token is not None and token.user_pool_id == context.output(Output.USER_POOL_ID):
        return token.client_id
    return context.outputs.get(Output.USER_POOL_CLIENT_ID, "")


def _front_ends(context: Context, listed: Sequence[str]) -> str:
    """Return which of the listed app clients a front end can sign in with best; empty if none is listed.

    Amplify's first generation made one with a secret for mobile apps, and listed it too.
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


class TriggerIsWired(Check):
    """The user pool calls the function that attaches the policy.

    Another deployment, or a change in the console, can take the PostAuthentication trigger off the user pool; sign-ins
    go on without a word, and no new user is attached. Needless where the setting `attachment` is `self-attach`.
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
            return passed(f"{arn.rpartition(':')[2]}, which calls {function_name}")
        if arn.rpartition(":")[2] == function_name:
            return passed(function_name)
        ours = f"{arn_prefix(context, 'lambda')}:function:{function_name}"
        return failed(
            f"The user pool's PostAuthentication trigger is {arn or 'not set'}, not {function_name}: "
            "signing in attaches no policy.",
            resource=pool_id,
            fix=await asyncio.to_thread(rewiring, user_pools, pool, {"PostAuthentication": ours}),
        )


class NothingIsLeftOver(Check):
    """No earlier run of these checks was killed before it could remove its users.

    A warning only. Users of a run that is less than an hour old are taken for those of another run going on now.
    """

    id = "PS113"
    group = Group.PROVISIONING
    title = "no test users are left from earlier runs"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})
    severity = Severity.WARNING

    async def run(self, context: Context) -> Finding:
        """Look for old users of a smoke test."""
        users = await asyncio.to_thread(context.users.find_stale)
        if not users:
            return passed()
        return failed(
            f"A killed smoke test has left {len(users)} user(s) behind: {', '.join(each.name for each in users)}.",
            resource=context.output(Output.USER_POOL_ID),
            fix=[command for user in users for command in _remove(context, user)],
        )


def deployed_document(context: Context) -> dict[str, Any]:
    """Return the IoT policy's document as the stack deploys it."""
    own = identity_service(context.output(Output.REGION)) if context.own_topics else None
    return policy_document(arn_prefix(context, "iot"), context.topics, own=own)


def _create_policy(context: Context) -> AwsCommand:
    """Return the command that makes the policy as the stack had made it, or as Amplify's guide does."""
    document = json.dumps(deployed_document(context), separators=(",", ":"))
    name = context.output(Output.POLICY_NAME)
    # A name given by hand may be mistyped.
    safe = context.deployment_ids is None
    return AwsCommand("iot", "CreatePolicy", {"policyName": name, "policyDocument": document}, safe=safe)


def _remove(context: Context, user: StaleUser) -> list[AwsCommand]:
    """Return the commands that remove every trace of a user, the marker's user last."""
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
