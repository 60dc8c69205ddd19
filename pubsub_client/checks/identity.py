"""Has the user an identity, and does it carry the IoT policy?"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pubsub_client.checks.attachment import attach_by_route, is_attached
from pubsub_client.checks.attachment_trace import why_not_attached
from pubsub_client.checks.check import Check, Finding, Group, failed, passed, warning
from pubsub_client.checks.provisioning import PolicyExists, TriggerIsWired
from pubsub_client.checks.sign_in import UserSignsIn
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from pubsub_client.checks.context import Context

_LOOK_EVERY_SECONDS = 1.0


class IdentityIsGiven(Check):
    """The identity pool takes the user's ID token for an identity id.

    It refuses when the app client is not among its providers, or when the token was revoked.
    """

    id = "PS201"
    group = Group.IDENTITY
    title = "the identity pool gives the user an identity id"
    rests_on = (UserSignsIn,)

    async def run(self, context: Context) -> Finding:
        """Call GetId with the ID token."""
        context.identity_id = await context.session.identity_id()
        if context.existing_user is None:
            context.users.owns(context.identity_id)
        return passed(context.identity_id)


class PolicyIsAttached(Check):
    """The trigger attached the policy before the tokens were out.

    Looked at once as the tokens arrive, then again until the deadline: a late attachment is a warning, none is a
    failure. Then the trigger's own log line tells why. Where the setting `attachment` is `self-attach`, the user calls
    the route instead, as a front end does.
    """

    id = "PS203"
    group = Group.IDENTITY
    title = "the IoT policy is attached to the user's identity"
    rests_on = (IdentityIsGiven, PolicyExists, TriggerIsWired)

    async def run(self, context: Context) -> Finding:
        """Look at once; if it is not there, wait for a late attachment until the deadline."""
        if not context.attaches_at_sign_in:
            return await attach_by_route(context, context.session)
        policy_name = context.output(Output.POLICY_NAME)
        if await is_attached(context, context.identity_id):
            return passed(policy_name)
        deadline = time.monotonic() + context.timeout
        while time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if await is_attached(context, context.identity_id):
                late = time.monotonic() - context.tokens_arrived
                trace = await asyncio.to_thread(why_not_attached, context)
                return warning(
                    f"{policy_name} was attached {late:.1f} s after the tokens had arrived, not at sign-in: "
                    f"a user who connects at once is refused. {trace.cause}",
                    resource=context.identity_id,
                    fix=trace.fix,
                )
        trace = await asyncio.to_thread(why_not_attached, context)
        return failed(
            f"{policy_name} is not attached to the user's identity, so AWS IoT refuses every connection. {trace.cause}",
            resource=context.identity_id,
            fix=trace.fix,
        )
