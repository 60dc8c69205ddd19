"""Does anybody else connect with the front end's client id?"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from awscrt.mqtt5 import DisconnectReasonCode

from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.connection import UserConnects
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.finding import Finding, failed, passed
from pubsub_client import ConnectionState, PubSub
from pubsub_client.exceptions import ConnectionRefused

# Amplify JS connects again 5 s after it was disconnected.
_WATCHED_SECONDS = 10.0
_TAKEN_OVER = DisconnectReasonCode.SESSION_TAKEN_OVER.name


class ClientIdIsUnshared(Check):
    """Nobody else connects with the front end's client id.

    AWS IoT lets one connection have a client id: the newer ends the older
    ([AWS](https://docs.aws.amazon.com/iot/latest/developerguide/audit-chk-conflicting-client-ids.html)), which
    connects again and ends the newer. So this check, too, **disconnects once** whoever is connected with the id; it is
    run only where `--client-id` asks for it. It connects with the id, watches for ten seconds whether somebody takes it
    over, and then lets go. Run it while the front end is closed: whoever takes it over then shares the id.
    """

    id = "PS406"
    group = Group.CONNECTION
    title = "the client id is used by one connection"
    depends_on = (UserConnects,)
    requirements = frozenset({Requirement.TOKEN, Requirement.CLIENT_ID})

    async def run(self, context: Context) -> Finding:
        """Connect with the id and watch; let go as soon as it is taken over, so as to end nobody twice."""
        client_id = context.front_end.client_id
        if client_id is None:
            raise TypeError("needs a client id")
        try:
            if context.connected_as == client_id:
                reason = await _end_of(context.pubsub)
            else:
                async with PubSub(context.provider(context.session), client_id=client_id) as pubsub:
                    reason = await _end_of(pubsub)
        except ConnectionRefused as refusal:
            return failed(
                f"The user is refused with the client id {client_id}, and was accepted with a random one: "
                f"{refusal.reason}",
                resource=client_id,
                fix="Connect with a client id that role and policy allow, or allow it: iot:Connect on "
                f"client/{client_id}",
            )
        if reason is None:
            return passed(f"{client_id} for {_WATCHED_SECONDS:.0f} s")
        how = "was taken over" if _TAKEN_OVER in reason else "was ended, as when it is taken over"
        return failed(
            f"The connection with the client id {client_id} {how} ({reason}): another client connects with it, and the "
            "two end each other again and again.",
            resource=client_id,
            fix="Give each connection a client id of its own: leave clientId out of Amplify's PubSub, which then makes "
            "a random one, or make one for each tab and device.",
        )


async def _end_of(pubsub: PubSub) -> str | None:
    """Return why the connection ended; None if it lasted as long as it was watched."""
    try:
        async with asyncio.timeout(_WATCHED_SECONDS), aclosing(pubsub.states()) as changes:
            async for state, reason in changes:
                if state is ConnectionState.DISCONNECTED:
                    return reason or "without a reason"
    except TimeoutError:
        pass
    return None
