"""Does AWS IoT take the user's signed WebSocket, and what the user asks on it?"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING

from pubsub_client import PubSub
from pubsub_client.checks.authorization import CredentialsAreGiven, RoleHoldsThePolicies
from pubsub_client.checks.check import Check, Finding, Group, failed, passed
from pubsub_client.checks.identity import PolicyIsAttached
from pubsub_client.exceptions import ConnectionRefused
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from pubsub_client.checks.context import Context

_TRY_EVERY_SECONDS = 2.0


class UserConnects(Check):
    """The user's signed WebSocket is accepted.

    A fresh attachment can take minutes to act on AWS, so a refusal is tried again until the deadline.
    """

    id = "PS401"
    group = Group.CONNECTION
    title = "AWS IoT accepts the user's signed WebSocket"
    rests_on = (PolicyIsAttached, RoleHoldsThePolicies, CredentialsAreGiven)

    async def run(self, context: Context) -> Finding:
        """Connect, and stay connected for the checks that follow."""
        provider = context.provider(context.session)
        deadline = time.monotonic() + context.timeout
        attempts = 1
        while True:
            try:
                context.pubsub = await context.cleanup.enter_async_context(PubSub(provider))
                break
            except ConnectionRefused as refusal:
                if time.monotonic() + _TRY_EVERY_SECONDS > deadline:
                    return failed(
                        str(refusal),
                        resource=context.output(Output.PUBSUB_ENDPOINT),
                        fix=f"aws iot list-attached-policies --target {context.identity_id}\n"
                        "compare the policy and AuthRole's policies with iot:Connect on client/<client id>",
                    )
            attempts += 1
            await asyncio.sleep(_TRY_EVERY_SECONDS)
        return passed(f"attempt {attempts}" if attempts > 1 else None)


class UserSubscribes(Check):
    """The user may subscribe to a topic.

    Needs iot:Subscribe on the topic filter from the role and from the attached policy.
    """

    id = "PS402"
    group = Group.CONNECTION
    title = "the user subscribes to a topic"
    rests_on = (UserConnects,)

    async def run(self, context: Context) -> Finding:
        """Subscribe to a topic that nobody else uses."""
        context.topic = f"pubsub-smoke/{uuid.uuid4()}"
        context.messages = await context.cleanup.enter_async_context(context.pubsub.subscribe(context.topic))
        return passed(context.topic)
