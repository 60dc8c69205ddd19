"""`CognitoSession` and `PubSub` on the deployed route: a user without the policy gets it, or is told why not."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing, suppress

import pytest

from local_cloud.faults import Fail
from pubsub_client import AwsIot, CognitoSession, ConnectionState, PubSub
from pubsub_client._self_attach import SelfAttachment
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, SessionError
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment

REPAIRED = SelfAttachment("PS203", "repaired", "PS203: no IoT policy was attached, repaired")
ATTACHED = SelfAttachment("PS203", "attached", "PS203: the IoT policy is attached already")
ATTACH = "iot:AttachPolicy"


@pytest.fixture
async def session(deployment: Deployment) -> CognitoSession:
    """A signed-in user, to whose identity the policy is attached."""
    session = CognitoSession.from_outputs(deployment.outputs, deployment.cloud.endpoint_url)
    await session.sign_in(deployment.make_user(), PASSWORD)
    deployment.wait_until_retry_queue_is_empty()
    return session


@pytest.fixture
def provider(deployment: Deployment, session: CognitoSession) -> AwsIot:
    endpoint = deployment.outputs[Output.PUBSUB_ENDPOINT]
    return AwsIot(endpoint=endpoint, region=deployment.cloud.region, credentials=session)


async def detach(deployment: Deployment, session: CognitoSession) -> None:
    identity_id = await session.identity_id()
    deployment.cloud.client("iot").detach_policy(policyName=deployment.policy_name, target=identity_id)


async def test_a_session_has_the_policy_attached(deployment: Deployment, session: CognitoSession) -> None:
    assert await session.self_attach() == ATTACHED
    await detach(deployment, session)
    assert await session.self_attach() == REPAIRED
    assert deployment.attached_policies(await session.identity_id()) == [deployment.policy_name]


async def test_throttling_is_waited_for(deployment: Deployment, session: CognitoSession) -> None:
    await detach(deployment, session)
    # More than the function itself tries, so that the route answers 503 once.
    with deployment.cloud.fault(ATTACH, Fail("ThrottlingException", 429), times=3):
        assert await session.self_attach() == REPAIRED


async def test_a_user_whose_policy_was_detached_connects(
    deployment: Deployment, session: CognitoSession, provider: AwsIot
) -> None:
    await detach(deployment, session)
    before = deployment.cloud.calls()
    async with PubSub(provider) as pubsub, pubsub.subscribe("chat/self-attach") as messages:
        await pubsub.publish("chat/self-attach", "repaired")
        async with asyncio.timeout(10):
            assert (await anext(messages)).payload == "repaired"
    assert deployment.calls_of(before)[ATTACH] == 1


async def test_a_refused_repair_names_why(deployment: Deployment, session: CognitoSession, provider: AwsIot) -> None:
    await detach(deployment, session)
    with deployment.cloud.fault(ATTACH, Fail("LimitExceededException", 410)):
        with pytest.raises(SessionError, match=r"^PS203: the IoT policy could not be attached"):
            await session.self_attach()
        with pytest.raises(ConnectionRefused, match=r"iot:Connect .* PS203: the IoT policy could not be") as refusal:
            await PubSub(provider).__aenter__()
    assert refusal.value.denied


async def test_a_role_that_may_not_ask_is_told(deployment: Deployment, session: CognitoSession) -> None:
    iam = deployment.cloud.client("iam")
    role = deployment.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]
    document = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "execute-api:*", "Resource": "*"}}'
    iam.put_role_policy(RoleName=role, PolicyName="denied", PolicyDocument=document)
    url = re.escape(deployment.outputs[Output.SELF_ATTACH_URL])
    try:
        with pytest.raises(SessionError, match=rf"{url} answers HTTP 403 Forbidden: .* execute-api:Invoke"):
            await session.self_attach()
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="denied")


async def test_an_attachment_that_acts_late_is_waited_for(
    deployment: Deployment, session: CognitoSession, provider: AwsIot
) -> None:
    await detach(deployment, session)
    deployment.cloud.policy_propagation_seconds = 1
    try:
        async with PubSub(provider) as pubsub:
            assert pubsub.state is ConnectionState.CONNECTED
    finally:
        deployment.cloud.policy_propagation_seconds = 0


async def test_a_connection_that_ends_when_the_policy_is_detached_comes_back(
    deployment: Deployment, session: CognitoSession, provider: AwsIot
) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe("chat/again") as messages:
        await detach(deployment, session)
        with suppress(ConnectionLost):  # the message drops the connection, as any now would
            await pubsub.publish("chat/again", "refused", qos=0)
        async with asyncio.timeout(30), aclosing(pubsub.states()) as changes:
            async for state, _ in changes:
                if state is ConnectionState.DISCONNECTED:
                    break
        await pubsub.publish("chat/again", "here again")
        async with asyncio.timeout(10):
            assert (await anext(messages)).payload == "here again"
    assert deployment.attached_policies(await session.identity_id()) == [deployment.policy_name]
