"""Checks of the app clients: the front end's, and that of the internal sign-in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pubsub_cli.aws import Aws
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import Function
from pubsub_cli.checks.functions import SignInFunctionsCanRun
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.parameters import ParametersAreValid
from pubsub_cli.checks.provisioning import IdentityPoolAcceptsTokens, selected_client
from pubsub_cli.checks.sign_in_flows import (
    CUSTOM,
    REFRESH,
    SRP,
    allows_managed_login,
    describe_client,
    flows,
    missing_flows,
)
from pubsub_cli.checks.update import set_triggers_fix, update_of
from pubsub_cli.finding import AwsCommand, Finding, failed, not_applicable, passed, warning
from pubsub_client.outputs import CHALLENGE_TRIGGERS, Output

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import UserPoolClientTypeTypeDef
    from types_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

_INTERNAL = "$INTERNAL"


class AppClientSignsIn(Check):
    """The front end's app client has no secret, and allows the flows that Amplify uses.

    Amplify signs in with SRP and sends no secret hash. So Cognito refuses every sign-in if the app client has a secret,
    or allows neither `ALLOW_USER_SRP_AUTH` nor `ALLOW_USER_AUTH` (choice-based sign-in, which includes SRP). A warning
    if users sign in otherwise: an ID token was given, or the app client uses Cognito's managed login. Also a warning
    without `ALLOW_REFRESH_TOKEN_AUTH`, unless the app client rotates refresh tokens: sessions then end with their first
    tokens.
    """

    id = "PS116"
    group = Group.PROVISIONING
    title = "the app client allows sign-in without a secret"
    depends_on = (IdentityPoolAcceptsTokens,)

    async def run(self, context: Context) -> Finding:
        """Describe the app client."""
        pool, client_id = context.output(Output.USER_POOL_ID), selected_client(context)
        client = await asyncio.to_thread(describe_client, context.aws, pool, client_id)
        if client is None:
            return failed(
                f"User pool {pool} has no app client {client_id}, so no front end can sign anybody in with it.",
                resource=client_id,
                fix=[
                    "Configure the front end with an existing one:",
                    AwsCommand("cognito-idp", "ListUserPoolClients", {"UserPoolId": pool}),
                ],
            )
        otherwise = _other_sign_in(context, client)
        found, note = (warning, f" {otherwise}") if otherwise else (failed, "")
        if client.get("ClientSecret"):
            return found(
                f"App client {client_id} has a secret, which Amplify does not send: Cognito refuses every sign-in by "
                f"password.{note}",
                resource=client_id,
                fix=[
                    "A secret cannot be removed. Create another app client, add it to the identity pool's providers, "
                    "and configure the front end with it:",
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
                f"App client {client_id} neither allows {REFRESH} nor rotates refresh tokens: users sign in, but their "
                "sessions end with the first tokens.",
                resource=client_id,
                fix=_allow(context.aws, client, missing),
            )
        if missing:
            return found(
                f"App client {client_id} does not allow {' and '.join(missing)}, which Amplify signs in with.{note}",
                resource=client_id,
                fix=_allow(context.aws, client, missing),
            )
        return passed(client_id)


def _other_sign_in(context: Context, client: UserPoolClientTypeTypeDef) -> str | None:
    """Return why users can probably sign in other than by Amplify; None if nothing indicates it."""
    if context.selector.id_token is not None:
        return "The given ID token comes from another kind of sign-in."
    return "Cognito's managed login can sign users in with it." if allows_managed_login(client) else None


class InternalSignInIsWired(Check):
    """The internal app client and the challenge of the internal sign-in exist.

    The internal sign-in is a CUSTOM_AUTH sign-in that the trigger makes on the internal app client. Three triggers of
    the user pool create and verify its challenge, and the front end's identity pool accepts its tokens. If one of these
    is missing, no sign-in attaches the policy. Not applicable with the setting `attachment: self-attach`.
    """

    id = "PS117"
    group = Group.PROVISIONING
    title = "the internal sign-in's app client and challenge exist"
    depends_on = (IdentityPoolAcceptsTokens, SignInFunctionsCanRun, ParametersAreValid)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Compare user pool, identity pool and internal app client with the trigger's configuration."""
        if not context.attaches_at_sign_in:
            return not_applicable("attachment is self-attach: there is no internal sign-in")
        return await asyncio.to_thread(_check_internal_sign_in, context)


def _check_internal_sign_in(context: Context) -> Finding:
    aws, pool_id = context.aws, context.output(Output.USER_POOL_ID)
    trigger = aws.functions.get_function_configuration(
        FunctionName=context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
    )
    parameter = trigger["Environment"]["Variables"]["CONFIGURATION_PARAMETER"]
    configuration = json.loads(context.parameters[parameter])
    client_id = configuration["internalClientId"]
    client = describe_client(aws, pool_id, client_id)
    if client is None:
        return failed(
            f"The internal app client {client_id} was deleted: internal sign-ins fail, and no policy is attached.",
            resource=client_id,
            fix=_create_internal_client(context, parameter, configuration),
        )
    if CUSTOM not in flows(client):
        return failed(
            f"The internal app client {client_id} does not allow {CUSTOM}: internal sign-ins fail, and no policy is "
            "attached.",
            resource=client_id,
            fix=_allow(aws, client, [CUSTOM]),
        )
    identity_pool_id = context.output(Output.IDENTITY_POOL_ID)
    if configuration["identityPoolId"] != identity_pool_id:
        return failed(
            f"The trigger uses identity pool {configuration['identityPoolId']}, not {identity_pool_id}: it attaches "
            "the policy to identities that no front end uses.",
            resource=parameter,
            fix=[
                _put(parameter, {**configuration, "identityPoolId": identity_pool_id}),
                *_restarts(context, parameter, "IDENTITY_POOL_ID", identity_pool_id),
            ],
        )
    pool = aws.identity_pools.describe_identity_pool(IdentityPoolId=identity_pool_id)
    providers = [each for each in pool["CognitoIdentityProviders"] if each["ProviderName"].endswith(f"/{pool_id}")]
    if client_id not in [each["ClientId"] for each in providers]:
        provider = {**providers[0], "ClientId": client_id, "ServerSideTokenCheck": True}
        return failed(
            f"Identity pool {identity_pool_id} does not list the internal app client {client_id} among its providers: "
            "it rejects the tokens of the internal sign-in, and no policy is attached.",
            resource=identity_pool_id,
            fix=update_of(
                aws.identity_pools,
                "UpdateIdentityPool",
                pool,
                {"CognitoIdentityProviders": [*pool["CognitoIdentityProviders"], provider]},
                safe=True,
            ),
        )
    return _check_challenge(context)


def _check_challenge(context: Context) -> Finding:
    aws, pool_id = context.aws, context.output(Output.USER_POOL_ID)
    pool = aws.user_pools.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    configured: Mapping[str, Any] = pool.get("LambdaConfig", {})
    (name,) = (each.name for each in context.functions_of({Function.CHALLENGE}))
    chained = {each for each in context.chained_triggers if configured.get(each)}
    expected = [each for each in CHALLENGE_TRIGGERS if each not in chained]
    wrong = [each for each in expected if not str(configured.get(each, "")).endswith(f":function:{name}")]
    if wrong:
        arn = aws.functions.get_function_configuration(FunctionName=name)["FunctionArn"]
        return failed(
            f"The triggers {', '.join(wrong)} of the user pool do not call {name}: internal sign-ins fail, and no "
            "policy is attached.",
            resource=pool_id,
            fix=set_triggers_fix(aws.user_pools, pool, dict.fromkeys(wrong, arn)),
        )
    return passed(name)


def _create_internal_client(context: Context, parameter: str, configuration: Mapping[str, str]) -> list[str]:
    """Return the commands that create the internal app client as the stack does, and configure it everywhere."""
    pool_id, identity_pool_id = context.output(Output.USER_POOL_ID), context.output(Output.IDENTITY_POOL_ID)
    create = AwsCommand(
        "cognito-idp",
        "CreateUserPoolClient",
        {
            "UserPoolId": pool_id,
            "ClientName": "InternalClient",
            "GenerateSecret": True,
            "ExplicitAuthFlows": [CUSTOM],
            "IdTokenValidity": 5,
            "AccessTokenValidity": 5,
            "RefreshTokenValidity": 60,
            "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "minutes"},
            "ReadAttributes": ["email"],
            "WriteAttributes": ["email"],
            "PreventUserExistenceErrors": "ENABLED",
        },
    )
    pool = context.aws.identity_pools.describe_identity_pool(IdentityPoolId=identity_pool_id)
    deleted = configuration["internalClientId"]
    update = update_of(
        context.aws.identity_pools,
        "UpdateIdentityPool",
        pool,
        {
            "CognitoIdentityProviders": [
                {**each, "ClientId": _INTERNAL} if each.get("ClientId") == deleted else each
                for each in pool["CognitoIdentityProviders"]
            ]
        },
    )
    put = _put(parameter, {**configuration, "internalClientId": _INTERNAL})
    restarts = _restarts(context, parameter, "INTERNAL_CLIENT_ID", _INTERNAL)
    options = context.aws.cli_options
    return [
        "Create it again, and update the identity pool and the functions:",
        f"INTERNAL=$({create} --query UserPoolClient.ClientId --output text{options})",
        *(str(each).replace(_INTERNAL, "'\"$INTERNAL\"'") for each in (update, put, *restarts)),
    ]


def _put(parameter: str, configuration: Mapping[str, str]) -> AwsCommand:
    value = json.dumps(configuration)
    return AwsCommand("ssm", "PutParameter", {"Name": parameter, "Overwrite": True, "Value": value})


def _restarts(context: Context, parameter: str, name: str, value: str) -> list[AwsCommand]:
    """Return the commands that make the functions read their configuration again.

    They cache it until they start again, which a changed environment causes.
    """
    return [
        AwsCommand(
            "lambda",
            "UpdateFunctionConfiguration",
            {
                "FunctionName": function["FunctionName"],
                "Environment": {"Variables": {**function["Environment"]["Variables"], name: value}},
            },
        )
        for function in _functions_that_read(context, parameter)
    ]


def _functions_that_read(context: Context, parameter: str) -> list[FunctionConfigurationResponseTypeDef]:
    reading = (each for each in context.functions if parameter in each.environment.values())
    return [each.configuration for each in reading if each.configuration]


def _allow(aws: Aws, client: UserPoolClientTypeTypeDef, missing: list[str]) -> AwsCommand | str:
    allowed = {"ExplicitAuthFlows": sorted(flows(client).union(missing))}
    return update_of(aws.user_pools, "UpdateUserPoolClient", client, allowed, safe=True)
