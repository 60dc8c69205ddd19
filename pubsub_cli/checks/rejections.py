"""Checks that try requests which must be rejected. Each one that is allowed is a security hole."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from pubsub_cli.aws_errors import is_not_permitted
from pubsub_cli.checks.check import BlockingCheck, Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.connection import UserConnects
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.endpoint import EndpointIsReached
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.permissions import CredentialsAreGiven
from pubsub_cli.checks.provisioning import PolicyExists
from pubsub_cli.checks.roles import RolesAreGuarded
from pubsub_cli.finding import Finding, failed, not_applicable, passed, skipped, unknown
from pubsub_cli.iam.documents import matches
from pubsub_client import CognitoSession, PubSub
from pubsub_client._endpoint import Endpoint
from pubsub_client._failures import request_upgrade
from pubsub_client._provider import UpgradeRequest
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, PublishRefused, SubscribeRefused
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient

_RECONNECT_DELAY = (0.05, 0.2)
_REJECTIONS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class GuestIsRejected(BlockingCheck):
    """Anyone on the internet can call GetId. If guest access is on, it returns an identity without a login."""

    id = "PS311"
    group = Group.REJECTIONS
    title = "GetId without logins is rejected"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.PROBES})

    def examine(self, context: Context) -> Finding:
        pool_id, client = context.output(Output.IDENTITY_POOL_ID), context.aws.identity_pools_unsigned
        try:
            guest = client.get_id(IdentityPoolId=pool_id)
        except client.exceptions.NotAuthorizedException:
            return passed()
        context.users.track_identity(guest["IdentityId"])
        return failed(
            "The identity pool gives identities to guests, who have not signed in.",
            resource=pool_id,
            fix=f"Turn off guest access of identity pool {pool_id} (Cognito console, User access).",
        )


class UnsignedSocketIsRejected(BlockingCheck):
    """If a custom authorizer or a domain configuration accepts WebSockets without a signature, anyone can connect."""

    id = "PS411"
    group = Group.REJECTIONS
    title = "an unsigned WebSocket is rejected"
    depends_on = (EndpointIsReached,)
    requirements = frozenset()

    def examine(self, context: Context) -> Finding:
        endpoint = context.output(Output.PUBSUB_ENDPOINT)
        response = request_upgrade(Endpoint.parse(endpoint), UpgradeRequest("/mqtt"))
        if response.accepted:
            return failed(
                "The endpoint accepts a WebSocket without a signature, so anyone can connect.",
                resource=endpoint,
                fix="Find the custom authorizer or domain configuration that accepts every client:\n"
                "aws iot list-domain-configurations",
            )
        if response.status not in _REJECTIONS:
            return unknown(
                f"The endpoint answered a WebSocket without a signature with HTTP {response.status}, not a rejection.",
                resource=endpoint,
                fix="Check the network path (PS404), and check again.",
                blocks=False,
            )
        return passed(f"HTTP {response.status}")


class UnattachedIdentityIsRejected(Check):
    """AWS IoT must enforce the IoT policy: the permissions of the role do not suffice.

    The check creates a test user, so it is not applicable with `--user`. The user has a current marker, so the
    trigger does not attach the policy.
    """

    id = "PS412"
    group = Group.REJECTIONS
    title = "an identity without the IoT policy is rejected"
    depends_on = (UserConnects,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.TEST_USERS})

    async def run(self, context: Context) -> Finding:
        context.unattached_session = session = await context.sign_in_test_user(marked=context.attaches_at_sign_in)
        refusal = await _refusal_of_connection(context, session)
        if refusal:
            return passed(refusal.reason.partition(":")[0])
        identity_id = await session.identity_id()
        return failed(
            "An identity without the IoT policy can connect: another policy is attached to it, or AWS IoT does not "
            "enforce attached policies.",
            resource=identity_id,
            fix=f"aws iot list-attached-policies --target {identity_id}",
        )


class ControlPlaneIsDenied(Check):
    """AWSIoTConfigAccess allows both, and the control-plane guard must deny both. The result quotes AWS's reason, which
    names the denying policy. The check is skipped in access mode `unguarded`.
    """

    id = "PS312"
    group = Group.REJECTIONS
    title = "a user can neither attach nor change IoT policies"
    depends_on = (CredentialsAreGiven, RolesAreGuarded, PolicyExists)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.TOKEN, Requirement.PROBES})

    async def run(self, context: Context) -> Finding:
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
                f"A signed-in user may call {' and '.join(allowed)}, and so change the access of all users.",
                resource=context.output(Output.AUTH_ROLE_ARN),
                fix="Compare the guard's statements with docs/explanation/security.md, and restore its default "
                "version: aws iam list-policy-versions, aws iam set-default-policy-version",
            )
        return passed("; ".join(sorted({str(refusal) for refusal in refusals.values()})))


class OtherTopicsAreDenied(Check):
    """The check connects as a test user, because other policies can be attached to existing users.

    In access mode `least-privilege` it tries a topic and a client id of another identity id. In the other modes it
    tries a topic that the setting `topics` does not open. It is skipped if that setting opens all topics.
    """

    id = "PS413"
    group = Group.REJECTIONS
    title = "another user's topics are denied"
    depends_on = (UserConnects,)
    requirements = frozenset({Requirement.TEST_USERS, Requirement.STACK, Requirement.PROBES})

    async def run(self, context: Context) -> Finding:
        # Each request has its own connection, because AWS IoT can close a connection after a denied request.
        other = f"{context.output(Output.REGION)}:{uuid.uuid4()}"
        topic = f"{other}/pubsub-check"
        if context.own_topics and not await _refusal_of_connection(context, context.session, client_id=other):
            return _allowed(context, f"connect with client id {other}, which belongs to another identity")
        if any(matches(pattern, topic, None) for pattern in context.topics):
            return not_applicable("the setting topics opens all topics to all users")
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
    """Try to connect. Return the rejection, or None if the connection is accepted.

    Raises:
        ConnectionRefused: the connection is rejected for another reason than a missing permission.
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
        fix="Compare the policies attached to the identity with the setting topics and with "
        f"docs/how-to/secure-topics.md#least-privilege. A policy other than {policy} can open more:\n"
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
    """Create a policy version as the user. If that is allowed, delete it at once as the operator."""
    created = user.create_policy_version(policyName=policy_name, policyDocument=document, setAsDefault=False)
    operator.delete_policy_version(policyName=policy_name, policyVersionId=created["policyVersionId"])


def _denial(attempt: Callable[[], object]) -> str | None:
    """Return AWS's reason for denying a call, which names the policy; None if the call is allowed."""
    try:
        attempt()
    except ClientError as error:
        if error.response["Error"]["Code"] == "VersionsLimitExceededException":
            return None  # allowed, but the policy already has the most versions
        if not is_not_permitted(error):
            raise
        reason = re.search(r"\b(?:because|with an explicit deny)\b.*", error.response["Error"]["Message"])
        return reason[0].removeprefix("because ") if reason else "access denied"
    return None
