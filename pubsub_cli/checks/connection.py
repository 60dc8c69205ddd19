"""Does AWS IoT take the user's signed WebSocket, and what the user asks on it?"""

from __future__ import annotations

import asyncio
import time

from pubsub_cli.checks.app_settings import TopicsAreUsable
from pubsub_cli.checks.authorization import CredentialsAreGiven, GroupRolesHoldThePolicies
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.endpoint import ClockAgrees
from pubsub_cli.checks.identity import POLICY_ACTS_SECONDS, PolicyIsAttached
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.permissions import PolicyAllows, RoleAllows
from pubsub_cli.finding import Finding, failed, not_applicable, passed
from pubsub_cli.iam.roles import role_name
from pubsub_client import PubSub
from pubsub_client.exceptions import ConnectionRefused
from pubsub_client.outputs import Output

_TRY_EVERY_SECONDS = 2.0
NO_TOPIC = "needs a topic that the front end publishes to: --topic"
"""Why no message is sent in a deployment of which no topic is known."""


class UserConnects(Check):
    """The user's signed WebSocket is accepted.

    A fresh attachment can take minutes to act on AWS, so a refusal is tried again until the deadline.
    """

    id = "PS401"
    group = Group.CONNECTION
    title = "the user's signed WebSocket is accepted"
    depends_on = (ClockAgrees, PolicyIsAttached, RoleAllows, PolicyAllows, CredentialsAreGiven)
    requirements = frozenset({Requirement.TOKEN})
    retry_seconds = POLICY_ACTS_SECONDS

    async def run(self, context: Context) -> Finding:
        """Connect, and stay connected for the checks that follow."""
        deadline = context.deadline(self.retry_seconds)
        attempts = 1
        while (refusal := await self._connect(context)) is not None:
            if time.monotonic() + _TRY_EVERY_SECONDS > deadline:
                return _refused(context, refusal)
            attempts += 1
            await asyncio.sleep(_TRY_EVERY_SECONDS)
        told = [f"as {context.connected_as}"] if context.connected_as else []
        return passed(", ".join([*told, *([f"attempt {attempts}"] if attempts > 1 else [])]) or None)

    async def _connect(self, context: Context) -> ConnectionRefused | None:
        """Connect with a random client id, and if that one is denied with the front end's; return the last refusal."""
        provider = context.provider(context.session)
        refusal: ConnectionRefused | None = None
        for client_id in dict.fromkeys((None, context.front_end.client_id)):
            if refusal and not refusal.denied:
                break
            try:
                pubsub = PubSub(provider, client_id=client_id)
                context.pubsub = await context.cleanup.enter_async_context(pubsub)
            except ConnectionRefused as error:
                refusal = error
            else:
                context.connected_as = client_id
                return None
        return refusal


def _refused(context: Context, refusal: ConnectionRefused) -> Finding:
    """Say what a refusal comes from; the checks before have found nothing that it could be."""
    if not refusal.denied:
        fix = "See what the answer says; PS404 and PS405 look at the way there and at the clock."
    elif context.as_operator:
        fix = "What is attached allows it, but may not act yet: AWS IoT takes up to 8 minutes. Wait, and see:\n" + (
            context.rerun_command
            if "--wait" in context.rerun_command or context.allow_probes
            else f"{context.rerun_command} --wait"
        )
    else:
        fix = (
            "Have an operator look at the identity, or attach the policy yourself where the deployment has self-attach."
        )
    return failed(str(refusal), resource=context.output(Output.PUBSUB_ENDPOINT), fix=fix)


class UserSubscribes(Check):
    """The user may subscribe to a topic.

    Needs iot:Subscribe on the topic filter from the role and from the attached policy.
    """

    id = "PS402"
    group = Group.CONNECTION
    title = "the user subscribes to a topic"
    depends_on = (UserConnects, TopicsAreUsable)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        """Subscribe to a topic that nobody else uses."""
        if not context.can_publish:
            return not_applicable(NO_TOPIC)
        context.messages = await context.cleanup.enter_async_context(context.pubsub.subscribe(context.topic))
        return passed(context.topic)


class GroupUsersConnect(Check):
    """A user of each Cognito group connects with the credentials of the group's role.

    Skipped with `--user`, when no user may be made.
    """

    id = "PS403"
    group = Group.CONNECTION
    title = "a user of each Cognito group connects"
    depends_on = (UserConnects, GroupRolesHoldThePolicies)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.TEST_USERS})

    async def run(self, context: Context) -> Finding:
        """Make a user in each group, sign in and connect."""
        for name, role_arn in context.group_roles.items():
            try:
                await self._connect(context, name)
            except ConnectionRefused as refusal:
                role = role_name(role_arn)
                return failed(
                    f"A user of group {name} is refused: {refusal.reason}",
                    resource=role,
                    fix=f"aws iam list-attached-role-policies --role-name {role}\n"
                    "compare them with iot:Connect on client/<client id>, and the role's trust with AuthRole's",
                )
        return passed(", ".join(context.group_roles) or "no group has a role")

    async def _connect(self, context: Context, group: str) -> None:
        user = await context.create_user(group=group)
        session = context.new_session()
        await session.sign_in(user.name, user.password)
        context.sign_out_at_end(session)
        context.users.track_identity(await session.identity_id())
        if not context.attaches_at_sign_in:
            await context.self_attach(session)
        async with PubSub(context.provider(session)):
            pass
