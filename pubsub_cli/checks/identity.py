"""Checks of the user's identity, and of the IoT policy that is attached to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

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
from pubsub_cli.pool_users import is_identity_pool, read_identity
from pubsub_client import CognitoSession
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import Output

POLICY_ACTS_SECONDS = 600
"""The time until an attached or detached policy takes effect, which is 6 to 8 minutes, and a margin.
https://docs.aws.amazon.com/iot/latest/developerguide/attach-to-cert.html"""

_POLL_SECONDS = 1.0
# https://docs.aws.amazon.com/general/latest/gr/iot-core.html
_MAX_POLICIES = 10
SIGN_IN_AGAIN = (
    "Let the user sign in again: the token may be revoked, or its user disabled or signed out everywhere. An operator "
    "can find other reasons: pubsub doctor --user NAME"
)
"""The fix if the identity pool rejects a token that has not expired."""


class IdentityIsGiven(Check):
    """The identity pool returns the identity id for an ID token. Without a token, the check reads it from the
    user's marker.
    """

    id = "PS201"
    group = Group.IDENTITY
    title = "the user has an identity id"
    depends_on = (UserSignsIn, IdentityPoolAcceptsTokens)
    requirements = frozenset({Requirement.IDENTITY})

    async def run(self, context: Context) -> Finding:
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
    """A front end that requests credentials before the sign-in keeps a guest's, and AWS IoT evaluates the guest role.
    Federated users, such as those of Google, count as signed in.
    """

    id = "PS202"
    group = Group.IDENTITY
    title = "the identity belongs to a signed-in user"
    depends_on = (IdentityIsGiven,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.IDENTITY})

    def examine(self, context: Context) -> Finding:
        identity_id, region = context.identity_id, context.output(Output.REGION)
        identity = read_identity(context.aws, region, identity_id)
        if identity is None and is_identity_pool(context.aws, identity_id, context.output(Output.IDENTITY_POOL_ID)):
            return failed(
                f"{identity_id} is the id of an identity pool, not of a user's identity.",
                resource=identity_id,
                fix="Give the user's identity id (Amplify: (await fetchAuthSession()).identityId), or --user NAME.",
            )
        if identity is None and context.pool_user is None and not identity_id.startswith(f"{region}:"):
            return failed(
                f"Identity {identity_id} is in {identity_id.partition(':')[0]}, but the identity pool is in {region}.",
                resource=identity_id,
                fix="Give the identity that this identity pool gives the user (Amplify: (await "
                "fetchAuthSession()).identityId), or --user NAME.",
            )
        if identity is None:
            return failed(
                f"There is no identity {identity_id} in {region}. If it was deleted, the user gets a new one at the "
                "next sign-in.",
                resource=identity_id,
                fix=_attach_to_new_identity(context),
            )
        logins, user_pool = identity.get("Logins", []), context.output(Output.USER_POOL_ID)
        if logins:
            of_pool = any(each.endswith(f"/{user_pool}") for each in logins)
            return passed(None if of_pool else f"by {', '.join(logins)}, not by user pool {user_pool}")
        return failed(
            f"Identity {identity_id} belongs to a guest, because it has no login. The front end requested credentials "
            "before the user signed in.",
            resource=identity_id,
            fix="Connect after the sign-in, with new credentials (Amplify: fetchAuthSession({ forceRefresh: true })). "
            "Then check the user's identity: pubsub doctor --id-token FILE",
        )


class PolicyIsOnIdentities(BlockingCheck):
    """The identity pool's id looks like an identity id. AttachPolicy accepts it, but the attachment has no effect. It
    is a warning unless the checked identity lacks the policy.
    """

    id = "PS205"
    group = Group.IDENTITY
    title = "the IoT policy is attached to identities, not to the identity pool"
    depends_on = (PolicyExists, IdentityIsGiven)
    requirements = frozenset({Requirement.OPERATOR})

    def examine(self, context: Context) -> Finding:
        pool = context.output(Output.IDENTITY_POOL_ID)
        if not _is_attached(context, pool):
            return passed()
        policy_name, identity_id = context.output(Output.POLICY_NAME), context.known_identity_id
        detach = AwsCommand("iot", "DetachPolicy", {"policyName": policy_name, "target": pool})
        cause = (
            f"{policy_name} is attached to the identity pool's id {pool}, which has no effect. AWS IoT evaluates the "
            "policies of each user's identity id."
        )
        if identity_id is None or _is_attached(context, identity_id):
            return warning(cause, resource=pool, fix=detach)
        return failed(cause, resource=pool, fix=[_attach_to(context), detach])


class PolicyIsAttached(Check):
    """AWS IoT refuses an identity without a policy. An attachment after the sign-in is a warning, and so are other
    policies in a deployment that is not a stack of this toolkit. The user's marker, the log and the queues show why the
    policy is missing. With `attachment: self-attach`, `pubsub smoke` calls the self-attach route.
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
    retries = True

    async def run(self, context: Context) -> Finding:
        if Requirement.TEST_USERS in context.available and not context.attaches_at_sign_in:
            return await self_attach(context, context.session)
        policy_name = context.output(Output.POLICY_NAME)
        if await asyncio.to_thread(_is_attached, context, context.identity_id):
            return passed(policy_name)
        deadline = context.deadline()
        while time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            if await asyncio.to_thread(_is_attached, context, context.identity_id):
                return await asyncio.to_thread(_attached_late, context)
        others = await asyncio.to_thread(attached_to, context.aws.iot, context.identity_id)
        if context.deployment_ids and 0 < len(others) < _MAX_POLICIES:
            return warning(
                f"{policy_name} is not attached to the user's identity, but other policies are, which PS307 evaluates: "
                f"{', '.join(others)}.",
                resource=context.identity_id,
                fix=["If the user needs the policy too, attach it:", _attach_to(context)],
            )
        cause, fix = await asyncio.to_thread(_why_missing, context, others)
        consequence = "" if others else ", so AWS IoT refuses every connection"
        return failed(
            f"{policy_name} is not attached to the user's identity{consequence}. {cause}",
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


def _why_missing(context: Context, others: Sequence[str]) -> tuple[str, Fix]:
    """Return why the policy is not attached although others might be, as far as known, and the fix."""
    if len(others) >= _MAX_POLICIES:
        return (
            f"{len(others)} policies are attached already, and an identity can have {_MAX_POLICIES}: "
            f"{', '.join(others)}.",
            [
                "Detach a policy that is not needed, for example the last one. Then attach the deployment's policy:",
                AwsCommand("iot", "DetachPolicy", {"policyName": others[-1], "target": context.identity_id}),
                _attach_to(context),
            ],
        )
    if context.deployment_ids:
        cause = "Nothing attaches it automatically, because this deployment is not a stack of this toolkit."
        return cause, _attach_to(context)
    if not context.attaches_at_sign_in:
        return (
            "The setting attachment is self-attach, so the front end must call the route: with selfAttachUrl, or as "
            "the web example does.",
            _attach_to(context),
        )
    if drift := _outdated_marker(context):
        return drift
    if context.sign_in_started is not None:
        return diagnose_sign_in(context)
    if dead_letters := messages_in(context.aws.queues, context.output(Output.DEAD_LETTER_QUEUE_URL)):
        return (
            f"{dead_letters} attachment(s) were moved to the dead-letter queue; this one may be among them.",
            ["Find the reason, fix it, and retry:", *redrive_commands(context)],
        )
    cause = "It is unknown whether the user signed in since the deployment."
    if waiting := messages_in(context.aws.queues, context.output(Output.RETRY_QUEUE_URL)):
        cause = f"{waiting} pending attachment(s) are in the retry queue; this one may be among them."
    return cause, _attach(context)


def _outdated_marker(context: Context) -> tuple[str, Fix] | None:
    """Return why the user's marker is outdated, and the fix; None if it is not."""
    marker = context.pool_user.marker if context.pool_user else None
    if marker is None or marker.fingerprint != context.output(Output.ATTACHMENT_MARKER):
        return None
    if marker.identity_id == context.identity_id:
        return (
            "It was detached manually. Sign-ins do not attach it again, because the user's marker is current.",
            _attach(context),
        )
    return (
        "The user's identity was deleted and created again. Sign-ins do not attach the policy, because the user's "
        "marker names the deleted identity.",
        _attach_to_new_identity(context),
    )


def _marked_identity(context: Context) -> Finding:
    """Read the identity id from the user's marker. Users that the trigger did not attach have no marker."""
    user = context.pool_user
    if user is None:
        return skipped(f"the user {context.selector.user_name} could not be read")
    if user.marker is not None:
        context.identity_id = user.marker.identity_id
        return passed(f"{context.identity_id}, by the user's marker")
    if context.deployment_ids or not context.attaches_at_sign_in or user.requires_self_attach:
        return skipped(f"only an ID token shows the identity of {user.name}: give --id-token or --password-stdin")
    return failed(
        f"User {user.name} has no marker: no sign-in has attached the policy yet, and the identity id is unknown.",
        resource=user.name,
        fix=PubSubCommand(("attach", "--stack", context.stack, "--user", user.name), safe=True),
    )


def _attach(context: Context) -> PubSubCommand | AwsCommand:
    """Return the command that attaches the policy and, if the user is known, writes the marker."""
    if context.deployment_ids or context.pool_user is None:
        return _attach_to(context)
    return PubSubCommand(("attach", "--stack", context.stack, "--user", context.pool_user.name), safe=True)


def _attach_to_new_identity(context: Context) -> Fix:
    """Return the fix that attaches the policy to the user's new identity instead of the one in the marker."""
    if context.deployment_ids or context.pool_user is None:
        return "Let the user sign in again, and check the new ID token: pubsub doctor --id-token FILE"
    user = ("--stack", context.stack, "--user", context.pool_user.name)
    return [PubSubCommand(("detach", *user, "--yes")), PubSubCommand(("attach", *user), safe=True)]


def _attach_to(context: Context) -> AwsCommand:
    parameters = {"policyName": context.output(Output.POLICY_NAME), "target": context.identity_id}
    return AwsCommand("iot", "AttachPolicy", parameters, safe=True)


def _is_attached(context: Context, identity_id: str) -> bool:
    """Return whether the deployment's policy is attached to an identity."""
    return context.output(Output.POLICY_NAME) in attached_to(context.aws.iot, identity_id)


async def self_attach(context: Context, session: CognitoSession) -> Finding:
    """Call the self-attach route as a session's user, and check that the policy is attached."""
    try:
        attachment = await context.self_attach(session)
    except SessionError as error:
        logs = "StackResources[?contains(LogicalResourceId,'SelfAttachFunctionLogs')].PhysicalResourceId"
        return failed(
            f"Self-attach did not attach the policy: {error}",
            resource=context.output(Output.SELF_ATTACH_URL),
            fix="Read the log of the self-attach function. This command returns its log group:\n"
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
