"""Can the sweep and the bulk detachment start: by their state machines, and the sweep by its schedule?"""

from __future__ import annotations

import asyncio

from pubsub_cli.checks.arn import arn_prefix
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import Part
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.restoring import RESTORE
from pubsub_cli.checks.stack_resources import named
from pubsub_cli.finding import AwsCommand, Finding, failed, passed, skipped
from pubsub_client.outputs import Output

_OLDER = "the stack is of an older version, which has no sweep"
_MACHINES = {
    Output.SWEEP_STATE_MACHINE_ARN: "no sweep attaches users who were missed",
    Output.DETACH_ALL_STATE_MACHINE_ARN: "`pubsub detach --all` and the deletion of the stack fail",
}


class StateMachinesAreActive(Check):
    """The state machines of the sweep and of the bulk detachment are active.

    One that was deleted, or is being deleted, starts no execution: users who were missed stay without the policy, and
    the stack cannot detach it from everybody before it deletes it.
    """

    id = "PS604"
    group = Group.OPERATIONS
    title = "the state machines are active"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Describe both state machines."""
        machines = {context.outputs[name]: so for name, so in _MACHINES.items() if name in context.outputs}
        if not machines:
            return skipped(_OLDER)
        states = await asyncio.gather(*(asyncio.to_thread(_status, context, arn) for arn in machines))
        for (arn, so), status in zip(machines.items(), states, strict=True):
            if status != "ACTIVE":
                is_now = "was deleted" if status is None else f"is {status}"
                return failed(f"The state machine {_name(arn)} {is_now}: {so}.", resource=arn, fix=RESTORE)
        return passed(", ".join(map(_name, machines)))


def _status(context: Context, arn: str) -> str | None:
    """Return a state machine's status; None if there is none."""
    states = context.aws.state_machines
    try:
        return states.describe_state_machine(stateMachineArn=arn)["status"]
    except states.exceptions.StateMachineDoesNotExist:
        return None


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


class SchedulesAreEnabled(Check):
    """The rule that starts the sweep once a day is enabled, and starts it.

    The sweep attaches users whom no sign-in attached, such as those from before the deployment. Where pools are
    adopted, the rule of the drift detector is checked as well.
    """

    id = "PS605"
    group = Group.OPERATIONS
    title = "the sweep's schedule is enabled"
    depends_on = (OutputsAreComplete, StateMachinesAreActive)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Describe the rules, and list what they start."""
        if Output.SWEEP_STATE_MACHINE_ARN not in context.outputs:
            return skipped(_OLDER)
        return await asyncio.to_thread(_look_at_rules, context)


def _look_at_rules(context: Context) -> Finding:
    rules = {"SweepSchedule": context.output(Output.SWEEP_STATE_MACHINE_ARN)}
    if detector := next(iter(context.functions_of({Part.DRIFT_DETECTOR})), None):
        rules["DriftDetectorSchedule"] = detector.arn
    schedules = []
    for part, target in rules.items():
        rule = named(context, "AWS::Events::Rule", part)
        if rule is None:
            return failed(f"The stack has no rule {part}.", resource=context.stack, fix=RESTORE)
        name = rule.rpartition("/")[2]
        if wrong := _wrong_rule(context, name, target):
            return wrong
        schedules.append(name)
    return passed(", ".join(schedules))


def _wrong_rule(context: Context, name: str, target: str) -> Finding | None:
    events = context.aws.events
    so = f"{_name(target)} does not start by itself"
    try:
        rule = events.describe_rule(Name=name)
    except events.exceptions.ResourceNotFoundException:
        return failed(f"The rule {name} was deleted: {so}.", resource=name, fix=RESTORE)
    if rule["State"] == "DISABLED":
        return failed(
            f"The rule {name} is disabled: {so}.",
            resource=name,
            fix=AwsCommand("events", "EnableRule", {"Name": name}, safe=True),
        )
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    if target in [each["Arn"] for each in targets]:
        return None
    role = named(context, "AWS::IAM::Role", "SweepMachineStateMachineEventsRole")
    # IAM's ARNs name no region.
    by_role = {"RoleArn": f"{arn_prefix(context, 'iam').replace(context.output(Output.REGION), '')}:role/{role}"}
    started = {"Id": "Target0", "Arn": target, **(by_role if ":stateMachine:" in target else {})}
    return failed(
        f"The rule {name} does not start {_name(target)}.",
        resource=name,
        fix=AwsCommand("events", "PutTargets", {"Rule": name, "Targets": [started]}, safe=True),
    )
