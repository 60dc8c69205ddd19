"""Can the app clients do what they are for: sign people in, and sign in nested?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pubsub_cli.aws import Aws
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.functions import SignInFunctionsCanRun
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.parameters import ParametersAreValid
from pubsub_cli.checks.provisioning import IdentityPoolTakesTokens, asked_client
from pubsub_cli.checks.sign_in_flows import (
    CUSTOM,
    REFRESH,
    SRP,
    allows_managed_login,
    describe_client,
    flows,
    missing_flows,
)
from pubsub_cli.checks.stack_resources import functions_by_logical_id
from pubsub_cli.checks.update import rewiring, update_of
from pubsub_cli.finding import AwsCommand, Finding, failed, not_applicable, passed, warning
from pubsub_client.outputs import CHALLENGE_TRIGGERS, Output

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import UserPoolClientTypeTypeDef
    from types_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

_CHALLENGE_FUNCTION = "SignInAttachmentAuthChallenge"
_INTERNAL = "$INTERNAL"


class AppClientSignsIn(Check):
    """The front end's app client has no secret, and allows the flows that Amplify uses.

    Amplify signs in with SRP and sends no secret hash, so an app client with a secret refuses everybody, and so does
    one that allows neither `ALLOW_USER_SRP_AUTH` nor `ALLOW_USER_AUTH` (choice-based sign-in, which includes SRP). A
    warning where users sign in by another way: an ID token was given, or the app client is one of Cognito's own pages.
    A warning too without `ALLOW_REFRESH_TOKEN_AUTH`, unless the app client rotates refresh tokens: users sign in, but
    sessions end with their first tokens.
    """

    id = "PS116"
    group = Group.PROVISIONING
    title = "the app client allows sign-in without a secret"
    depends_on = (IdentityPoolTakesTokens,)

    async def run(self, context: Context) -> Finding:
        """Describe the app client."""
        pool, client_id = context.output(Output.USER_POOL_ID), asked_client(context)
        client = await asyncio.to_thread(describe_client, context.aws, pool, client_id)
        if client is None:
            return failed(
                f"User pool {pool} has no app client {client_id}, so no front end can sign anybody in with it.",
                resource=client_id,
                fix=[
                    "Configure the front end with one that there is:",
                    AwsCommand("cognito-idp", "ListUserPoolClients", {"UserPoolId": pool}),
                ],
            )
        otherwise = _signs_in_otherwise(context, client)
        found, so = (warning, f" {otherwise}") if otherwise else (failed, "")
        if client.get("ClientSecret"):
            return found(
                f"App client {client_id} has a secret, which Amplify does not send: Cognito refuses every sign-in by "
                f"password.{so}",
                resource=client_id,
                fix=[
                    "A secret cannot be taken off. Make another app client, let the identity pool take its tokens, and "
                    "configure the front end with it:",
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
                f"App client {client_id} does not allow {' and '.join(missing)}, which Amplify signs in with.{so}",
                resource=client_id,
                fix=_allow(context.aws, client, missing),
            )
        return passed(client_id)


def _signs_in_otherwise(context: Context, client: UserPoolClientTypeTypeDef) -> str | None:
    """Return what shows that users can sign in by another way than Amplify's own; None if nothing does."""
    if context.selector.id_token is not None:
        return "The given ID token was got by another way."
    return "Cognito's own pages may sign in with it." if allows_managed_login(client) else None


class InternalSignInIsWired(Check):
    """The internal app client and the challenge of the trigger's internal sign-in are there.

    The trigger proves who signs in by a second sign-in, on an app client of its own, by a challenge that three triggers
    of the user pool make and verify, and the identity pool of the front end takes those tokens. Without them no sign-in
    attaches anything. Needless where the setting `attachment` is `self-attach`.
    """

    id = "PS117"
    group = Group.PROVISIONING
    title = "the internal sign-in's app client and challenge exist"
    depends_on = (IdentityPoolTakesTokens, SignInFunctionsCanRun, ParametersAreValid)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Compare user pool, identity pool and internal app client with the trigger's configuration."""
        if not context.attaches_at_sign_in:
            return not_applicable("attachment is self-attach: nobody signs in nested")
        return await asyncio.to_thread(_look_at_internal_sign_in, context)


def _look_at_internal_sign_in(context: Context) -> Finding:
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
            f"The internal app client {client_id} is gone: the trigger can sign nobody in nested, and attaches nobody.",
            resource=client_id,
            fix=_make_internal_client(context, parameter, configuration),
        )
    if CUSTOM not in flows(client):
        return failed(
            f"The internal app client {client_id} does not allow {CUSTOM}: the trigger can sign nobody in nested, and "
            "attaches nobody.",
            resource=client_id,
            fix=_allow(aws, client, [CUSTOM]),
        )
    identity_pool_id = context.output(Output.IDENTITY_POOL_ID)
    if configuration["identityPoolId"] != identity_pool_id:
        return failed(
            f"The trigger asks identity pool {configuration['identityPoolId']}, not {identity_pool_id}: it attaches "
            "the policy to identities that no front end has.",
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
            "it refuses the tokens of the internal sign-in, and nobody is attached.",
            resource=identity_pool_id,
            fix=update_of(
                aws.identity_pools,
                "UpdateIdentityPool",
                pool,
                {"CognitoIdentityProviders": [*pool["CognitoIdentityProviders"], provider]},
                safe=True,
            ),
        )
    return _look_at_challenge(context)


def _look_at_challenge(context: Context) -> Finding:
    aws, pool_id = context.aws, context.output(Output.USER_POOL_ID)
    pool = aws.user_pools.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    wired: Mapping[str, Any] = pool.get("LambdaConfig", {})
    (name,) = (
        each for logical, each in functions_by_logical_id(context).items() if logical.startswith(_CHALLENGE_FUNCTION)
    )
    chained = {each for each in context.chained_triggers if wired.get(each)}
    ours = [each for each in CHALLENGE_TRIGGERS if each not in chained]
    wrong = [each for each in ours if not str(wired.get(each, "")).endswith(f":function:{name}")]
    if wrong:
        arn = aws.functions.get_function_configuration(FunctionName=name)["FunctionArn"]
        return failed(
            f"The triggers {', '.join(wrong)} of the user pool do not call {name}: the trigger's internal sign-in is "
            "refused, and nobody is attached.",
            resource=pool_id,
            fix=rewiring(aws.user_pools, pool, dict.fromkeys(wrong, arn)),
        )
    return passed(name)


def _make_internal_client(context: Context, parameter: str, configuration: Mapping[str, str]) -> list[str]:
    """Return the commands that make the internal app client as the stack had made it, and have everybody know it."""
    pool_id, identity_pool_id = context.output(Output.USER_POOL_ID), context.output(Output.IDENTITY_POOL_ID)
    make = AwsCommand(
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
    gone = configuration["internalClientId"]
    update = update_of(
        context.aws.identity_pools,
        "UpdateIdentityPool",
        pool,
        {
            "CognitoIdentityProviders": [
                {**each, "ClientId": _INTERNAL} if each.get("ClientId") == gone else each
                for each in pool["CognitoIdentityProviders"]
            ]
        },
    )
    put = _put(parameter, {**configuration, "internalClientId": _INTERNAL})
    restarts = _restarts(context, parameter, "INTERNAL_CLIENT_ID", _INTERNAL)
    options = context.aws.cli_options
    return [
        "Make it again, and tell the identity pool and the functions:",
        f"INTERNAL=$({make} --query UserPoolClient.ClientId --output text{options})",
        *(str(each).replace(_INTERNAL, "'\"$INTERNAL\"'") for each in (update, put, *restarts)),
    ]


def _put(parameter: str, configuration: Mapping[str, str]) -> AwsCommand:
    value = json.dumps(configuration)
    return AwsCommand("ssm", "PutParameter", {"Name": parameter, "Overwrite": True, "Value": value})


def _restarts(context: Context, parameter: str, name: str, value: str) -> list[AwsCommand]:
    """Return the commands that have the functions read their configuration anew.

    They keep what they have read until they start anew, as they do with another environment.
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
    functions = [
        context.aws.functions.get_function_configuration(FunctionName=name)
        for name in functions_by_logical_id(context).values()
    ]
    return [each for each in functions if parameter in each.get("Environment", {}).get("Variables", {}).values()]


def _allow(aws: Aws, client: UserPoolClientTypeTypeDef, missing: list[str]) -> AwsCommand | str:
    allowed = {"ExplicitAuthFlows": sorted(flows(client).union(missing))}
    return update_of(aws.user_pools, "UpdateUserPoolClient", client, allowed, safe=True)
