"""Can the sweep and the bulk detachment start: do their state machines and schedules work?"""

from __future__ import annotations

import asyncio

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import Function
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.stack_resources import (
    DRIFT_SCHEDULE,
    RESTORE,
    SWEEP_SCHEDULE,
    SWEEP_SCHEDULE_ROLE,
    arn_prefix,
    find_resource,
)
from pubsub_cli.finding import AwsCommand, Finding, failed, passed, skipped
from pubsub_client.outputs import Output

_NO_SWEEP = "the stack is of an older version, which has no sweep"
_MACHINES = {
    Output.SWEEP_STATE_MACHINE_ARN: "missed users stay without the policy",
    Output.DETACH_ALL_STATE_MACHINE_ARN: "`pubsub detach --all` and the deletion of the stack fail",
}


class StateMachinesAreActive(Check):
    """The state machines of the sweep and of the bulk detachment are active.

    A state machine that is deleted or being deleted starts no execution: missed users stay without the policy, and the
    stack cannot detach the policy before it deletes it.
    """

    id = "PS604"
    group = Group.OPERATIONS
    title = "the state machines are active"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Describe both state machines."""
        machines = {context.outputs[name]: impact for name, impact in _MACHINES.items() if name in context.outputs}
        if not machines:
            return skipped(_NO_SWEEP)
        states = await asyncio.gather(*(asyncio.to_thread(_status, context, arn) for arn in machines))
        for (arn, impact), status in zip(machines.items(), states, strict=True):
            if status != "ACTIVE":
                state = "was deleted" if status is None else f"is {status}"
                return failed(f"The state machine {_name(arn)} {state}: {impact}.", resource=arn, fix=RESTORE)
        return passed(", ".join(map(_name, machines)))


def _status(context: Context, arn: str) -> str | None:
    """Return a state machine's status; None if it does not exist."""
    states = context.aws.state_machines
    try:
        return states.describe_state_machine(stateMachineArn=arn)["status"]
    except states.exceptions.StateMachineDoesNotExist:
        return None


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


class SchedulesAreEnabled(Check):
    """The rule that starts the sweep once a day is enabled, and its target is the sweep.

    The sweep attaches the policy for users whom no sign-in attached, such as those from before the deployment. In
    stacks that adopt pools, the check includes the rule of the drift detector.
    """

    id = "PS605"
    group = Group.OPERATIONS
    title = "the sweep's schedule is enabled"
    depends_on = (OutputsAreComplete, StateMachinesAreActive)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Describe the rules, and list their targets."""
        if Output.SWEEP_STATE_MACHINE_ARN not in context.outputs:
            return skipped(_NO_SWEEP)
        return await asyncio.to_thread(_check_rules, context)


def _check_rules(context: Context) -> Finding:
    rules = {SWEEP_SCHEDULE: context.output(Output.SWEEP_STATE_MACHINE_ARN)}
    if detector := next(iter(context.functions_of({Function.DRIFT_DETECTOR})), None):
        rules[DRIFT_SCHEDULE] = detector.arn
    schedules = []
    for resource, target in rules.items():
        rule = find_resource(context, resource)
        if rule is None:
            return failed(f"The stack has no rule {resource.construct_id}.", resource=context.stack, fix=RESTORE)
        name = rule.rpartition("/")[2]
        if found := _check_rule(context, name, target):
            return found
        schedules.append(name)
    return passed(", ".join(schedules))


def _check_rule(context: Context, name: str, target: str) -> Finding | None:
    events = context.aws.events
    impact = f"{_name(target)} does not start automatically"
    try:
        rule = events.describe_rule(Name=name)
    except events.exceptions.ResourceNotFoundException:
        return failed(f"The rule {name} was deleted: {impact}.", resource=name, fix=RESTORE)
    if rule["State"] == "DISABLED":
        return failed(
            f"The rule {name} is disabled: {impact}.",
            resource=name,
            fix=AwsCommand("events", "EnableRule", {"Name": name}, safe=True),
        )
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    if target in [each["Arn"] for each in targets]:
        return None
    role = find_resource(context, SWEEP_SCHEDULE_ROLE)
    # ARNs of IAM have no region.
    starter = {"RoleArn": f"{arn_prefix(context, 'iam').replace(context.output(Output.REGION), '')}:role/{role}"}
    started = {"Id": "Target0", "Arn": target, **(starter if ":stateMachine:" in target else {})}
    return failed(
        f"The rule {name} does not start {_name(target)}.",
        resource=name,
        fix=AwsCommand("events", "PutTargets", {"Rule": name, "Targets": [started]}, safe=True),
    )
