"""Does a role of signed-in users hold what the guide asks for, and does the guard keep them off the control plane?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from pubsub_cli.checks.context import Context
from pubsub_cli.checks.stack_resources import stack_resources
from pubsub_cli.finding import AwsCommand, Finding, failed, not_applicable, passed
from pubsub_cli.iam.roles import attached_policies
from pubsub_client.outputs import MANAGED_POLICIES, Output

_EXPOSED = "AWSIoTConfigAccess may now let every signed-in user rewrite the IoT policy for all."


async def look_at_role(context: Context, role_name: str, who: str) -> Finding:
    """Find out whether a role holds the policies and is guarded.

    Args:
        context: the run.
        role_name: the role.
        who: what the role is, as a sentence about it begins.
    """
    try:
        attached = await asyncio.to_thread(attached_policies, context.aws.iam, role_name)
    except context.aws.iam.exceptions.NoSuchEntityException:
        if role_name == context.output(Output.AUTH_ROLE_ARN).rpartition("/")[2]:
            return not_applicable(
                f"{who} does not exist: whether the identity pool gives it to anybody is PS304's question"
            )
        return failed(
            f"{who} does not exist, so the identity pool has no credentials for its users.",
            resource=role_name,
            fix="Name a group's role in the setting groups and deploy again, or delete a group no longer wanted: "
            f"aws cognito-idp delete-group --user-pool-id {context.output(Output.USER_POOL_ID)} --group-name ...",
        )
    if context.own_topics:
        return _look_at_least_privilege(role_name, who, attached)
    guard = None if context.output(Output.ACCESS_MODE) == "unguarded" else await asyncio.to_thread(_guard, context)
    unguarded = await asyncio.to_thread(_unguarded, context, guard, role_name, attached) if guard else None
    if missing := [name for name in MANAGED_POLICIES if name not in attached]:
        partition = context.output(Output.AUTH_ROLE_ARN).split(":")[1]
        attach = [_attach(role_name, f"arn:{partition}:iam::aws:policy/{name}") for name in missing]
        return failed(
            f"{who} lacks {' and '.join(missing)}: AWS IoT allows a signed-in user only what both the role "
            "and the IoT policy allow.",
            resource=role_name,
            # The guard first: without it what AWSIoTConfigAccess allows would be open to everybody meanwhile.
            fix=[unguarded.fix, *attach] if unguarded else attach,
        )
    if unguarded:
        return failed(f"{who} {unguarded.lacks}: {_EXPOSED}", resource=role_name, fix=unguarded.fix)
    return passed(guard.told if guard else "not guarded, as accessMode unguarded wants it")


def _look_at_least_privilege(role_name: str, who: str, attached: Mapping[str, str]) -> Finding:
    """Find out whether a role holds more than its users' own topics; what it allows of these is PS306's question."""
    held = [name for name in MANAGED_POLICIES if name in attached]
    control_plane = attached.get("AWSIoTConfigAccess")
    denied = any("ControlPlaneDeny" in name for name in attached)
    if control_plane and not denied:
        return failed(
            f"{who} holds AWSIoTConfigAccess, which accessMode least-privilege does not give: {_EXPOSED}",
            resource=role_name,
            fix=AwsCommand("iam", "DetachRolePolicy", {"RoleName": role_name, "PolicyArn": control_plane}),
        )
    if held:
        return passed(f"it holds {' and '.join(held)} besides: the IoT policy alone keeps users to their topics")
    return passed("the data actions alone, as accessMode least-privilege wants it")


@dataclass(frozen=True)
class _Unguarded:
    """How a role is without its guard, as a sentence about it goes on, and the command that gives it."""

    lacks: str
    fix: AwsCommand


def _unguarded(context: Context, guard: _Guard, role_name: str, attached: Mapping[str, str]) -> _Unguarded | None:
    """Find out whether the guard keeps a role's users off the control plane; None if it does."""
    if not guard.bounds:
        guarded = guard.arn in attached.values()
        return None if guarded else _Unguarded(f"lacks {guard.name}", _attach(role_name, guard.arn))
    role = context.aws.iam.get_role(RoleName=role_name)["Role"]
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundary == guard.arn:
        return None
    parameters = {"RoleName": role_name, "PermissionsBoundary": guard.arn}
    return _Unguarded(
        f"has {boundary or 'nothing'} as its permissions boundary, not the stack's",
        AwsCommand("iam", "PutRolePermissionsBoundary", parameters, safe=boundary is None),
    )


def _attach(role_name: str, policy_arn: str) -> AwsCommand:
    return AwsCommand("iam", "AttachRolePolicy", {"RoleName": role_name, "PolicyArn": policy_arn}, safe=True)


# In the logical ids of what stacks/roles.py creates.
_GUARDS = ("SignedInBoundary", "ControlPlaneDeny")


@dataclass(frozen=True)
class _Guard:
    """What keeps signed-in users off the control plane: a managed policy of the stack."""

    arn: str
    bounds: bool
    """Whether it is a permissions boundary; a policy that denies otherwise."""

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def told(self) -> str:
        """What it is, for people."""
        return f"{'boundary' if self.bounds else 'deny'} {self.name}"


def _guard(context: Context) -> _Guard:
    # A stack that is not ours alone has managed policies of its own.
    (guard,) = (
        each
        for each in stack_resources(context, "AWS::IAM::ManagedPolicy")
        if any(name in each["LogicalResourceId"] for name in _GUARDS)
    )
    return _Guard(guard["PhysicalResourceId"], bounds="Boundary" in guard["LogicalResourceId"])
