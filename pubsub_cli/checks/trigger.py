"""Can the sign-in trigger work: may the pool invoke it, is it as deployed, may the functions attach?"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import SIGN_IN_FUNCTIONS, DeployedFunction, Function
from pubsub_cli.checks.functions import SignInFunctionsCanRun, changed_settings, why_it_differs
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.stack_resources import RESTORE, allows_service, arn_prefix
from pubsub_cli.checks.trigger_log import allow_attach
from pubsub_cli.finding import AwsCommand, Finding, Fix, failed, not_applicable, passed, warning
from pubsub_cli.iam.evaluation import AwsDecision, Outcome
from pubsub_cli.iam.roles import role_name
from pubsub_cli.iam.simulation import read_simulation
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import ContextEntryTypeDef

_NO_TRIGGER = "attachment is self-attach: there is no trigger"
_ATTACH = "iot:AttachPolicy"
_COGNITO = "cognito-idp.amazonaws.com"
_ATTACHING = frozenset({Function.TRIGGER, Function.WORKER, Function.SELF_ATTACH, Function.SWEEP})
_SIGN_IN_EXECUTIONS = 2
"""Concurrent executions of the trigger in one sign-in: the internal sign-in invokes it again."""


class PoolMayInvoke(Check):
    """The user pool may invoke the functions of the sign-in.

    A function's resource-based policy must allow it. Without Cognito in it every sign-in fails with an
    UnexpectedLambdaException.
    """

    id = "PS114"
    group = Group.PROVISIONING
    title = "the user pool may invoke its trigger functions"
    depends_on = (OutputsAreComplete, SignInFunctionsCanRun)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Read the resource-based policies of the functions."""
        if not context.attaches_at_sign_in:
            return not_applicable(_NO_TRIGGER)
        return await asyncio.to_thread(_check_permissions, context)


def _check_permissions(context: Context) -> Finding:
    pool_id = context.output(Output.USER_POOL_ID)
    pool_arn = f"{arn_prefix(context, 'cognito-idp')}:userpool/{pool_id}"
    for name in [each.name for each in context.functions_of(SIGN_IN_FUNCTIONS)]:
        if not _allows_pool(context, name, pool_arn):
            permission = {
                "FunctionName": name,
                "StatementId": "CognitoInvokes",
                "Action": "lambda:InvokeFunction",
                "Principal": _COGNITO,
                "SourceArn": pool_arn,
            }
            return failed(
                f"User pool {pool_id} may not invoke {name}: every sign-in fails.",
                resource=name,
                fix=AwsCommand("lambda", "AddPermission", permission, safe=True),
            )
    return passed()


def _allows_pool(context: Context, function: str, pool_arn: str) -> bool:
    functions = context.aws.functions
    try:
        policy = json.loads(functions.get_policy(FunctionName=function)["Policy"])
    except functions.exceptions.ResourceNotFoundException:
        return False
    return allows_service(policy, _COGNITO, pool_arn)


class TriggerIsAsDeployed(Check):
    """The functions of the sign-in have their deployed handler and variables, and no less time and memory.

    Otherwise they fail, or exceed the five seconds that Cognito waits. With fewer than two reserved concurrent
    executions the internal sign-in is throttled. More time or memory, or another runtime, are shown and pass.
    `cdk deploy` does not see manual changes.
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


def _compare_with_template(context: Context) -> Finding:
    harmless: list[str] = []
    for function in context.functions_of(SIGN_IN_FUNCTIONS):
        if found := why_it_differs(context, function):
            return found
        changed = changed_settings(function).items()
        harmless += [f"{function.name}: {name} {current} instead of {was}" for name, (current, was) in changed]
        concurrency = function.reserved_concurrency
        if concurrency is not None and concurrency < _SIGN_IN_EXECUTIONS:
            return failed(
                f"The reserved concurrency of {function.name} is {concurrency}. An internal sign-in needs two "
                "executions at once; Lambda throttles further ones, and the sign-in fails.",
                resource=function.name,
                fix=AwsCommand("lambda", "DeleteFunctionConcurrency", {"FunctionName": function.name}),
            )
    return passed(", ".join(harmless) or None)


class FunctionsMayAttach(Check):
    """The roles of the functions that attach policies allow iot:AttachPolicy: trigger, worker, self-attach and sweep.

    Without it no sign-in attaches the policy. The trigger succeeds nevertheless, and the attachment moves to the
    dead-letter queue.
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
            cause = f"The stack {context.stack} has no function that attaches policies."
            return failed(cause, resource=context.stack, fix=RESTORE)
        found = await asyncio.gather(*(asyncio.to_thread(_check_role, context, each) for each in functions))
        return next(filter(None, found), passed(f"{len(functions)} functions"))


def _check_role(context: Context, function: DeployedFunction) -> Finding | None:
    if function.configuration is None:
        return None  # reported by PS127, PS129 and PS606
    role_arn = function.configuration["Role"]
    # Organizations often deny by region.
    entries: list[ContextEntryTypeDef] = [
        {
            "ContextKeyName": "aws:RequestedRegion",
            "ContextKeyType": "string",
            "ContextKeyValues": [context.output(Output.REGION)],
        },
        {"ContextKeyName": "aws:SecureTransport", "ContextKeyType": "boolean", "ContextKeyValues": ["true"]},
    ]
    simulated = context.aws.iam.simulate_principal_policy(
        PolicySourceArn=role_arn, ActionNames=[_ATTACH], ContextEntries=entries
    )
    (result,) = simulated["EvaluationResults"]
    decision, role = read_simulation(result), role_name(role_arn)
    if decision.outcome is Outcome.ALLOWED:
        return None
    if decision.missing:
        return warning(
            f"It is not known whether the role {role} allows {_ATTACH}: it depends on {', '.join(decision.missing)}. "
            f"If it does not, {function.name} attaches no policies.",
            resource=role,
            fix="See whether the condition is met for the function",
        )
    cause, fix = _reason_and_fix(role, decision)
    return failed(
        f"The role {role} does not allow {_ATTACH} ({cause}), so {function.name} attaches no policies.",
        resource=role,
        fix=fix,
    )


def _reason_and_fix(role: str, decision: AwsDecision) -> tuple[str, Fix]:
    if decision.by_organization:
        fix = f"Ask who administers the AWS organization: its policies for this account must allow {_ATTACH}"
        return "a policy of the AWS organization does not allow it", fix
    if decision.by_boundary:
        get_role = AwsCommand("iam", "GetRole", {"RoleName": role})
        return "its permissions boundary does not allow it", [
            f"Allow {_ATTACH} in the permissions boundary that this command names, or remove it from the role:",
            get_role,
        ]
    if decision.outcome is Outcome.IMPLICIT_DENY:
        return decision.outcome, allow_attach(role)
    return decision.outcome, [
        "Remove the deny from the policy that contains it:",
        AwsCommand("iam", "ListRolePolicies", {"RoleName": role}),
        AwsCommand("iam", "ListAttachedRolePolicies", {"RoleName": role}),
    ]
