"""Checks of the internal sign-in: the MAC key, the parameters, the app client and the challenge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pubsub_cli.checks.app_clients import (
    CUSTOM,
    IdentityPoolAcceptsTokens,
    add_provider,
    allow_flows,
    describe_client,
    flows,
    provider_name,
)
from pubsub_cli.checks.check import BlockingCheck, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.functions import SignInFunctionsCanRun
from pubsub_cli.cognito_updates import set_triggers, update_of
from pubsub_cli.finding import AwsCommand, Finding, Fix, PubSubCommand, failed, passed
from pubsub_cli.stack import (
    DEPLOY_AGAIN,
    INTERNAL_CLIENT,
    MAC_KEY,
    PAUSE_FLAG,
    RESTORE,
    SIGN_IN_CONFIGURATION,
    Function,
)
from pubsub_client.outputs import CHALLENGE_TRIGGERS, Output

if TYPE_CHECKING:
    from types_boto3_kms.type_defs import KeyMetadataTypeDef

_PAUSED, _NOT_PAUSED = "true", "false"
_MEMBERS = ("userPoolProvider", "internalClientId", "identityPoolId")
_INTERNAL = "$INTERNAL"
"""The shell variable of the new internal app client's id."""
_CLIENT_VARIABLE = "INTERNAL_CLIENT_ID"
"""The variable that a fix sets in the functions that use the internal app client."""
_SPEC, _USAGE = "HMAC_256", "GENERATE_VERIFY_MAC"
_IMPACT = "the trigger cannot authenticate its internal sign-ins, so no sign-in attaches the policy"


class MacKeyIsUsable(BlockingCheck):
    """The trigger authenticates its internal sign-ins with a KMS HMAC key. If the key is disabled or pending deletion,
    attachments wait in the retry queue.
    """

    id = "PS125"
    group = Group.PROVISIONING
    title = "the MAC key exists and is enabled"
    depends_on = (OutputsAreComplete,)
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        key_id = context.find_resource(MAC_KEY)
        if key_id is None:
            resource = context.output(Output.POST_AUTHENTICATION_FUNCTION_NAME)
            return failed(f"The stack {context.stack} has no MAC key: {_IMPACT}.", resource=resource, fix=RESTORE)
        kms = context.aws.kms
        try:
            key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        except kms.exceptions.NotFoundException:
            return failed(f"The MAC key {key_id} was deleted: {_IMPACT}.", resource=key_id, fix=RESTORE)
        if problem := _problem(key):
            what, fix = problem
            return failed(f"The MAC key {key_id} {what}: {_IMPACT}.", resource=key_id, fix=fix)
        return passed(f"{key_id}, {key['KeySpec']}")


def _problem(key: KeyMetadataTypeDef) -> tuple[str, Fix] | None:
    """Return why a key cannot be used, and the fix; None if it can be used.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
    """
    state, spec, usage = key.get("KeyState"), key.get("KeySpec"), key.get("KeyUsage")
    # Not safe, because an operator may have disabled the key to stop internal sign-ins.
    enable = AwsCommand("kms", "EnableKey", {"KeyId": key["KeyId"]})
    if state == "Disabled":
        return "is disabled", enable
    if state == "PendingDeletion":
        at = f"{key['DeletionDate']:%Y-%m-%d %H:%M %Z}" if "DeletionDate" in key else "soon"
        return f"is pending deletion ({at})", [AwsCommand("kms", "CancelKeyDeletion", {"KeyId": key["KeyId"]}), enable]
    if (usage, spec) != (_USAGE, _SPEC):
        return f"is of spec {spec} for {usage}, not {_SPEC} for {_USAGE}", RESTORE
    return None if state == "Enabled" else (f"is {state}", "Run it again when the key is Enabled.")


class ParametersAreValid(BlockingCheck):
    """Functions read the pause flag before they attach the policy; `pubsub detach --all` sets it. Trigger, challenge
    function and worker read the pools and the internal app client from a second parameter.
    """

    id = "PS126"
    group = Group.PROVISIONING
    title = "attachment is not paused and its parameters are valid"
    depends_on = (OutputsAreComplete,)

    def examine(self, context: Context) -> Finding:
        pause = context.find_resource(PAUSE_FLAG)
        configuration = context.find_resource(SIGN_IN_CONFIGURATION)
        names = [each for each in (pause, configuration) if each]
        parameters = context.aws.ssm.get_parameters(Names=names)["Parameters"] if names else []
        values = {each["Name"]: each["Value"] for each in parameters}
        context.parameters = values
        if pause is None or (configuration is None and context.attaches_at_sign_in):
            return failed(
                f"The template of stack {context.stack} lacks a parameter that the functions read.",
                resource=context.stack,
                fix=DEPLOY_AGAIN,
            )
        if found := _check_pause_flag(context, pause, values.get(pause)):
            return found
        if configuration and (wrong := _wrong_configuration(context, configuration, values.get(configuration))):
            what, fix = wrong
            return failed(f"The parameter {configuration} {what}.", resource=configuration, fix=fix)
        return passed(", ".join(names))


def _check_pause_flag(context: Context, name: str, value: str | None) -> Finding | None:
    if value == _NOT_PAUSED:
        return None
    if value == _PAUSED:
        return failed(
            f"Attachment is paused: {name} is true, set by `pubsub detach --all`. No sign-in, self-attach or sweep "
            "attaches the policy.",
            resource=name,
            fix=[
                "Resume attachment. Functions notice it within half a minute:",
                PubSubCommand(("sweep", "--stack", context.stack, "--resume")),
            ],
        )
    found = "does not exist" if value is None else f"is {value!r}, neither true nor false"
    parameters = {"Name": name, "Type": "String", "Overwrite": True, "Value": _NOT_PAUSED}
    return failed(
        f"The pause flag {name} {found}: no sign-in, self-attach or sweep attaches the policy.",
        resource=name,
        fix=AwsCommand("ssm", "PutParameter", parameters, safe=True),
    )


def _wrong_configuration(context: Context, name: str, value: str | None) -> tuple[str, Fix] | None:
    """Return what is wrong with the configuration, as the end of a sentence, and the fix."""
    unknown_pools = "the trigger does not know its pools and does not attach the policy"
    if value is None:
        return f"does not exist: {unknown_pools}", _restore_parameter(context, name, {})
    configuration = _parse(value)
    if missing := [each for each in _MEMBERS if not configuration.get(each)]:
        return f"lacks {', '.join(missing)}: {unknown_pools}", _restore_parameter(context, name, configuration)
    provider = provider_name(context)
    if configuration["userPoolProvider"] != provider:
        return (
            f"names the user pool {configuration['userPoolProvider']}, not {provider}: the identity pool rejects the "
            "tokens of the internal sign-in, and no policy is attached",
            _set_parameter(context, name, {**configuration, "userPoolProvider": provider}, safe=True),
        )
    return None


def _parse(value: str) -> dict[str, Any]:
    """Return the parameter's members; empty if it is not a JSON object."""
    try:
        configuration = json.loads(value)
    except ValueError:
        return {}
    return configuration if isinstance(configuration, dict) else {}


def _restore_parameter(context: Context, name: str, current: dict[str, Any]) -> Fix:
    """Return the commands that write the parameter as deployed, except for the members that it has."""
    configured = (each.environment.get(_CLIENT_VARIABLE) for each in context.functions_of({Function.TRIGGER}))
    client_id = (
        current.get("internalClientId")
        or next(filter(None, configured), None)
        or context.find_resource(INTERNAL_CLIENT)
    )
    if client_id is None:
        return RESTORE
    configuration = {
        "userPoolProvider": provider_name(context),
        "identityPoolId": context.output(Output.IDENTITY_POOL_ID),
        **{key: value for key, value in current.items() if value},
        "internalClientId": client_id,
    }
    return _set_parameter(context, name, configuration, safe=True)


def _set_parameter(
    context: Context, name: str, configuration: Mapping[str, str], *, safe: bool = False
) -> list[AwsCommand]:
    """Return the commands that write the parameter, and restart the functions that cached it.

    A changed variable makes Lambda restart a function.
    """
    parameters = {"Name": name, "Type": "String", "Overwrite": True, "Value": json.dumps(configuration)}
    commands = [AwsCommand("ssm", "PutParameter", parameters, safe=safe)]
    for function in context.functions:
        if name in function.environment.values():
            variables = {**function.environment, _CLIENT_VARIABLE: configuration["internalClientId"]}
            update = {"FunctionName": function.name, "Environment": {"Variables": variables}}
            commands.append(AwsCommand("lambda", "UpdateFunctionConfiguration", update, safe=safe))
    return commands


class InternalSignInIsConfigured(BlockingCheck):
    """The trigger signs in on the internal app client, and three triggers of the user pool handle the challenge. If one
    is missing, no sign-in attaches the policy.
    """

    id = "PS117"
    group = Group.PROVISIONING
    title = "the internal sign-in's app client and challenge exist"
    depends_on = (IdentityPoolAcceptsTokens, SignInFunctionsCanRun, ParametersAreValid)
    requires_trigger = True

    def examine(self, context: Context) -> Finding:
        aws, pool_id = context.aws, context.output(Output.USER_POOL_ID)
        (trigger,) = context.functions_of({Function.TRIGGER})
        parameter = trigger.environment["CONFIGURATION_PARAMETER"]
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
                f"The internal app client {client_id} does not allow {CUSTOM}: internal sign-ins fail, and no policy "
                "is attached.",
                resource=client_id,
                fix=allow_flows(aws, client, [CUSTOM]),
            )
        identity_pool_id = context.output(Output.IDENTITY_POOL_ID)
        if configuration["identityPoolId"] != identity_pool_id:
            return failed(
                f"The trigger uses identity pool {configuration['identityPoolId']}, not {identity_pool_id}: it "
                "attaches the policy to identities that no front end uses.",
                resource=parameter,
                fix=_set_parameter(context, parameter, {**configuration, "identityPoolId": identity_pool_id}),
            )
        pool = aws.identity_pools.describe_identity_pool(IdentityPoolId=identity_pool_id)
        providers = pool.get("CognitoIdentityProviders", [])
        if client_id not in [each["ClientId"] for each in providers if each["ProviderName"].endswith(f"/{pool_id}")]:
            return failed(
                f"Identity pool {identity_pool_id} does not list the internal app client {client_id} among its "
                "providers: it rejects the tokens of the internal sign-in, and no policy is attached.",
                resource=identity_pool_id,
                fix=add_provider(context, pool, client_id, safe=True),
            )
        return _check_challenge(context)


def _check_challenge(context: Context) -> Finding:
    aws, pool_id = context.aws, context.output(Output.USER_POOL_ID)
    pool = aws.user_pools.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    configured: Mapping[str, Any] = pool.get("LambdaConfig", {})
    (challenge,) = context.functions_of({Function.CHALLENGE})
    chained = {each for each in context.chained_triggers if configured.get(each)}
    expected = [each for each in CHALLENGE_TRIGGERS if each not in chained]
    wrong = [each for each in expected if not str(configured.get(each, "")).endswith(f":function:{challenge.name}")]
    if wrong:
        return failed(
            f"The user pool does not invoke {challenge.name} as its triggers {', '.join(wrong)}: internal sign-ins "
            "fail, and no policy is attached.",
            resource=pool_id,
            fix=set_triggers(aws.user_pools, pool, dict.fromkeys(wrong, challenge.arn)),
        )
    return passed(challenge.name)


def _create_internal_client(context: Context, parameter: str, configuration: Mapping[str, str]) -> list[str]:
    """Return the commands that create the internal app client as the stack does, and configure it where it is used."""
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
    use = _set_parameter(context, parameter, {**configuration, "internalClientId": _INTERNAL})
    return [
        "Create it again, and update the identity pool and the functions:",
        f"INTERNAL=$({create} --query UserPoolClient.ClientId --output text{context.aws.cli_options})",
        *(str(each).replace(_INTERNAL, "'\"$INTERNAL\"'") for each in (update, *use)),
    ]
