"""Is refused what must be refused? Each of these would be a hole if it were allowed."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from pubsub_cli.checks.authorization import CredentialsAreGiven, RoleHoldsThePolicies
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.connection import UserConnects
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.endpoint import EndpointIsReached
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import PolicyExists
from pubsub_cli.finding import Finding, failed, passed, skipped
from pubsub_cli.iam.documents import matches
from pubsub_client import PubSub
from pubsub_client._endpoint import Endpoint
from pubsub_client._failures import ask_for_upgrade
from pubsub_client._provider import UpgradeRequest
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, PublishRefused, SubscribeRefused
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from types_boto3_iot import IoTClient


_AT_ONCE = (0.05, 0.2)


class GuestIsRefused(Check):
    """The identity pool gives nobody an identity without a login.

    Anybody on the internet may call GetId; with guest access on, it would answer.
    """

    id = "PS311"
    group = Group.AUTHORIZATION
    title = "GetId without logins is rejected"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.PROBES})

    async def run(self, context: Context) -> Finding:
        """Ask for an identity as anybody on the internet could."""
        pool_id = context.output(Output.IDENTITY_POOL_ID)
        client = boto3.client(
            "cognito-identity",
            region_name=context.output(Output.REGION),
            endpoint_url=context.aws.endpoint_url,
            config=Config(signature_version=UNSIGNED),
        )
        try:
            guest = await asyncio.to_thread(client.get_id, IdentityPoolId=pool_id)
        except client.exceptions.NotAuthorizedException:
            return passed()
        context.users.track_identity(guest["IdentityId"])
        return failed(
            "The identity pool gives identities to guests.",
            resource=pool_id,
            fix=f"Turn guest access of identity pool {pool_id} off (Cognito console, User access)",
        )


class UnsignedSocketIsRefused(Check):
    """The endpoint upgrades no WebSocket without a signature.

    One that it upgraded would be let in by a custom authorizer or a domain configuration.
    """

    id = "PS411"
    group = Group.CONNECTION
    title = "an unsigned WebSocket is rejected"
    depends_on = (EndpointIsReached,)
    requirements = frozenset()

    async def run(self, context: Context) -> Finding:
        """Ask for an upgrade to MQTT with no credentials at all."""
        endpoint = context.output(Output.PUBSUB_ENDPOINT)
        answer = await asyncio.to_thread(ask_for_upgrade, Endpoint.parse(endpoint), UpgradeRequest("/mqtt"))
        if answer.accepted:
            return failed(
                "The endpoint accepted a WebSocket that nobody has signed.",
                resource=endpoint,
                fix="Look for a custom authorizer or domain configuration that lets anybody in: "
                "aws iot list-domain-configurations",
            )
        return passed(f"HTTP {answer.status}")


class UnattachedIdentityIsRefused(Check):
    """An identity without the policy cannot connect, whatever its role allows.

    The user carries a current marker before the first sign-in, so the trigger takes the policy for attached; where
    there is no trigger, signing in attaches nothing anyway. Skipped with `--user`, when no user may be made.
    """

    id = "PS412"
    group = Group.CONNECTION
    title = "an identity without the IoT policy is rejected"
    depends_on = (UserConnects,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.TEST_USERS})

    async def run(self, context: Context) -> Finding:
        """Sign in as a user whom nothing attaches, and try to connect."""
        user = await context.create_user(marked=context.attaches_at_sign_in)
        context.unattached_session = session = context.new_session()
        await session.sign_in(user.name, user.password)
        context.sign_out_at_end(session)
        identity_id = await session.identity_id()
        context.users.track_identity(identity_id)
        try:
            async with PubSub(context.provider(session)):
                pass
        except ConnectionRefused as refusal:
            if not refusal.denied:
                raise
            return passed(refusal.reason.partition(":")[0])
        return failed(
            "An identity to which no IoT policy is attached could connect: the policy is attached some other way, "
            "or attached policies are not looked at.",
            resource=identity_id,
            fix=f"aws iot list-attached-policies --target {identity_id}",
        )


class ControlPlaneIsRefused(Check):
    """In guarded mode a signed-in user can neither attach policies nor change them.

    AWSIoTConfigAccess allows both; the guard must not. The refusal is quoted, and names the policy that refused.
    Skipped in unguarded mode, which allows it as the guide does.
    """

    id = "PS312"
    group = Group.AUTHORIZATION
    title = "a user can neither attach nor change IoT policies"
    depends_on = (CredentialsAreGiven, RoleHoldsThePolicies, PolicyExists)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.TOKEN, Requirement.PROBES})

    async def run(self, context: Context) -> Finding:
        """Try both with the user's own credentials."""
        if context.output(Output.ACCESS_MODE) == "unguarded":
            return skipped("accessMode unguarded allows it, as Amplify's guide does")
        policy_name = context.output(Output.POLICY_NAME)
        document = (await asyncio.to_thread(context.aws.iot.get_policy, policyName=policy_name))["policyDocument"]
        client = await _as_user(context)
        attempts: dict[str, Callable[[], object]] = {
            "AttachPolicy": lambda: client.attach_policy(policyName=policy_name, target=context.identity_id),
            "CreatePolicyVersion": lambda: _create_version(client, context.aws.iot, policy_name, document),
        }
        refusals = {name: await asyncio.to_thread(_refusal, attempt) for name, attempt in attempts.items()}
        allowed = [name for name, refusal in refusals.items() if refusal is None]
        if allowed:
            return failed(
                f"A signed-in user may call {' and '.join(allowed)}, and so give or take anybody's access.",
                resource=context.output(Output.AUTH_ROLE_ARN),
                fix="Compare the guard's statements with docs/security.md, and set its default version back: "
                "aws iam list-policy-versions, aws iam set-default-policy-version",
            )
        return passed("; ".join(sorted({str(refusal) for refusal in refusals.values()})))


class OtherTopicsAreRefused(Check):
    """Nobody reads or writes a topic that is not opened to them.

    Tried by real connections. In least-privilege mode with a topic of an identity id that is not the user's, and with
    that as client id; in the others with a topic that the setting topics does not open, if there is one. As a user of
    the run's own: to others more may be attached.
    """

    id = "PS413"
    group = Group.CONNECTION
    title = "another user's topics are denied"
    depends_on = (UserConnects,)
    requirements = frozenset({Requirement.TEST_USERS, Requirement.STACK, Requirement.PROBES})

    async def run(self, context: Context) -> Finding:
        """Try each on a connection of its own, for AWS IoT may close one that asks for what it may not."""
        other = f"{context.output(Output.REGION)}:{uuid.uuid4()}"
        topic = f"{other}/pubsub-check"
        if context.own_topics and await _connects(context, other):
            return _open(context, f"connect with client id {other}, which another identity's begin with")
        if any(matches(pattern, topic, None) for pattern in context.topics):
            return passed("the setting topics opens all of them to everybody")
        async with PubSub(context.provider(context.session), attempts=1, reconnect_delay=_AT_ONCE) as pubsub:
            try:
                async with pubsub.subscribe(topic):
                    return _open(context, f"subscribe to {topic}")
            except (SubscribeRefused, ConnectionLost):
                pass
        async with PubSub(context.provider(context.session), attempts=1, reconnect_delay=_AT_ONCE) as pubsub:
            try:
                await pubsub.publish(topic, "pubsub-check")
            except (PublishRefused, ConnectionLost):
                return passed("another identity's client id and topic" if context.own_topics else topic)
        return _open(context, f"publish to {topic}")


async def _connects(context: Context, client_id: str) -> bool:
    try:
        async with PubSub(context.provider(context.session), client_id=client_id):
            return True
    except ConnectionRefused as refusal:
        if not refusal.denied:
            raise
        return False


def _open(context: Context, what: str) -> Finding:
    policy = context.output(Output.POLICY_NAME)
    return failed(
        f"A signed-in user may {what}.",
        resource=policy,
        fix="Compare the policies attached to the identity with the setting topics, and with "
        f"docs/how-it-works.md#least-privilege; another one than {policy} may open more: "
        f"aws iot list-attached-policies --target {context.identity_id}",
    )


async def _as_user(context: Context) -> IoTClient:
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
    """Make a version as the user; if that is allowed, the operator deletes it at once."""
    made = user.create_policy_version(policyName=policy_name, policyDocument=document, setAsDefault=False)
    operator.delete_policy_version(policyName=policy_name, policyVersionId=made["policyVersionId"])


def _refusal(attempt: Callable[[], object]) -> str | None:
    """Return which policy refused, in AWS's words; None if nothing did."""
    try:
        attempt()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "VersionsLimitExceededException":
            return None  # allowed, and no room for another version
        if code not in ("AccessDeniedException", "UnauthorizedException"):
            raise
        reason = re.search(r"\b(?:because|with an explicit deny)\b.*", error.response["Error"]["Message"])
        return reason[0].removeprefix("because ") if reason else "access denied"
    return None
