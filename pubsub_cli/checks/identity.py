"""Checks of the user's identity and of the IoT policy attached to it."""

from __future__ import annotations

import asyncio
import time

from pubsub_cli.checks.app_clients import IdentityPoolAcceptsTokens
from pubsub_cli.checks.check import BlockingCheck, Check, Group
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.internal_sign_in import InternalSignInIsConfigured, MacKeyIsUsable, ParametersAreValid
from pubsub_cli.checks.operations import messages_in, redrive_commands
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import PolicyExists, TriggerIsConfigured
from pubsub_cli.checks.sign_in import UserSignsIn
from pubsub_cli.checks.trigger import FunctionsMayAttach, diagnose_sign_in
from pubsub_cli.finding import AwsCommand, Finding, Fix, PubSubCommand, failed, passed, skipped, warning
from pubsub_cli.iam.iot import attached_to
from pubsub_client import CognitoSession
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import Output

POLICY_ACTS_SECONDS = 600.0
"""The time until an attached or detached policy acts, 6 to 8 minutes, with a margin.
https://docs.aws.amazon.com/iot/latest/developerguide/attach-to-cert.html"""

_POLL_SECONDS = 1.0
# https://docs.aws.amazon.com/general/latest/gr/iot-core.html
_MAX_POLICIES = 10
SIGN_IN_AGAIN = (
    "Let the user sign in again: an identity pool that checks tokens rejects a token that was revoked, or whose user "
    "was disabled or signed out everywhere. An operator can find other reasons: pubsub doctor --user NAME"
)
"""The fix if an identity pool rejects a token that has not expired."""


class IdentityIsGiven(Check):
    """The identity pool returns an identity id for the user's ID token, or the identity id is known otherwise.

    It rejects the token if the app client is not among its providers, or if the token was revoked and it checks that.
    Without a token the user's marker names the identity id, because no AWS API returns it for a user.
    """

    id = "PS201"
    group = Group.IDENTITY
    title = "the user has an identity id"
    depends_on = (UserSignsIn, IdentityPoolAcceptsTokens)
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
            return passed(f"{context.identity_id}, given by --identity-id")
        return _marked_identity(context)


class IdentityIsSignedIn(BlockingCheck):
    """The identity belongs to this identity pool and to a signed-in user, not to a guest.

    A front end that requested credentials before the sign-in continues with a guest's: AWS IoT then evaluates the
    guest role instead of AuthRole. Federated users, such as those of Google or of the app's own provider, count as
    signed in.
    """

    id = "PS202"
    group = Group.IDENTITY
    title = "the identity is a signed-in user's"
    depends_on = (IdentityIsGiven,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.IDENTITY})

    def examine(self, context: Context) -> Finding:
        """Describe the identity."""
        identity_id, pool = context.identity_id, context.output(Output.IDENTITY_POOL_ID)
        identity_pools = context.aws.identity_pools
        rerun = f"Check an identity of {pool} by a user's ID token: pubsub doctor --id-token FILE"
        if not identity_id.startswith(f"{context.output(Output.REGION)}:"):
            return failed(
                f"Identity {identity_id} is in another region than identity pool {pool}.",
                resource=identity_id,
                fix=rerun,
            )
        try:
            identity = identity_pools.describe_identity(IdentityId=identity_id)
        except identity_pools.exceptions.ResourceNotFoundException:
            return failed(
                f"There is no identity {identity_id}: it was deleted, and the user gets a new one at the next sign-in.",
                resource=identity_id,
                fix=_attach_to_new_identity(context),
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
            "(fetchAuthSession({ forceRefresh: true }) in Amplify). Guest access can be turned off in the identity "
            "pool. Then check the user's own identity: pubsub doctor --id-token FILE",
        )


class PolicyIsOnIdentities(BlockingCheck):
    """The policy is attached to identities, not to the identity pool.

    AttachPolicy accepts any target. The identity pool's id looks like an identity id, but an attachment to it has no
    effect. A warning unless the checked identity lacks the policy.
    """

    id = "PS205"
    group = Group.IDENTITY
    title = "the IoT policy is attached to identities, not to the identity pool"
    depends_on = (PolicyExists, IdentityIsGiven)

    def examine(self, context: Context) -> Finding:
        """List what is attached to the identity pool's id."""
        pool = context.output(Output.IDENTITY_POOL_ID)
        if not _is_attached(context, pool):
            return passed()
        policy_name, identity_id = context.output(Output.POLICY_NAME), context.known_identity_id
        detach = AwsCommand("iot", "DetachPolicy", {"policyName": policy_name, "target": pool})
        cause = (
            f"{policy_name} is attached to the identity pool's id {pool}, which has no effect: AWS IoT "
            "evaluates the policies of each user's identity id."
        )
        if identity_id is None or _is_attached(context, identity_id):
            return warning(cause, resource=pool, fix=detach)
        return failed(cause, resource=pool, fix=[_attach_to(context), detach])


class PolicyIsAttached(Check):
    """The IoT policy is attached to the user's identity, and the trigger attached it before Cognito issued the tokens.

    Retried until the deadline: a late attachment is a warning, none is a failure. Then marker, log and queues show the
    cause. With the setting `attachment: self-attach`, `pubsub smoke` calls the self-attach route instead.
    """

    id = "PS203"
    group = Group.IDENTITY
    title = "the IoT policy is attached to the user's identity"
    depends_on = (
        IdentityIsSignedIn,
        PolicyIsOnIdentities,
        TriggerIsConfigured,
        FunctionsMayAttach,
        MacKeyIsUsable,
        ParametersAreValid,
        InternalSignInIsConfigured,
    )
    requirements = frozenset({Requirement.OPERATOR, Requirement.IDENTITY})
    retry_seconds = POLICY_ACTS_SECONDS

    async def run(self, context: Context) -> Finding:
        """List the attached policies; if it is missing, wait for a late attachment until the deadline."""
        if Requirement.TEST_USERS in context.available and not context.attaches_at_sign_in:
            return await self_attach(context, context.session)
        policy_name = context.output(Output.POLICY_NAME)
        if await asyncio.to_thread(_is_attached, context, context.identity_id):
            return passed(policy_name)
        deadline = context.deadline(self.retry_seconds)
        while time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            if await asyncio.to_thread(_is_attached, context, context.identity_id):
                return await asyncio.to_thread(_attached_late, context)
        cause, fix = await asyncio.to_thread(_why_missing, context)
        return failed(
            f"{policy_name} is not attached to the user's identity, so AWS IoT refuses every connection. {cause}",
            resource=context.identity_id,
            fix=fix,
        )


def _attached_late(context: Context) -> Finding:
    policy_name = context.output(Output.POLICY_NAME)
    if context.sign_in_started is None:
        return passed(f"{policy_name}, late")
    late = time.monotonic() - context.tokens_arrived
    cause, fix = diagnose_sign_in(context)
    return warning(
        f"{policy_name} was attached {late:.1f} s after the tokens had arrived, not during the sign-in: a user who "
        f"connects immediately is refused. {cause}",
        resource=context.identity_id,
        fix=fix,
    )


def _why_missing(context: Context) -> tuple[str, Fix]:
    """Return the cause of a missing attachment, as far as known, and the fix."""
    others = attached_to(context.aws.iot, context.identity_id)
    if len(others) >= _MAX_POLICIES:
        return (
            f"{len(others)} policies are attached already, and an identity can have {_MAX_POLICIES}: "
            f"{', '.join(others)}.",
            [
                "Detach one that is not needed, for example the last; then attach it:",
                AwsCommand("iot", "DetachPolicy", {"policyName": others[-1], "target": context.identity_id}),
                _attach_to(context),
            ],
        )
    if context.deployment_ids:
        cause = "Nothing attaches it automatically, because the deployment is not a stack of this toolkit."
        return cause, _attach_to(context)
    if not context.attaches_at_sign_in:
        return (
            "The setting attachment is self-attach: the front end must call the route, with selfAttachUrl or as the "
            "web example does.",
            _attach_to(context),
        )
    if drift := _outdated_marker(context):
        return drift
    if context.sign_in_started is not None:
        return diagnose_sign_in(context)
    if dead_letters := messages_in(context.aws.queues, context.output(Output.DEAD_LETTER_QUEUE_URL)):
        return (
            f"{dead_letters} pending attachment(s) were moved to the dead-letter queue; this one may be among them.",
            ["Find the reason, fix it, and retry them:", *redrive_commands(context)],
        )
    cause = "No sign-in is known to have attached it: the user may have signed up before the deployment."
    if waiting := messages_in(context.aws.queues, context.output(Output.RETRY_QUEUE_URL)):
        cause = f"{waiting} pending attachment(s) are in the retry queue; this one may be among them."
    return cause, _attach(context)


def _outdated_marker(context: Context) -> tuple[str, Fix] | None:
    """Return how the user's marker differs from what is attached, and the fix; None if it does not."""
    marker = context.pool_user.marker if context.pool_user else None
    if marker is None or marker.fingerprint != context.output(Output.ATTACHMENT_MARKER):
        return None
    if marker.identity_id == context.identity_id:
        return (
            "The user's marker says that it is attached, so sign-ins do not attach it again: it was detached manually.",
            _attach(context),
        )
    return (
        "The user's marker says that it is attached, but to another identity, so sign-ins do not attach it again: the "
        "user's identity was deleted and created again.",
        _attach_to_new_identity(context),
    )


def _marked_identity(context: Context) -> Finding:
    """Use the identity that the user's marker names. Users who were not attached by a trigger have no marker."""
    user = context.pool_user
    if user is None:
        return skipped(f"the user {context.selector.user_name} could not be read")
    if user.marker is not None:
        context.identity_id = user.marker.identity_id
        return passed(f"{context.identity_id}, by the user's marker")
    if context.deployment_ids or not context.attaches_at_sign_in or user.requires_self_attach:
        return skipped(f"only an ID token shows the identity of {user.name}: --id-token, or --password-stdin")
    return failed(
        f"User {user.name} has no marker: no sign-in has attached the policy yet, and the identity id is unknown.",
        resource=user.name,
        fix=PubSubCommand(("attach", "--stack", context.stack, "--user", user.name), safe=True),
    )


def _attach(context: Context) -> PubSubCommand | AwsCommand:
    """Return the command that attaches the policy, and marks the user if the user is known."""
    if context.deployment_ids or context.pool_user is None:
        return _attach_to(context)
    return PubSubCommand(("attach", "--stack", context.stack, "--user", context.pool_user.name), safe=True)


def _attach_to_new_identity(context: Context) -> Fix:
    """Return the fix that moves the policy from the identity that the marker names to the user's new one.

    Without the user's name the new identity is unknown.
    """
    if context.deployment_ids or context.pool_user is None:
        return "Let the user sign in again, and check the identity of the new ID token: --id-token FILE"
    user = ("--stack", context.stack, "--user", context.pool_user.name)
    return [PubSubCommand(("detach", *user, "--yes")), PubSubCommand(("attach", *user), safe=True)]


def _attach_to(context: Context) -> AwsCommand:
    parameters = {"policyName": context.output(Output.POLICY_NAME), "target": context.identity_id}
    return AwsCommand("iot", "AttachPolicy", parameters, safe=True)


def _is_attached(context: Context, identity_id: str) -> bool:
    """Return whether the deployment's policy is attached to an identity."""
    return context.output(Output.POLICY_NAME) in attached_to(context.aws.iot, identity_id)


async def self_attach(context: Context, session: CognitoSession) -> Finding:
    """Self-attach as a session's user, and check that the policy is attached afterwards."""
    try:
        attachment = await context.self_attach(session)
    except SessionError as error:
        logs = "StackResources[?contains(LogicalResourceId,'SelfAttachFunctionLogs')].PhysicalResourceId"
        return failed(
            f"Self-attach does not attach the policy: {error}",
            resource=context.output(Output.SELF_ATTACH_URL),
            fix="Read the log of its function; this command returns the log group:\n"
            f'aws cloudformation describe-stack-resources --stack-name {context.stack} --output text --query "{logs}"',
        )
    identity_id = await session.identity_id()
    if await asyncio.to_thread(_is_attached, context, identity_id):
        return passed(attachment.text)
    policy_name = context.output(Output.POLICY_NAME)
    return failed(
        f"Self-attach answered {attachment.text!r}, but {policy_name} is not attached to the user's identity.",
        resource=identity_id,
        fix=f"aws iot list-attached-policies --target {identity_id}",
    )
