"""Checks of the user's connection, client id and messages."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from contextlib import aclosing

from awscrt.mqtt5 import DisconnectReasonCode

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import TopicsAreValid
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.endpoint import ClockAgrees
from pubsub_cli.checks.identity import POLICY_ACTS_SECONDS, PolicyIsAttached
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.permissions import CredentialsAreGiven, PolicyAllows, RoleAllows
from pubsub_cli.checks.roles import GroupRolesHoldThePolicies
from pubsub_cli.finding import Finding, failed, not_applicable, passed
from pubsub_cli.iam.roles import role_name
from pubsub_client import ConnectionState, PubSub
from pubsub_client.exceptions import ConnectionRefused
from pubsub_client.outputs import Output

_RETRY_SECONDS = 2.0
# Longer than the 5 s after which Amplify JS reconnects.
_WATCH_SECONDS = 10.0
_TAKEN_OVER = DisconnectReasonCode.SESSION_TAKEN_OVER.name
_ROUND_TRIPS = 20
# A connection may publish 100 messages a second, and the client delays more. The pauses avoid that, so that the times
# contain no delay.
# https://docs.aws.amazon.com/general/latest/gr/iot-core.html
_PAUSE_SECONDS = 0.02
_MESSAGE_SECONDS = 10.0
_NO_TOPIC = "needs a topic that the front end publishes to: --topic"


class UserConnects(Check):
    """A new attachment can take minutes to act, so the check retries a rejected connection."""

    id = "PS401"
    group = Group.CONNECTION
    title = "the user's signed WebSocket is accepted"
    depends_on = (ClockAgrees, PolicyIsAttached, RoleAllows, PolicyAllows, CredentialsAreGiven)
    requirements = frozenset({Requirement.TOKEN})
    retries = True

    async def run(self, context: Context) -> Finding:
        deadline = context.deadline()
        attempts = 1
        while (refusal := await self._connect(context)) is not None:
            if time.monotonic() + _RETRY_SECONDS > deadline:
                return _refused(context, refusal)
            attempts += 1
            await asyncio.sleep(_RETRY_SECONDS)
        details = [f"as {context.connected_as}"] if context.connected_as else []
        return passed(", ".join([*details, *([f"attempt {attempts}"] if attempts > 1 else [])]) or None)

    async def _connect(self, context: Context) -> ConnectionRefused | None:
        """Connect with a random client id; if that is denied, with the front end's. Return the last rejection."""
        refusal = await self._connect_as(context, None)
        if refusal and refusal.denied and context.front_end.client_id:
            refusal = await self._connect_as(context, context.front_end.client_id)
        return refusal

    async def _connect_as(self, context: Context, client_id: str | None) -> ConnectionRefused | None:
        try:
            pubsub = PubSub(context.provider(context.session), client_id=client_id)
            context.pubsub = await context.cleanup.enter_async_context(pubsub)
        except ConnectionRefused as refusal:
            return refusal
        context.connected_as = client_id
        return None


def _refused(context: Context, refusal: ConnectionRefused) -> Finding:
    """Return the finding for a rejection that the earlier checks do not explain."""
    if not refusal.denied:
        fix = "Read the response. PS404 and PS405 check the network path and the clock."
    elif context.unknown_permissions:
        fix = (
            "PS306 and PS307 could not decide whether the policies allow the connection. Check their conditions first."
        )
    elif context.as_operator:
        fix = (
            "The policies allow it, but AWS IoT can take up to 8 minutes to use them. Wait and check again:\n"
            f"{_rerun_and_wait(context)}"
        )
    else:
        fix = "Ask an operator to check the identity. If the deployment has self-attach, use it to attach the policy."
    return failed(str(refusal), resource=context.output(Output.PUBSUB_ENDPOINT), fix=fix)


def _rerun_and_wait(context: Context) -> str:
    """Return the command that repeats the run and waits as long as a policy can take to act."""
    command = context.rerun_command
    return command if "--timeout" in command else f"{command} --timeout {POLICY_ACTS_SECONDS}"


class UserSubscribes(Check):
    """The role and the attached IoT policy must allow iot:Subscribe on the topic filter."""

    id = "PS402"
    group = Group.CONNECTION
    title = "the user subscribes to a topic"
    depends_on = (UserConnects, TopicsAreValid)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        if not context.can_publish:
            return not_applicable(_NO_TOPIC)
        context.messages = await context.cleanup.enter_async_context(context.pubsub.subscribe(context.topic))
        return passed(context.topic)


class MessageComesBack(Check):
    """The role and the attached IoT policy must allow iot:Publish and iot:Receive on the topic."""

    id = "PS501"
    group = Group.CONNECTION
    title = "a published message comes back unchanged"
    depends_on = (UserSubscribes,)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        if not context.can_publish:
            return not_applicable(_NO_TOPIC)
        value = {
            "id": str(uuid.uuid4()),
            "text": "gr\u00fc\u00dfe \u2713",
            "numbers": [0, -1.5, 1e-9],
            "nothing": None,
            "yes": True,
        }
        try:
            received = await _round_trip(context, value)
        except TimeoutError:
            return failed(
                f"The message published to {context.topic} did not return within {_MESSAGE_SECONDS:.0f} s: iot:Publish "
                "or iot:Receive is not allowed on the topic.",
                resource=context.topic,
                fix="Compare the topic with the resources in the IoT policy and in the role's policies.",
            )
        if context.sign_in_started is not None:
            context.sign_in_to_message = time.monotonic() - context.sign_in_started
        if received != value:
            return failed(
                f"{value!r} was published to {context.topic}, but {received!r} was received.",
                resource=context.topic,
                fix="Check which other client publishes to this topic.",
            )
        seconds = context.sign_in_to_message
        return passed(None if seconds is None else f"{seconds:.1f} s after the sign-in began")


class RoundTrips(Check):
    """Slow messages are not a failure."""

    id = "PS502"
    group = Group.CONNECTION
    title = "round-trip times are measured"
    depends_on = (MessageComesBack,)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        if not context.can_publish or context.topic in context.front_end.topics:
            return not_applicable("only one message is sent to a topic of the front end")
        times = []
        for number in range(_ROUND_TRIPS):
            await asyncio.sleep(_PAUSE_SECONDS)
            sent = time.perf_counter()
            await _round_trip(context, {"number": number})
            times.append((time.perf_counter() - sent) * 1000)
        return passed(f"median {statistics.median(times):.1f} ms, longest {max(times):.1f} ms of {_ROUND_TRIPS}")


async def _round_trip(context: Context, value: object) -> object:
    async with asyncio.timeout(_MESSAGE_SECONDS):
        await context.pubsub.publish(context.topic, value)
        message = await anext(context.messages)
    return message.payload


class GroupUsersConnect(Check):
    """The check creates a test user in each group, so it is not applicable with `--user`."""

    id = "PS403"
    group = Group.CONNECTION
    title = "a user of each Cognito group connects"
    depends_on = (UserConnects, GroupRolesHoldThePolicies)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.TEST_USERS})

    async def run(self, context: Context) -> Finding:
        if not context.group_roles:
            return not_applicable("no group has a role")
        for name, role_arn in context.group_roles.items():
            try:
                await self._connect(context, name)
            except ConnectionRefused as refusal:
                role = role_name(role_arn)
                return failed(
                    f"AWS IoT rejects the connection of a user of group {name}: {refusal.reason}",
                    resource=role,
                    fix=f"aws iam list-attached-role-policies --role-name {role}\n"
                    "These policies must allow iot:Connect on client/<client id>. Compare the role's trust policy with "
                    "the one of AuthRole.",
                )
        return passed(", ".join(context.group_roles))

    async def _connect(self, context: Context, group: str) -> None:
        session = await context.sign_in_test_user(group=group)
        if not context.attaches_at_sign_in:
            await context.self_attach(session)
        async with PubSub(context.provider(session)):
            pass


class ClientIdIsUnshared(Check):
    """AWS IoT allows one connection for each client id. A newer connection disconnects the older one
    ([AWS](https://docs.aws.amazon.com/iot/latest/developerguide/audit-chk-conflicting-client-ids.html)), which then
    reconnects and disconnects the newer one.

    **The check disconnects the client that is connected with the client id**, and watches for ten seconds whether
    another client takes it over. Close the front end first; otherwise it is that other client.
    """

    id = "PS406"
    group = Group.CONNECTION
    title = "the client id is used by one connection"
    depends_on = (UserConnects,)
    requirements = frozenset({Requirement.TOKEN, Requirement.CLIENT_ID})

    async def run(self, context: Context) -> Finding:
        # This connection does not reconnect after a takeover, so that no client is disconnected twice.
        client_id = context.front_end.client_id
        if client_id is None:
            raise TypeError("needs a client id")
        try:
            if context.connected_as == client_id:
                reason = await _disconnect_reason(context.pubsub)
            else:
                async with PubSub(context.provider(context.session), client_id=client_id) as pubsub:
                    reason = await _disconnect_reason(pubsub)
        except ConnectionRefused as refusal:
            return failed(
                f"AWS IoT rejects the client id {client_id}, but accepted a random one: {refusal.reason}",
                resource=client_id,
                fix="Connect with a client id that role and policy allow. Or allow this one: iot:Connect on "
                f"client/{client_id}",
            )
        if reason is None:
            return passed(f"{client_id} for {_WATCH_SECONDS:.0f} s")
        how = "was taken over" if _TAKEN_OVER in reason else "was closed, as after a takeover"
        return failed(
            f"The connection with the client id {client_id} {how} ({reason}). Another client uses the same client id, "
            "so the two disconnect each other again and again.",
            resource=client_id,
            fix="Use each client id for one connection only. Omit clientId in Amplify's PubSub, which then generates a "
            "random one, or generate one for each tab and device.",
        )


async def _disconnect_reason(pubsub: PubSub) -> str | None:
    """Return why the connection was closed; None if it stayed open while it was watched."""
    try:
        async with asyncio.timeout(_WATCH_SECONDS), aclosing(pubsub.states()) as changes:
            async for state, reason in changes:
                if state is ConnectionState.DISCONNECTED:
                    return reason or "without a reason"
    except TimeoutError:
        pass
    return None
