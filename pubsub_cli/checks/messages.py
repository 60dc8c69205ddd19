"""Does a message come back as it was sent, and how fast?"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.connection import NO_TOPIC, UserSubscribes
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.finding import Finding, failed, not_applicable, passed

_ROUND_TRIPS = 20
# A connection may publish 100 messages a second and the client paces itself; the pauses keep that out of the times.
# https://docs.aws.amazon.com/general/latest/gr/iot-core.html
_PAUSE_SECONDS = 0.02
_MESSAGE_SECONDS = 10.0


class MessageComesBack(Check):
    """A published JSON value is received unchanged.

    Needs iot:Publish and iot:Receive on the topic from the role and from the attached policy.
    """

    id = "PS501"
    group = Group.MESSAGES
    title = "a published message comes back unchanged"
    depends_on = (UserSubscribes,)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        """Publish a value with everything JSON can hold and compare what arrives."""
        if not context.can_publish:
            return not_applicable(NO_TOPIC)
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
                f"The message published to {context.topic} did not come back within {_MESSAGE_SECONDS:.0f} s: "
                "iot:Publish or iot:Receive is not allowed on the topic.",
                resource=context.topic,
                fix="Compare the topic with the resources of the IoT policy and of the role's policies.",
            )
        if context.sign_in_started is not None:
            context.sign_in_to_message = time.monotonic() - context.sign_in_started
        if received != value:
            return failed(
                f"Sent {value!r}, received {received!r}.",
                resource=context.topic,
                fix="See who else publishes to this topic.",
            )
        took = context.sign_in_to_message
        return passed(None if took is None else f"{took:.1f} s after the sign-in began")


class RoundTrips(Check):
    """How long a message takes to AWS IoT and back.

    Told, not judged.
    """

    id = "PS502"
    group = Group.MESSAGES
    title = "round-trip times are measured"
    depends_on = (MessageComesBack,)
    requirements = frozenset({Requirement.TOKEN})

    async def run(self, context: Context) -> Finding:
        """Send one message after the other and take the times."""
        if not context.can_publish or context.topic in context.front_end.topics:
            return not_applicable("on a topic of the front end's only one message is sent")
        times = []
        for number in range(_ROUND_TRIPS):
            await asyncio.sleep(_PAUSE_SECONDS)
            begun = time.perf_counter()
            await _round_trip(context, {"number": number})
            times.append((time.perf_counter() - begun) * 1000)
        return passed(f"median {statistics.median(times):.1f} ms, longest {max(times):.1f} ms of {_ROUND_TRIPS}")


async def _round_trip(context: Context, value: object) -> object:
    async with asyncio.timeout(_MESSAGE_SECONDS):
        await context.pubsub.publish(context.topic, value)
        message = await anext(context.messages)
    return message.payload
