"""Checks that try what must be rejected. Each would be a security hole if it were allowed."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from pubsub_cli.checks.check import BlockingCheck, Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.connection import UserConnects
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.endpoint import EndpointIsReached
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.permissions import CredentialsAreGiven
from pubsub_cli.checks.provisioning import PolicyExists
from pubsub_cli.checks.roles import RolesAreGuarded
from pubsub_cli.finding import Finding, failed, passed, skipped
from pubsub_cli.iam.documents import matches
from pubsub_client import CognitoSession, PubSub
from pubsub_client._endpoint import Endpoint
from pubsub_client._failures import ask_for_upgrade
from pubsub_client._provider import UpgradeRequest
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, PublishRefused, SubscribeRefused
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient

_RECONNECT_DELAY = (0.05, 0.2)
_DENIED = ("AccessDeniedException", "UnauthorizedException")


class GuestIsRejected(BlockingCheck):
    """The identity pool gives no identity without a login.

    Anybody on the internet may call GetId. If guest access is on, it returns an identity.
    """

    id = "PS311"
    group = Group.REJECTIONS
    title = "GetId without logins is rejected"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.PROBES})

    def examine(self, context: Context) -> Finding:
        """Call GetId without credentials."""
        pool_id, client = context.output(Output.IDENTITY_POOL_ID), context.aws.identity_pools_unsigned
        try:
            guest = client.get_id(IdentityPoolId=pool_id)
        except client.exceptions.NotAuthorizedException:
            return passed()
        context.users.track_identity(guest["IdentityId"])
        return failed(
            "The identity pool gives identities to guests.",
            resource=pool_id,
            fix=f"Turn off guest access of identity pool {pool_id} (Cognito console, User access)",
        )


class UnsignedSocketIsRejected(BlockingCheck):
    """The endpoint does not upgrade an unsigned WebSocket request.

    If it does, a custom authorizer or a domain configuration lets it in.
    """

    id = "PS411"
    group = Group.REJECTIONS
    title = "an unsigned WebSocket is rejected"
    depends_on = (EndpointIsReached,)
    requirements = frozenset()

    def examine(self, context: Context) -> Finding:
        """Request an upgrade to MQTT without credentials."""
        endpoint = context.output(Output.PUBSUB_ENDPOINT)
        response = ask_for_upgrade(Endpoint.parse(endpoint), UpgradeRequest("/mqtt"))
        if response.accepted:
            return failed(
                "The endpoint accepted an unsigned WebSocket.",
                resource=endpoint,
                fix="Look for a custom authorizer or domain configuration that accepts everybody: "
                "aws iot list-domain-configurations",
            )
        return passed(f"HTTP {response.status}")


class UnattachedIdentityIsRejected(Check):
    """An identity without the policy cannot connect, whatever its role allows.

    The test user gets a current marker before the first sign-in, so the trigger assumes that the policy is attached.
    Without a trigger a sign-in attaches nothing anyway. Not applicable with `--user`, because it creates a user.
    """

    id = "PS412"
    group = Group.REJECTIONS
    title = "an identity without the IoT policy is rejected"
    depends_on = (UserConnects,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.TEST_USERS})

    async def run(self, context: Context) -> Finding:
        """Sign in as a user without attachment, and try to connect."""
        user = await context.create_user(marked=context.attaches_at_sign_in)
        context.unattached_session = session = context.new_session()
        await session.sign_in(user.name, user.password)
        context.sign_out_at_end(session)
        identity_id = await session.identity_id()
        context.users.track_identity(identity_id)
        refusal = await _refusal_of_connection(context, session)
        if refusal:
            return passed(refusal.reason.partition(":")[0])
        return failed(
            "An identity without an attached IoT policy could connect: something else attached a policy, or attached "
            "policies are not enforced.",
            resource=identity_id,
            fix=f"aws iot list-attached-policies --target {identity_id}",
        )


class ControlPlaneIsDenied(Check):
    """In guarded and least-privilege mode a signed-in user can neither attach IoT policies nor change them.

    AWSIoTConfigAccess allows both; the control-plane guard must deny them. The result quotes AWS's reason, which names
    the denying policy. Skipped in unguarded mode, which allows both, as Amplify's guide does.
    """

    id = "PS312"
    group = Group.REJECTIONS
    title = "a user can neither attach nor change IoT policies"
    depends_on = (CredentialsAreGiven, RolesAreGuarded, PolicyExists)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.TOKEN, Requirement.PROBES})

    async def run(self, context: Context) -> Finding:
        """Try both with the user's own credentials."""
        if context.output(Output.ACCESS_MODE) == "unguarded":
            return skipped("accessMode unguarded allows it, as Amplify's guide does")
        policy_name = context.output(Output.POLICY_NAME)
        document = (await asyncio.to_thread(context.aws.iot.get_policy, policyName=policy_name))["policyDocument"]
        client = await _iot_as_user(context)
        attempts: dict[str, Callable[[], object]] = {
            "AttachPolicy": lambda: client.attach_policy(policyName=policy_name, target=context.identity_id),
            "CreatePolicyVersion": lambda: _create_version(client, context.aws.iot, policy_name, document),
        }
        refusals = {name: await asyncio.to_thread(_denial, attempt) for name, attempt in attempts.items()}
        allowed = [name for name, refusal in refusals.items() if refusal is None]
        if allowed:
            return failed(
                f"A signed-in user may call {' and '.join(allowed)}, and so change everybody's access.",
                resource=context.output(Output.AUTH_ROLE_ARN),
                fix="Compare the guard's statements with docs/explanation/security.md, and restore its default "
                "version: aws iam list-policy-versions, aws iam set-default-policy-version",
            )
        return passed("; ".join(sorted({str(refusal) for refusal in refusals.values()})))


class OtherTopicsAreDenied(Check):
    """Users can neither read nor write topics that are not open to them.

    Tried by real connections. In least-privilege mode: with a topic and a client id of another identity id. In the
    other modes: with a topic that the setting `topics` does not open, if there is one. Tried only as a test user,
    because other policies may be attached to existing users.
    """

    id = "PS413"
    group = Group.REJECTIONS
    title = "another user's topics are denied"
    depends_on = (UserConnects,)
    requirements = frozenset({Requirement.TEST_USERS, Requirement.STACK, Requirement.PROBES})

    async def run(self, context: Context) -> Finding:
        """Try each on its own connection, because AWS IoT may close a connection after a denied request."""
        other = f"{context.output(Output.REGION)}:{uuid.uuid4()}"
        topic = f"{other}/pubsub-check"
        if context.own_topics and not await _refusal_of_connection(context, context.session, client_id=other):
            return _allowed(context, f"connect with client id {other}, the prefix of another identity's client ids")
        if any(matches(pattern, topic, None) for pattern in context.topics):
            return passed("the setting topics opens all topics to everybody")
        provider = context.provider(context.session)
        async with PubSub(provider, attempts=1, reconnect_delay=_RECONNECT_DELAY) as pubsub:
            try:
                async with pubsub.subscribe(topic):
                    return _allowed(context, f"subscribe to {topic}")
            except (SubscribeRefused, ConnectionLost):
                pass
        async with PubSub(provider, attempts=1, reconnect_delay=_RECONNECT_DELAY) as pubsub:
            try:
                await pubsub.publish(topic, "pubsub-check")
            except (PublishRefused, ConnectionLost):
                return passed("another identity's client id and topic" if context.own_topics else topic)
        return _allowed(context, f"publish to {topic}")


async def _refusal_of_connection(
    context: Context, session: CognitoSession, client_id: str | None = None
) -> ConnectionRefused | None:
    """Try to connect; return the refusal, or None if the connection is accepted.

    Raises:
        ConnectionRefused: for another reason than a missing permission.
    """
    try:
        async with PubSub(context.provider(session), client_id=client_id):
            return None
    except ConnectionRefused as refusal:
        if not refusal.denied:
            raise
        return refusal


def _allowed(context: Context, what: str) -> Finding:
    policy = context.output(Output.POLICY_NAME)
    return failed(
        f"A signed-in user may {what}.",
        resource=policy,
        fix="Compare the policies attached to the identity with the setting topics, and with "
        f"docs/how-to/secure-topics.md#least-privilege; a policy other than {policy} may open more: "
        f"aws iot list-attached-policies --target {context.identity_id}",
    )


async def _iot_as_user(context: Context) -> IoTClient:
    credentials = await context.session.credentials()
    return boto3.client(
        "iot",
        region_name=context.output(Output.REGION),
        endpoint_url=context.aws.endpoint_url,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
    )


def _create_version(user: IoTClient, operator: IoTClient, policy_name: str, document: str) -> None:
    """Create a version as the user; if that is allowed, delete it at once as the operator."""
    created = user.create_policy_version(policyName=policy_name, policyDocument=document, setAsDefault=False)
    operator.delete_policy_version(policyName=policy_name, policyVersionId=created["policyVersionId"])


def _denial(attempt: Callable[[], object]) -> str | None:
    """Return which policy denied a call, in AWS's words; None if the call was allowed."""
    try:
        attempt()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "VersionsLimitExceededException":
            return None  # allowed, but there is no room for another version
        if code not in _DENIED:
            raise
        reason = re.search(r"\b(?:because|with an explicit deny)\b.*", error.response["Error"]["Message"])
        return reason[0].removeprefix("because ") if reason else "access denied"
    return None
