"""Has the user an identity, and does it carry the IoT policy?"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

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
    failure. Then the trigger's own log line tells why.
    """

    id = "PS203"
    group = Group.IDENTITY
    title = "the IoT policy is attached as the tokens arrive"
    rests_on = (IdentityIsGiven, PolicyExists, TriggerIsWired)

    async def run(self, context: Context) -> Finding:
        """Look at once; if it is not there, wait for a late attachment until the deadline."""
        policy_name = context.output(Output.POLICY_NAME)
        if await _is_attached(context, policy_name):
            return passed(policy_name)
        deadline = time.monotonic() + context.timeout
        while time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if await _is_attached(context, policy_name):
                late = time.monotonic() - context.tokens_arrived
                return warning(
                    f"{policy_name} was attached {late:.1f} s after the tokens had arrived, not at sign-in: "
                    "a user who connects at once is refused.",
                    resource=context.identity_id,
                    fix="Look at the trigger's log for why it could not attach in time.",
                )
        trace = await asyncio.to_thread(why_not_attached, context)
        return failed(
            f"{policy_name} is not attached to the user's identity, so AWS IoT refuses every connection. {trace.cause}",
            resource=context.identity_id,
            fix=trace.fix,
        )


async def _is_attached(context: Context, policy_name: str) -> bool:
    pages = context.aws.iot.get_paginator("list_attached_policies").paginate(target=context.identity_id)
    attached = await asyncio.to_thread(lambda: [each for page in pages for each in page["policies"]])
    return any(each["policyName"] == policy_name for each in attached)
