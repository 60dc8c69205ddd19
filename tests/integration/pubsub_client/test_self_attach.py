"""A denied connection is remedied by self-attach, and made; or the refusal tells why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pubsub_client import AwsIot, CognitoSession, ConnectionState, Credentials, PubSub
from pubsub_client._self_attach import SelfAttachment
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, SessionError
from tests.integration.pubsub_client.conftest import DENIED_CLIENT_ID, Deployment
from tests.integration.pubsub_client.relay import Relay, relay_to
from tests.integration.pubsub_client.test_reconnect import until

REPAIRED = "PS203: no IoT policy was attached, repaired"
ATTACHED = "PS203: the IoT policy is attached already"
RECONNECT_DELAY = (0.02, 0.2)
REFUSED = "PS203: the request was signed by a guest: sign in"


class SelfAttaching:
    """The session's credentials, with a route that does what the test says."""

    can_self_attach = True

    def __init__(self, deployment: Deployment, session: CognitoSession) -> None:
        self.refusals: list[str] = []
        """What the next calls are refused with."""
        self.repairs = True
        """Whether the policy is attached when it is asked for."""
        self.calls = 0
        self._deployment = deployment
        self._session = session

    async def credentials(self) -> Credentials:
        return await self._session.credentials()

    async def self_attach(self) -> SelfAttachment:
        self.calls += 1
        if self.refusals:
            raise SessionError(self.refusals.pop())
        if not self.repairs:
            return SelfAttachment("PS203", "attached", ATTACHED)
        self._deployment.attach_policy(await self._session.identity_id())
        return SelfAttachment("PS203", "repaired", REPAIRED)

    async def detach(self) -> None:
        identity_id = await self._session.identity_id()
        self._deployment.cloud.client("iot").detach_policy(policyName=self._deployment.policy_name, target=identity_id)


@pytest.fixture
async def source(deployment: Deployment, session: CognitoSession) -> SelfAttaching:
    """A signed-in user to whose identity no policy is attached."""
    source = SelfAttaching(deployment, session)
    await source.detach()
    return source


@pytest.fixture
async def relay(deployment: Deployment) -> AsyncIterator[Relay]:
    async with relay_to(deployment.cloud.port) as relay:
        yield relay


@pytest.fixture
def provider(deployment: Deployment, source: SelfAttaching, relay: Relay) -> AwsIot:
    host = deployment.endpoint.partition(":")[0]
    return AwsIot(endpoint=f"{host}:{relay.port}", region=deployment.region, credentials=source)


async def refusal_of(pubsub: PubSub) -> ConnectionRefused:
    with pytest.raises(ConnectionRefused) as refusal:
        await pubsub.__aenter__()
    return refusal.value


async def test_a_denied_connection_is_made_after_self_attaching_once(
    provider: AwsIot, source: SelfAttaching, topic: str
) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
        await pubsub.publish(topic, "repaired")
        assert (await anext(messages)).payload == "repaired"
    assert source.calls == 1


async def test_nothing_is_asked_when_the_connection_is_not_denied(
    deployment: Deployment, session: CognitoSession, source: SelfAttaching, provider: AwsIot
) -> None:
    deployment.attach_policy(await session.identity_id())
    async with PubSub(provider):
        pass
    assert source.calls == 0


async def test_a_refused_self_attachment_ends_the_attempt_and_says_why(provider: AwsIot, source: SelfAttaching) -> None:
    source.refusals = [REFUSED]
    refusal = await refusal_of(PubSub(provider, client_id="mine"))
    assert refusal.denied
    assert "do not allow iot:Connect on client/mine" in refusal.reason
    assert refusal.reason.endswith(REFUSED)
    assert source.calls == 1


async def test_what_stays_denied_is_tried_until_the_deadline_and_told_with_the_answer(
    provider: AwsIot, source: SelfAttaching, relay: Relay
) -> None:
    source.repairs = False
    refusal = await refusal_of(PubSub(provider, connect_timeout=3, reconnect_delay=RECONNECT_DELAY))
    assert refusal.denied
    assert refusal.reason.endswith(ATTACHED)
    assert source.calls == 1
    assert len(relay.upgrades) > 1


async def test_an_answer_by_the_broker_is_remedied_too(provider: AwsIot, source: SelfAttaching) -> None:
    refusal = await refusal_of(
        PubSub(provider, client_id=DENIED_CLIENT_ID, connect_timeout=2, reconnect_delay=RECONNECT_DELAY)
    )
    assert "0x87 NOT_AUTHORIZED" in refusal.reason
    assert refusal.reason.endswith(REPAIRED)
    assert source.calls == 1


async def test_a_connection_whose_policy_was_detached_comes_back(
    provider: AwsIot, source: SelfAttaching, relay: Relay, topic: str
) -> None:
    async with PubSub(provider, reconnect_delay=RECONNECT_DELAY) as pubsub, pubsub.subscribe(topic) as messages:
        await source.detach()
        back = asyncio.create_task(until(pubsub, ConnectionState.DISCONNECTED, ConnectionState.CONNECTED))
        await asyncio.sleep(0)
        relay.cut()
        await back
        await pubsub.publish(topic, "again")
        assert (await anext(messages)).payload == "again"
    assert source.calls == 2


async def test_who_waits_for_a_connection_that_stays_denied_is_told_why(
    provider: AwsIot, source: SelfAttaching, relay: Relay, topic: str
) -> None:
    async with PubSub(provider, connect_timeout=3, reconnect_delay=RECONNECT_DELAY) as pubsub:
        source.repairs = False
        await source.detach()
        gone = asyncio.create_task(until(pubsub, ConnectionState.DISCONNECTED))
        await asyncio.sleep(0)
        relay.cut()
        await gone
        with pytest.raises(ConnectionLost, match=ATTACHED):
            await pubsub.publish(topic, {})


async def test_a_reconnect_self_attaches_again_until_it_is_not_refused(
    provider: AwsIot, source: SelfAttaching, relay: Relay
) -> None:
    async with PubSub(provider, reconnect_delay=RECONNECT_DELAY) as pubsub:
        source.refusals = [REFUSED]
        await source.detach()
        back = asyncio.create_task(until(pubsub, ConnectionState.DISCONNECTED, ConnectionState.CONNECTED))
        await asyncio.sleep(0)
        relay.cut()
        changes = await back
    assert source.calls == 3
    assert any(change.reason and change.reason.endswith(REFUSED) for change in changes)
