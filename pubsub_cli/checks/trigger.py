"""Can the sign-in trigger do its work: may it be invoked, is it as it was deployed, may it attach?"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from pubsub_cli.checks.arn import arn_prefix
from pubsub_cli.checks.attachment_trace import allow_attaching
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import SIGN_IN_PARTS, DeployedFunction, Part
from pubsub_cli.checks.functions import SignInFunctionsCanRun, changed_since_deployed, harmless_changes
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.resource_policy import allows_service
from pubsub_cli.checks.restoring import RESTORE
from pubsub_cli.finding import AwsCommand, Finding, Fix, failed, not_applicable, passed, warning
from pubsub_cli.iam.evaluation import AwsDecision, Outcome
from pubsub_cli.iam.roles import role_name
from pubsub_cli.iam.simulation import read_simulation
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_iam.literals import ContextKeyTypeEnumType

_NO_TRIGGER = "attachment is self-attach: there is no trigger"
_ATTACH = "iot:AttachPolicy"
_COGNITO = "cognito-idp.amazonaws.com"
_ATTACHING = frozenset({Part.TRIGGER, Part.WORKER, Part.SELF_ATTACH, Part.SWEEP})
_NESTED_EXECUTIONS = 2


class PoolMayInvoke(Check):
    """The user pool may invoke the functions of the sign-in.

    A function's own policy says who may; without Cognito in it every sign-in fails with an UnexpectedLambdaException.
    """

    id = "PS114"
    group = Group.PROVISIONING
    title = "the user pool may invoke its trigger functions"
    depends_on = (OutputsAreComplete, SignInFunctionsCanRun)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Read the policies of the functions."""
        if not context.attaches_at_sign_in:
            return not_applicable(_NO_TRIGGER)
        for name in [each.name for each in await asyncio.to_thread(context.functions_of, SIGN_IN_PARTS)]:
            if not await asyncio.to_thread(_lets_cognito, context, name):
                return failed(
                    f"User pool {context.output(Output.USER_POOL_ID)} may not invoke {name}: every sign-in fails.",
                    resource=name,
                    fix=AwsCommand(
                        "lambda",
                        "AddPermission",
                        {
                            "FunctionName": name,
                            "StatementId": "CognitoInvokes",
                            "Action": "lambda:InvokeFunction",
                            "Principal": _COGNITO,
                            "SourceArn": _pool_arn(context),
                        },
                        safe=True,
                    ),
                )
        return passed()


class TriggerIsAsDeployed(Check):
    """The functions of the sign-in have the handler and variables they were deployed with, and no less time and memory.

    With less of these they fail, or are slower than the five seconds for which Cognito waits; with fewer than two
    executions at once reserved for them a internal sign-in is refused. More of them, and another runtime, are told and
    left as they are. `cdk deploy` does not see what was changed by hand.
    """

    id = "PS119"
    group = Group.PROVISIONING
    title = "the sign-in functions are as deployed"
    depends_on = (OutputsAreComplete, SignInFunctionsCanRun)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Compare the functions with the stack's template."""
        if not context.attaches_at_sign_in:
            return not_applicable(_NO_TRIGGER)
        return await asyncio.to_thread(_compare_with_template, context)


class FunctionsMayAttach(Check):
    """The roles of the functions that attach allow iot:AttachPolicy: trigger, worker, self-attach and sweep.

    Without it no sign-in attaches anything; the trigger returns all the same, and the attachment becomes a dead letter.
    """

    id = "PS118"
    group = Group.PROVISIONING
    title = "the functions are permitted to attach IoT policies"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Have IAM simulate the call."""
        functions = await asyncio.to_thread(context.functions_of, _ATTACHING)
        if not functions:
            return failed(
                f"The stack {context.stack} has no function that attaches.", resource=context.stack, fix=RESTORE
            )
        found = await asyncio.gather(*(asyncio.to_thread(_look_at_role, context, each) for each in functions))
        return next(filter(None, found), passed(f"{len(functions)} functions"))


def _look_at_role(context: Context, function: DeployedFunction) -> Finding | None:
    """Find out whether a function's role may attach; None if it may, or if the function was deleted."""
    if function.configuration is None:
        return None  # PS127, PS129 and PS606 report it.
    function_name, role_arn = function.name, function.configuration["Role"]
    simulated = context.aws.iam.simulate_principal_policy(
        PolicySourceArn=role_arn,
        ActionNames=[_ATTACH],
        ContextEntries=[
            {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": [value]}
            for key, kind, value in _known(context)
        ],
    )
    (result,) = simulated["EvaluationResults"]
    answer, role = read_simulation(result), role_name(role_arn)
    if answer.outcome is Outcome.ALLOWED:
        return None
    if answer.missing:
        return warning(
            f"Whether the role {role} may call {_ATTACH} turns on {', '.join(answer.missing)}, which is not known "
            f"here. If it may not, {function_name} attaches nobody.",
            resource=role,
            fix="See whether the condition is met where the function runs",
        )
    return failed(
        f"The role {role} may not call {_ATTACH} ({_refuser(answer) or result['EvalDecision']}), so {function_name} "
        "attaches nobody.",
        resource=role,
        fix=_allow(role, answer),
    )


def _known(context: Context) -> list[tuple[str, ContextKeyTypeEnumType, str]]:
    """Return what is known of a function's request; organizations often deny by region."""
    return [
        ("aws:RequestedRegion", "string", context.output(Output.REGION)),
        ("aws:SecureTransport", "boolean", "true"),
    ]


def _refuser(answer: AwsDecision) -> str | None:
    if answer.by_organization:
        return "a policy of the AWS organization does not allow it"
    return "its permissions boundary does not allow it" if answer.by_boundary else None


def _allow(role: str, answer: AwsDecision) -> Fix:
    """Return what lets a role attach; what another allows helps nothing where organization or boundary does not."""
    if answer.by_organization:
        return f"Ask who administers the AWS organization: its policies for this account must allow {_ATTACH}"
    if answer.by_boundary:
        return [
            f"Let the permissions boundary that this names allow {_ATTACH}, or take it off the role:",
            AwsCommand("iam", "GetRole", {"RoleName": role}),
        ]
    if answer.outcome is Outcome.IMPLICIT_DENY:
        return allow_attaching(role)
    return [
        "Take the deny off that one of these holds:",
        AwsCommand("iam", "ListRolePolicies", {"RoleName": role}),
        AwsCommand("iam", "ListAttachedRolePolicies", {"RoleName": role}),
    ]


def _lets_cognito(context: Context, function: str) -> bool:
    """Tell whether a function's policy lets the user pool invoke it.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    functions = context.aws.functions
    try:
        policy = json.loads(functions.get_policy(FunctionName=function)["Policy"])
    except functions.exceptions.ResourceNotFoundException:
        return False
    return allows_service(policy, _COGNITO, _pool_arn(context))


def _pool_arn(context: Context) -> str:
    return f"{arn_prefix(context, 'cognito-idp')}:userpool/{context.output(Output.USER_POOL_ID)}"


def _compare_with_template(context: Context) -> Finding:
    harmless: list[str] = []
    for function in context.functions_of(SIGN_IN_PARTS):
        if wrong := changed_since_deployed(context, function):
            return wrong
        harmless += harmless_changes(function)
        concurrency = function.reserved_concurrency
        if concurrency is not None and concurrency < _NESTED_EXECUTIONS:
            return failed(
                f"{function.name} is left {concurrency} concurrent execution(s): a internal sign-in takes two at once, "
                "and those beyond are refused, and fail the sign-in.",
                resource=function.name,
                fix=AwsCommand("lambda", "DeleteFunctionConcurrency", {"FunctionName": function.name}),
            )
    return passed(", ".join(harmless) or None)
