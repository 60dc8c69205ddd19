"""Checks of the front end's app client: the identity pool lists it, and it allows Amplify's sign-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pubsub_cli.aws import Aws
from pubsub_cli.aws_errors import is_not_permitted
from pubsub_cli.checks.check import BlockingCheck, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.cognito_updates import update_of
from pubsub_cli.finding import AwsCommand, Finding, failed, passed, warning
from pubsub_cli.iam.request import user_pool_provider
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import UserPoolClientTypeTypeDef

SRP, REFRESH, CUSTOM = "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_CUSTOM_AUTH"
_CHOICE = "ALLOW_USER_AUTH"
# The flows of an app client that lists none. Flows with old names are additional.
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html
_DEFAULT_FLOWS = {SRP, REFRESH, CUSTOM}
_CUSTOM_ONLY = "CUSTOM_AUTH_FLOW_ONLY"
_NEW_NAMES = {
    "ADMIN_NO_SRP_AUTH": "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "USER_PASSWORD_AUTH": "ALLOW_USER_PASSWORD_AUTH",
    _CUSTOM_ONLY: CUSTOM,
}
_MANAGED_LOGIN_GRANTS = {"code", "implicit"}


def describe_client(aws: Aws, user_pool: str, client_id: str) -> UserPoolClientTypeTypeDef | None:
    """Return an app client; None if there is none."""
    try:
        answer = aws.user_pools.describe_user_pool_client(UserPoolId=user_pool, ClientId=client_id)
    except aws.user_pools.exceptions.ResourceNotFoundException:
        return None
    return answer["UserPoolClient"]


def flows(client: UserPoolClientTypeTypeDef) -> set[str]:
    """Return the flows that an app client allows, by their new names. An update cannot mix old and new names."""
    named: set[str] = set(client.get("ExplicitAuthFlows", []))
    if any(each.startswith("ALLOW_") for each in named):
        return named
    allowed = {REFRESH, CUSTOM} if _CUSTOM_ONLY in named else _DEFAULT_FLOWS
    return allowed | {_NEW_NAMES[each] for each in named}


def missing_flows(client: UserPoolClientTypeTypeDef) -> list[str]:
    """Return the flows that Amplify needs and an app client does not allow.

    ``ALLOW_USER_AUTH`` includes SRP
    (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolClientType.html). A client
    that rotates refresh tokens does not need the refresh flow
    (https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html).
    """
    allowed = flows(client)
    rotates = client.get("RefreshTokenRotation", {}).get("Feature") == "ENABLED"
    included = {SRP} if _CHOICE in allowed else set()
    needed = {SRP} if rotates else {SRP, REFRESH}
    return sorted(needed - allowed - included)


def allows_managed_login(client: UserPoolClientTypeTypeDef) -> bool:
    """Return whether users may sign in with Cognito's managed login."""
    grants = {*client.get("AllowedOAuthFlows", [])}
    return bool(client.get("AllowedOAuthFlowsUserPoolClient") and _MANAGED_LOGIN_GRANTS & grants)


class IdentityPoolAcceptsTokens(BlockingCheck):
    """The identity pool gives credentials only for tokens of the app clients among its providers. It rejects others:
    "Token is not from a supported provider of this identity pool".
    """

    id = "PS115"
    group = Group.PROVISIONING
    title = "the identity pool accepts the app client's tokens"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR})

    def examine(self, context: Context) -> Finding:
        pool_id, user_pool = context.output(Output.IDENTITY_POOL_ID), context.output(Output.USER_POOL_ID)
        identity_pools = context.aws.identity_pools
        try:
            pool = identity_pools.describe_identity_pool(IdentityPoolId=pool_id)
        except identity_pools.exceptions.ResourceNotFoundException:
            return failed(
                f"The identity pool {pool_id} does not exist, so no user gets AWS credentials.",
                resource=pool_id,
                fix=[
                    "Give an existing one with --identity-pool-id:",
                    AwsCommand("cognito-identity", "ListIdentityPools", {"MaxResults": 60}),
                ],
            )
        providers = pool.get("CognitoIdentityProviders", [])
        listed = [each["ClientId"] for each in providers if each["ProviderName"].endswith(f"/{user_pool}")]
        client_id = selected_client(context) or _best_client(context, listed)
        front_end_client = context.outputs.setdefault(Output.USER_POOL_CLIENT_ID, client_id)
        if client_id and client_id in listed:
            return passed(f"{pool_id}, app client {client_id}")
        # Before a fix adds it to the identity pool.
        if not_found := _not_found(context.aws, user_pool, client_id):
            return not_found
        if not client_id:
            return failed(
                f"Identity pool {pool_id} lists no app client of user pool {user_pool}, so it rejects the tokens of "
                "its users.",
                resource=pool_id,
                fix="Give the front end's app client with --user-pool-client-id to see the fix.",
            )
        is_front_end = client_id == front_end_client
        add = add_provider(context, pool, client_id, safe=context.deployment_ids is None and is_front_end)
        other = f"Sign in with the app client {front_end_client}. Or, if a front end uses this app client, add it:"
        return failed(
            f"Identity pool {pool_id} does not list app client {client_id} among its providers, so it rejects the "
            "tokens of users who sign in with it.",
            resource=pool_id,
            fix=add if is_front_end else [other, add],
        )


def _not_found(aws: Aws, user_pool: str, client_id: str) -> Finding | None:
    """Return the finding if the user pool or its app client does not exist; None if they do, or if it is not known."""
    try:
        if client_id and describe_client(aws, user_pool, client_id):
            return None
        aws.user_pools.describe_user_pool(UserPoolId=user_pool)
        return _no_client(user_pool, client_id) if client_id else None
    except aws.user_pools.exceptions.ResourceNotFoundException:
        return failed(
            f"This account has no user pool {user_pool} in {aws.region}, so the front end's users cannot get AWS "
            "credentials.",
            resource=user_pool,
            fix=[
                "Give an existing one with --user-pool-id:",
                AwsCommand("cognito-idp", "ListUserPools", {"MaxResults": 60}),
            ],
        )
    except ClientError as error:
        if not is_not_permitted(error):
            raise
        return None


def _no_client(user_pool: str, client_id: str) -> Finding:
    return failed(
        f"User pool {user_pool} has no app client {client_id}, so every sign-in of the front end fails.",
        resource=client_id,
        fix=[
            "Configure the front end with an existing app client:",
            AwsCommand("cognito-idp", "ListUserPoolClients", {"UserPoolId": user_pool}),
        ],
    )


def provider_name(context: Context) -> str:
    """Return the user pool's provider name in the identity pool."""
    return user_pool_provider(context.output(Output.REGION), context.output(Output.USER_POOL_ID))


def add_provider(context: Context, pool: Mapping[str, Any], client_id: str, *, safe: bool) -> AwsCommand | str:
    """Return the command that adds an app client to an identity pool's providers; a text if there is none."""
    provider = {"ProviderName": provider_name(context), "ClientId": client_id, "ServerSideTokenCheck": True}
    providers = {"CognitoIdentityProviders": [*pool.get("CognitoIdentityProviders", []), provider]}
    return update_of(context.aws.identity_pools, "UpdateIdentityPool", pool, providers, safe=safe)


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
    if not listed:
        return ""
    if len(listed) == 1:
        return listed[0]
    try:
        clients = [client for each in listed if (client := describe_client(context.aws, pool, each))]
    except ClientError as error:
        if not is_not_permitted(error):
            raise
        return listed[0]
    best = sorted(clients, key=lambda client: ("ClientSecret" in client, len(missing_flows(client))))
    return next((client["ClientId"] for client in best), listed[0])


class AppClientSignsIn(BlockingCheck):
    """Amplify signs in with SRP and sends no client secret. Cognito refuses every sign-in if the app client has a
    secret, or allows neither `ALLOW_USER_SRP_AUTH` nor `ALLOW_USER_AUTH`.

    It is a warning if users sign in otherwise, with managed login or the given ID token, or if sessions cannot be
    refreshed.
    """

    id = "PS116"
    group = Group.PROVISIONING
    title = "the app client allows sign-in without a secret"
    depends_on = (IdentityPoolAcceptsTokens,)
    requirements = frozenset({Requirement.OPERATOR})

    def examine(self, context: Context) -> Finding:
        pool, client_id = context.output(Output.USER_POOL_ID), selected_client(context)
        client = describe_client(context.aws, pool, client_id)
        if client is None:
            return _no_client(pool, client_id)
        otherwise = _other_sign_in(context, client)
        found, note = (warning, f" {otherwise}") if otherwise else (failed, "")
        if client.get("ClientSecret"):
            return found(
                f"App client {client_id} has a secret, which Amplify does not send, so Cognito refuses every sign-in "
                f"with a password.{note}",
                resource=client_id,
                fix=[
                    "A secret cannot be removed. Create another app client, add it to the identity pool's providers, "
                    "and use it in the front end:",
                    AwsCommand(
                        "cognito-idp",
                        "CreateUserPoolClient",
                        {"UserPoolId": pool, "ClientName": "pubsub-web", "ExplicitAuthFlows": [SRP, REFRESH]},
                    ),
                ],
            )
        missing = missing_flows(client)
        if missing == [REFRESH]:
            return warning(
                f"App client {client_id} neither allows {REFRESH} nor rotates refresh tokens, so sessions end with the "
                "first tokens.",
                resource=client_id,
                fix=allow_flows(context.aws, client, missing),
            )
        if missing:
            return found(
                f"App client {client_id} does not allow {' and '.join(missing)}, which Amplify uses.{note}",
                resource=client_id,
                fix=allow_flows(context.aws, client, missing),
            )
        return passed(client_id)


def _other_sign_in(context: Context, client: UserPoolClientTypeTypeDef) -> str | None:
    """Return why users can probably sign in without Amplify; None if nothing indicates it."""
    if context.selector.id_token is not None:
        return "The given ID token comes from another kind of sign-in."
    return "Cognito's managed login can sign users in with it." if allows_managed_login(client) else None


def allow_flows(aws: Aws, client: UserPoolClientTypeTypeDef, missing: list[str]) -> AwsCommand | str:
    """Return the command that lets an app client allow more flows; a text if there is none."""
    allowed = {"ExplicitAuthFlows": sorted(flows(client).union(missing))}
    return update_of(aws.user_pools, "UpdateUserPoolClient", client, allowed, safe=True)
