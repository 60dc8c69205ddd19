"""Are the Systems Manager parameters of the functions as deployed?"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import SIGN_IN_FUNCTIONS, Function
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import provider_name
from pubsub_cli.checks.stack_resources import (
    INTERNAL_CLIENT,
    PAUSE_FLAG,
    RESTORE,
    SIGN_IN_CONFIGURATION,
    find_resource,
)
from pubsub_cli.finding import AwsCommand, Finding, Fix, PubSubCommand, failed, passed
from pubsub_client.outputs import Output

_PAUSED, _NOT_PAUSED = "true", "false"
_MEMBERS = ("userPoolProvider", "internalClientId", "identityPoolId")


class ParametersAreValid(Check):
    """The pause flag is `false`, and the configuration of the internal sign-in names this deployment's pools.

    Functions that attach the policy read the pause flag first: without it they attach nothing. `pubsub detach --all`
    sets it to `true`, so that the policy is not attached again. Trigger, challenge and worker read the pools and the
    internal app client from the other parameter, which a stack with the setting `attachment: self-attach` does not
    have. PS117 checks whether pools and app client exist.
    """

    id = "PS126"
    group = Group.PROVISIONING
    title = "attachment is not paused and its parameters are valid"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Read both parameters in one call."""
        return await asyncio.to_thread(_check_parameters, context)


def _check_parameters(context: Context) -> Finding:
    pause = find_resource(context, PAUSE_FLAG)
    configuration = find_resource(context, SIGN_IN_CONFIGURATION)
    names = [each for each in (pause, configuration) if each]
    parameters = context.aws.ssm.get_parameters(Names=names)["Parameters"] if names else []
    values = {each["Name"]: each["Value"] for each in parameters}
    context.parameters = values
    if pause is None or (configuration is None and context.attaches_at_sign_in):
        return failed(
            f"The template of stack {context.stack} lacks a parameter of the functions.",
            resource=context.stack,
            fix="Deploy it again with this version: cdk deploy",
        )
    if found := _check_pause_flag(context, pause, values.get(pause)):
        return found
    if configuration and (found := _check_configuration(context, configuration, values.get(configuration))):
        return found
    return passed(", ".join(names))


def _check_pause_flag(context: Context, name: str, value: str | None) -> Finding | None:
    if value == _NOT_PAUSED:
        return None
    if value == _PAUSED:
        return failed(
            f"Attachment is paused ({name} is true), as `pubsub detach --all` leaves it: no sign-in, self-attach or "
            "sweep attaches the policy.",
            resource=name,
            fix=[
                "To attach the policy again; functions notice this within half a minute:",
                PubSubCommand(("sweep", "--stack", context.stack, "--resume")),
            ],
        )
    found = "does not exist" if value is None else f"is {value!r}, neither true nor false"
    how = {"Type": "String"} if value is None else {"Overwrite": True}
    return failed(
        f"The pause flag {name} {found}: no sign-in, no self-attach and no sweep attaches the policy.",
        resource=name,
        fix=AwsCommand("ssm", "PutParameter", {"Name": name, **how, "Value": _NOT_PAUSED}, safe=True),
    )


def _check_configuration(context: Context, name: str, value: str | None) -> Finding | None:
    if value is None:
        return failed(
            f"The parameter {name} does not exist: the trigger does not know its pools and does not attach the policy.",
            resource=name,
            fix=_put(context, name, {}),
        )
    configuration = _parse(value)
    if missing := [each for each in _MEMBERS if not configuration.get(each)]:
        return failed(
            f"The parameter {name} lacks {', '.join(missing)}: the trigger does not know its pools and does "
            "not attach the policy.",
            resource=name,
            fix=_put(context, name, configuration, overwrite=True),
        )
    provider = provider_name(context)
    if configuration["userPoolProvider"] != provider:
        return failed(
            f"The parameter {name} names the user pool {configuration['userPoolProvider']}, not {provider}: the "
            "identity pool refuses the tokens of the internal sign-in, and the policy is not attached.",
            resource=name,
            fix=_put(context, name, {**configuration, "userPoolProvider": provider}, overwrite=True),
        )
    return None


def _parse(value: str) -> dict[str, Any]:
    """Return the parameter's members; empty if it is not a JSON object."""
    try:
        configuration = json.loads(value)
    except ValueError:
        return {}
    return configuration if isinstance(configuration, dict) else {}


def _put(context: Context, name: str, known: dict[str, Any], *, overwrite: bool = False) -> Fix:
    """Return the commands that write the parameter as deployed, and keep its valid members.

    Functions keep the last valid value. A change of their environment restarts them with the new one.
    """
    client_id = known.get("internalClientId") or _internal_client(context)
    if client_id is None:
        return RESTORE
    configuration = {
        "userPoolProvider": provider_name(context),
        "identityPoolId": context.output(Output.IDENTITY_POOL_ID),
        **{key: value for key, value in known.items() if value},
        "internalClientId": client_id,
    }
    how = {"Overwrite": True} if overwrite else {"Type": "String"}
    put = AwsCommand("ssm", "PutParameter", {"Name": name, **how, "Value": json.dumps(configuration)}, safe=True)
    if not overwrite:
        return put
    return [
        put,
        *(
            AwsCommand(
                "lambda",
                "UpdateFunctionConfiguration",
                {
                    "FunctionName": each.name,
                    "Environment": {"Variables": {**each.environment, "INTERNAL_CLIENT_ID": client_id}},
                },
                safe=True,
            )
            for each in context.functions_of(SIGN_IN_FUNCTIONS | {Function.WORKER})
            if each.configuration
        ),
    ]


def _internal_client(context: Context) -> str | None:
    """Return the internal app client: that of the functions' environment, or else the stack's."""
    configured = (each.environment.get("INTERNAL_CLIENT_ID") for each in context.functions_of({Function.TRIGGER}))
    return next(filter(None, configured), None) or find_resource(context, INTERNAL_CLIENT)
