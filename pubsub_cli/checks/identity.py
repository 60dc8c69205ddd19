"""Has the user an identity, and does it carry the IoT policy?"""

from __future__ import annotations

import asyncio
import time

from pubsub_cli.checks.app_clients import InternalSignInIsWired
from pubsub_cli.checks.attachment import attach_by_route, attached_policies, is_attached
from pubsub_cli.checks.attachment_trace import why_not_attached
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.mac_key import MacKeyIsUsable
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.parameters import ParametersAreValid
from pubsub_cli.checks.provisioning import IdentityPoolTakesTokens, PolicyExists, TriggerIsWired
from pubsub_cli.checks.queue import messages_in
from pubsub_cli.checks.sign_in import UserSignsIn
from pubsub_cli.checks.trigger import FunctionsMayAttach
from pubsub_cli.finding import AwsCommand, Finding, Fix, PubSubCommand, failed, passed, skipped, warning
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import Output

POLICY_ACTS_SECONDS = 600.0
"""What AWS IoT may take until a policy attached or detached acts, 6 to 8 minutes, and some more.
https://docs.aws.amazon.com/iot/latest/developerguide/attach-to-cert.html"""

_LOOK_EVERY_SECONDS = 1.0
# https://docs.aws.amazon.com/general/latest/gr/iot-core.html
_MOST_POLICIES = 10
SIGN_IN_AGAIN = (
    "Let the user sign in again: a token that was revoked, or whose user was disabled or signed out everywhere, is "
    "refused where the identity pool checks tokens. An operator sees the rest of the reasons: pubsub doctor --user NAME"
)
"""What helps where an identity pool refuses a token that has not ended."""


class IdentityIsGiven(Check):
    """The identity pool takes the user's ID token for an identity id, or the identity is known.

    It refuses when the app client is not among its providers, or when the token was revoked and it checks that. Without
    a token the user's marker tells the identity id: no AWS API leads from a user to it.
    """

    id = "PS201"
    group = Group.IDENTITY
    title = "the user has an identity id"
    depends_on = (UserSignsIn, IdentityPoolTakesTokens)
    requirements = frozenset({Requirement.IDENTITY})

    async def run(self, context: Context) -> Finding:
        """Call GetId with the ID token, or read the marker."""
        if Requirement.TOKEN in context.available:
            try:
                context.identity_id = await context.session.identity_id()
            except SessionError as error:
                return failed(str(error), resource=context.output(Output.IDENTITY_POOL_ID), fix=SIGN_IN_AGAIN)
            if Requirement.TEST_USERS in context.available:
                context.users.track_identity(context.identity_id)
            return passed(context.identity_id)
        if context.selector.identity_id:
            context.identity_id = context.selector.identity_id
            return passed(f"{context.identity_id}, as given")
        return _marked_identity(context)


class IdentityIsSignedIn(Check):
    """The identity is one of this identity pool's and of a signed-in user, no guest's.

    A front end that asked for credentials before the sign-in goes on with a guest's: AWS IoT asks a guest's role alone,
    and AuthRole is none of it. Who signs in by another provider of the identity pool than its user pool, such as Google
    or the app's own, is signed in too.
    """

    id = "PS202"
    group = Group.IDENTITY
    title = "the identity is a signed-in user's"
    depends_on = (IdentityIsGiven,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.IDENTITY})

    async def run(self, context: Context) -> Finding:
        """Describe the identity."""
        identity_id, pool = context.identity_id, context.output(Output.IDENTITY_POOL_ID)
        identity_pools = context.aws.identity_pools
        ask_again = f"Give an identity of {pool}, which a user's ID token tells: pubsub doctor --id-token FILE"
        if not identity_id.startswith(f"{context.output(Output.REGION)}:"):
            return failed(
                f"Identity {identity_id} is of another region than identity pool {pool}.",
                resource=identity_id,
                fix=ask_again,
            )
        try:
            identity = await asyncio.to_thread(identity_pools.describe_identity, IdentityId=identity_id)
        except identity_pools.exceptions.ResourceNotFoundException:
            return failed(
                f"There is no identity {identity_id}: it was deleted, and the user gets a new one at the next sign-in.",
                resource=identity_id,
                fix=_attach_anew(context),
            )
        logins, user_pool = identity.get("Logins", []), context.output(Output.USER_POOL_ID)
        if logins:
            of_pool = any(each.endswith(f"/{user_pool}") for each in logins)
            return passed(None if of_pool else f"by {', '.join(logins)}, not by user pool {user_pool}")
        return failed(
            f"Identity {identity_id} is a guest's: it has no login of user pool {user_pool} or anything else. The "
            "front end took its credentials before the user had signed in.",
            resource=identity_id,
            fix="Let the front end connect after the sign-in, and drop credentials kept from before it "
            "(fetchAuthSession({ forceRefresh: true }) in Amplify); guests can be turned off in the identity pool. "
            "Then ask about the identity that the user's ID token tells: pubsub doctor --id-token FILE",
        )


class PolicyIsOnIdentities(Check):
    """The policy is attached to identities, not to the identity pool.

    Attaching takes any name for a target, that of the identity pool too, which looks like an identity id and is none:
    it lets nobody in. A warning unless the identity asked about lacks the policy.
    """

    id = "PS205"
    group = Group.IDENTITY
    title = "the IoT policy is attached to identities, not to the identity pool"
    depends_on = (PolicyExists, IdentityIsGiven)

    async def run(self, context: Context) -> Finding:
        """List what is attached to the identity pool's id."""
        pool = context.output(Output.IDENTITY_POOL_ID)
        if not await is_attached(context, pool):
            return passed()
        policy_name, identity_id = context.output(Output.POLICY_NAME), context.known_identity_id
        detach = AwsCommand("iot", "DetachPolicy", {"policyName": policy_name, "target": pool})
        cause = (
            f"{policy_name} is attached to the identity pool's id {pool}, which lets nobody in: AWS IoT looks for it "
            "on each user's identity id."
        )
        if identity_id is None or await is_attached(context, identity_id):
            return warning(cause, resource=pool, fix=detach)
        return failed(cause, resource=pool, fix=[_attach_to(context), detach])


class PolicyIsAttached(Check):
    """The IoT policy is attached to the user's identity, by the trigger before the tokens were out.

    Looked at once, then again until the deadline: a late attachment is a warning, none is a failure. Then marker, log
    and queues tell why. `pubsub smoke` asks the route instead where the setting `attachment` is `self-attach`.
    """

    id = "PS203"
    group = Group.IDENTITY
    title = "the IoT policy is attached to the user's identity"
    depends_on = (
        IdentityIsSignedIn,
        PolicyIsOnIdentities,
        TriggerIsWired,
        FunctionsMayAttach,
        MacKeyIsUsable,
        ParametersAreValid,
        InternalSignInIsWired,
    )
    requirements = frozenset({Requirement.OPERATOR, Requirement.IDENTITY})
    retry_seconds = POLICY_ACTS_SECONDS

    async def run(self, context: Context) -> Finding:
        """Look at once; if it is not there, wait for a late attachment until the deadline."""
        if Requirement.TEST_USERS in context.available and not context.attaches_at_sign_in:
            return await attach_by_route(context, context.session)
        policy_name = context.output(Output.POLICY_NAME)
        if await is_attached(context, context.identity_id):
            return passed(policy_name)
        deadline = context.deadline(self.retry_seconds)
        while time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if await is_attached(context, context.identity_id):
                return await _attached_late(context)
        cause, fix = await _why(context)
        return failed(
            f"{policy_name} is not attached to the user's identity, so AWS IoT refuses every connection. {cause}",
            resource=context.identity_id,
            fix=fix,
        )


async def _attached_late(context: Context) -> Finding:
    policy_name = context.output(Output.POLICY_NAME)
    if context.sign_in_started is None:
        return passed(f"{policy_name}, after a while")
    late = time.monotonic() - context.tokens_arrived
    trace = await asyncio.to_thread(why_not_attached, context)
    return warning(
        f"{policy_name} was attached {late:.1f} s after the tokens had arrived, not at sign-in: "
        f"a user who connects at once is refused. {trace.cause}",
        resource=context.identity_id,
        fix=trace.fix,
    )


async def _why(context: Context) -> tuple[str, Fix]:
    """Return why it is not attached, and what helps: whatever of it can be told."""
    others = await attached_policies(context, context.identity_id)
    if len(others) >= _MOST_POLICIES:
        return (
            f"{len(others)} policies are attached already, and an identity takes {_MOST_POLICIES}: "
            f"{', '.join(others)}.",
            [
                "Detach one that is not needed, here the last; then attach it:",
                AwsCommand("iot", "DetachPolicy", {"policyName": others[-1], "target": context.identity_id}),
                _attach_to(context),
            ],
        )
    if context.deployment_ids:
        return "Nothing attaches it by itself in a deployment that is no stack of this toolkit.", _attach_to(context)
    if not context.attaches_at_sign_in:
        return (
            "The setting attachment is self-attach: the front end has to call the route, with selfAttachUrl or as the "
            "web example does.",
            _attach_to(context),
        )
    if drift := _drift(context):
        return drift
    if context.sign_in_started is not None:
        trace = await asyncio.to_thread(why_not_attached, context)
        return trace.cause, trace.fix
    given_up = await asyncio.to_thread(messages_in, context.aws.queues, context.output(Output.DEAD_LETTER_QUEUE_URL))
    if given_up:
        return (
            f"{given_up} attachment(s) were given up and are dead letters; this one may be among them.",
            [
                "See why, mend it, and have them tried again:",
                PubSubCommand(("redrive", "--stack", context.stack, "--dry-run")),
                PubSubCommand(("redrive", "--stack", context.stack, "--yes")),
            ],
        )
    waiting = await asyncio.to_thread(messages_in, context.aws.queues, context.output(Output.RETRY_QUEUE_URL))
    if waiting:
        return (
            f"{waiting} attachment(s) wait in the retry queue for its worker; this one may be among them.",
            _attach(context),
        )
    return (
        "Nothing says that a sign-in has ever attached it: the user may be from before the deployment.",
        _attach(context),
    )


def _drift(context: Context) -> tuple[str, Fix] | None:
    """Return how the user's marker and what is attached fall apart, and what helps; None if they do not."""
    marker = context.pool_user.marker if context.pool_user else None
    if marker is None or marker.fingerprint != context.output(Output.ATTACHMENT_MARKER):
        return None
    if marker.identity_id == context.identity_id:
        return (
            "The user's marker says that it is attached, so sign-ins do not attach it again: it was detached by hand.",
            _attach(context),
        )
    return (
        "The user's marker says that it is attached, but to another identity, so sign-ins do not attach it again: the "
        "user's identity was deleted and made anew.",
        _attach_anew(context),
    )


def _marked_identity(context: Context) -> Finding:
    """Take the identity that the user's marker names; whom no trigger attaches carries none."""
    user = context.pool_user
    if user is None:
        return skipped(f"the user {context.selector.user_name} could not be read")
    if user.marker is not None:
        context.identity_id = user.marker.identity_id
        return passed(f"{context.identity_id}, by the user's marker")
    if context.deployment_ids or not context.attaches_at_sign_in or user.requires_self_attach:
        return skipped(f"only an ID token tells the identity of {user.name}: --id-token, or --password-stdin")
    return failed(
        f"User {user.name} carries no marker: no sign-in has attached the policy yet, and nothing tells the identity "
        "id.",
        resource=user.name,
        fix=PubSubCommand(("attach", "--stack", context.stack, "--user", user.name), safe=True),
    )


def _attach(context: Context) -> PubSubCommand | AwsCommand:
    """Return what attaches the policy, and marks the user where that is known."""
    if context.deployment_ids or context.pool_user is None:
        return _attach_to(context)
    return PubSubCommand(("attach", "--stack", context.stack, "--user", context.pool_user.name), safe=True)


def _attach_anew(context: Context) -> Fix:
    """Return what attaches the policy to the user's new identity, and takes it off the one that the marker names.

    Without the user's name nothing tells the new identity; attaching to the old one would help nobody.
    """
    if context.deployment_ids or context.pool_user is None:
        return "Let the user sign in again, and ask about the identity that the new ID token tells: --id-token FILE"
    user = ("--stack", context.stack, "--user", context.pool_user.name)
    return [PubSubCommand(("detach", *user)), PubSubCommand(("attach", *user), safe=True)]


def _attach_to(context: Context) -> AwsCommand:
    parameters = {"policyName": context.output(Output.POLICY_NAME), "target": context.identity_id}
    return AwsCommand("iot", "AttachPolicy", parameters, safe=True)
