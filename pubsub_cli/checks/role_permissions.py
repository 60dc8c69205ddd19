"""Do the roles of signed-in users allow what the front end does?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pubsub_cli.checks.authorization import GroupRolesHoldThePolicies, RoleHoldsThePolicies
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import TopicsAreValid
from pubsub_cli.checks.context import Context, RoleInUse
from pubsub_cli.checks.permissions import Judgement, asked_facts, asked_requests, judge
from pubsub_cli.checks.role_mapping import MappingGivesARole
from pubsub_cli.finding import AwsCommand, Finding, Status, failed, passed, warning
from pubsub_cli.iam.decision import Outcome, decide
from pubsub_cli.iam.document import Policy
from pubsub_cli.iam.repair import put_right, without_denials
from pubsub_cli.iam.role import Role, read_role
from pubsub_cli.iam.simulation import ask_iam

_ORGANIZATION = (
    "Ask who administers the AWS organization: its policies for this account must allow iot:Connect, iot:Subscribe, "
    "iot:Publish and iot:Receive"
)


class RoleAllows(Check):
    """The role that signed-in users get lets them connect, subscribe, publish and receive.

    AWS IoT asks the role and the IoT policy, and closes the connection of whom one of them denies. IAM's simulator
    decides, which knows the permissions boundary and the organization's policies; the role's documents tell why. A
    condition on what is not known here, such as an address, is told and not guessed.
    """

    id = "PS306"
    group = Group.AUTHORIZATION
    title = "the role allows connect, subscribe, publish and receive"
    depends_on = (TopicsAreValid, MappingGivesARole, RoleHoldsThePolicies, GroupRolesHoldThePolicies)

    async def run(self, context: Context) -> Finding:
        """Read the roles' policies, and have IAM simulate the requests."""
        findings = [await asyncio.to_thread(_look, context, role) for role in context.roles]
        worst = (each for status in (Status.FAILED, Status.WARNING) for each in findings if each.status is status)
        return next(worst, passed("; ".join(dict.fromkeys(each.detail for each in findings if each.detail))))


def _look(context: Context, in_use: RoleInUse) -> Finding:
    iam = context.aws.iam
    role = read_role(iam, in_use.arn)
    facts = asked_facts(context, role.arn)
    asked = asked_requests(context)
    judgement = judge(
        asked,
        lambda request: decide(request, role.policies, facts, role.boundary),
        lambda: ask_iam(iam, role.arn, asked, facts),
        role.policies,
        facts,
    )
    if denied := judgement.denied:
        return failed(
            f"{in_use.who} ({role.name}) does not let its users {judgement.text(denied)}. AWS IoT asks the role as "
            "well as the IoT policy, and closes the connection.",
            resource=role.arn,
            fix=list(_fix(role, judgement, ours=context.deployment_ids is None)),
        )
    if undecided := judgement.undecided:
        return warning(
            f"Whether {in_use.who[0].lower()}{in_use.who[1:]} ({role.name}) lets its users "
            f"{judgement.text(undecided)}. What of it is true for a front end is not known here.",
            resource=role.arn,
            fix="See whether the condition is met where the front end runs",
        )
    return passed(judgement.detail)


def _fix(role: Role, judgement: Judgement, *, ours: bool) -> Iterator[str | AwsCommand]:
    """Yield what lets the role allow what it denies, each once.

    AWSIoTDataAccess allows everything: what a stack deploys, and more than others may have meant their role to allow.
    """
    partition = role.arn.split(":")[1]
    data_access = f"arn:{partition}:iam::aws:policy/AWSIoTDataAccess"
    denying: dict[str, Policy] = {}
    told = set()
    for verdict in judgement.denied:
        decision, answer = verdict.decision, verdict.answer
        if answer and answer.by_organization:
            told.add("organization")
        elif decision.outcome is Outcome.EXPLICIT_DENY and decision.policy:
            denying[decision.policy.key] = decision.policy
        elif decision.outcome is Outcome.IMPLICIT_DENY:
            told.add("boundary" if decision.policy else "role")
        else:
            told.add("simulator")
    asked = [each.request for each in judgement.denied]
    for policy in denying.values():
        yield _change(role, policy, without_denials(policy, asked, judgement.facts))
    if "role" in told:
        yield AwsCommand("iam", "AttachRolePolicy", {"RoleName": role.name, "PolicyArn": data_access}, safe=ours)
    if "boundary" in told and role.boundary:
        within = put_right(role.boundary, asked, judgement.facts)
        yield _change(role, role.boundary, within or {"Statement": []})
    if "organization" in told:
        yield _ORGANIZATION
    if "simulator" in told:
        yield "See what IAM's policy simulator says of the role: https://policysim.aws.amazon.com"


def _change(role: Role, policy: Policy, document: Mapping[str, Any]) -> AwsCommand:
    """Return the command that gives a policy of a role another document, or takes it off if nothing is left of it."""
    text = json.dumps(document, separators=(",", ":"))
    bounds = role.boundary is not None and policy.key == role.boundary.key
    if not policy.key.startswith("arn:"):
        names = {"RoleName": role.name, "PolicyName": policy.key}
        if not document["Statement"]:
            return AwsCommand("iam", "DeleteRolePolicy", names)
        return AwsCommand("iam", "PutRolePolicy", names | {"PolicyDocument": text})
    if document["Statement"] and ":iam::aws:" not in policy.key:
        return AwsCommand(
            "iam", "CreatePolicyVersion", {"PolicyArn": policy.key, "PolicyDocument": text, "SetAsDefault": True}
        )
    if bounds:
        return AwsCommand("iam", "DeleteRolePermissionsBoundary", {"RoleName": role.name})
    return AwsCommand("iam", "DetachRolePolicy", {"RoleName": role.name, "PolicyArn": policy.key})
