"""A connection that goes away comes back by itself, signed anew and with its subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from urllib.parse import parse_qs, urlsplit

import pytest

from pubsub_client import AwsIot, CognitoSession, ConnectionState, Credentials, PubSub
from pubsub_client._connection import StateChange
from pubsub_client.exceptions import ConnectionLost, SubscribeRefused
from tests.integration.pubsub_client.conftest import Deployment
from tests.integration.pubsub_client.relay import Relay, relay_to

SECONDS = 20.0


@pytest.fixture
async def relay(deployment: Deployment) -> AsyncIterator[Relay]:
    async with relay_to(deployment.cloud.port) as relay:
        yield relay


@pytest.fixture
def provider(deployment: Deployment, session: CognitoSession, relay: Relay) -> AwsIot:
    """AWS IoT by the way of the relay."""
    host = deployment.endpoint.partition(":")[0]
    return AwsIot(endpoint=f"{host}:{relay.port}", region=deployment.region, credentials=session)


async def until(pubsub: PubSub, *states: ConnectionState) -> list[StateChange]:
    """Collect the changes from now on, until the states have come one after the other."""
    seen: list[StateChange] = []
    wanted = list(states)
    async with asyncio.timeout(SECONDS), aclosing(pubsub.states()) as changes:
        async for change in changes:
            seen.append(change)
            if change.state is wanted[0]:
                wanted.pop(0)
                if not wanted:
                    break
    return seen


async def test_subscriptions_are_back_when_the_connection_is(provider: AwsIot, relay: Relay, topic: str) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe(f"{topic}/#") as messages:
        back = asyncio.create_task(until(pubsub, ConnectionState.DISCONNECTED, ConnectionState.CONNECTED))
        await asyncio.sleep(0)
        relay.cut()
        changes = await back
        await pubsub.publish(f"{topic}/1", "after")
        async with asyncio.timeout(SECONDS):
            assert (await anext(messages)).payload == "after"
    assert [change.state for change in changes] == [
        ConnectionState.CONNECTED,
        ConnectionState.DISCONNECTED,
        ConnectionState.CONNECTING,
        ConnectionState.CONNECTED,
    ]
    assert changes[1].reason


async def test_each_connection_is_signed_anew_with_the_credentials_of_the_moment(
    deployment: Deployment, provider: AwsIot, session: CognitoSession, relay: Relay
) -> None:
    class Renewing:
        """Gives the credentials of another sign-in each time."""

        asked = 0

        async def credentials(self) -> Credentials:
            self.asked += 1
            return await sessions[self.asked - 1].credentials()

    other = deployment.session()
    user = deployment.make_user()
    await other.sign_in(user.name, user.password)
    deployment.attach_policy(await other.identity_id())
    sessions = [session, other]
    renewing = AwsIot(endpoint=provider.endpoint.authority, region=deployment.region, credentials=Renewing())
    async with PubSub(renewing) as pubsub:
        back = asyncio.create_task(until(pubsub, ConnectionState.DISCONNECTED, ConnectionState.CONNECTED))
        await asyncio.sleep(0)
        relay.cut()
        await back
    used = [parse_qs(urlsplit(path).query)["X-Amz-Credential"][0].split("/")[0] for path in relay.upgrades]
    assert used == [(await each.credentials()).access_key_id for each in sessions]


async def test_what_is_published_meanwhile_waits_for_the_connection(provider: AwsIot, relay: Relay, topic: str) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
        relay.refusing = True
        gone = asyncio.create_task(until(pubsub, ConnectionState.DISCONNECTED))
        await asyncio.sleep(0)
        relay.cut()
        await gone
        publishing = asyncio.create_task(pubsub.publish(topic, "meanwhile"))
        await asyncio.sleep(0.2)
        assert not publishing.done()
        relay.refusing = False
        async with asyncio.timeout(SECONDS):
            await publishing
            assert (await anext(messages)).payload == "meanwhile"


async def test_a_connection_that_does_not_come_back_is_told_to_who_waits(
    provider: AwsIot, relay: Relay, topic: str
) -> None:
    async with PubSub(provider, connect_timeout=0.5) as pubsub:
        relay.refusing = True
        gone = asyncio.create_task(until(pubsub, ConnectionState.DISCONNECTED))
        await asyncio.sleep(0)
        relay.cut()
        await gone
        with pytest.raises(ConnectionLost, match=r"no connection for 0\.5 s"):
            await pubsub.publish(topic, {})


async def test_another_connection_with_the_same_client_id_is_the_reason(provider: AwsIot) -> None:
    async with PubSub(provider, client_id="twice") as pubsub:
        back = asyncio.create_task(until(pubsub, ConnectionState.DISCONNECTED, ConnectionState.CONNECTED))
        await asyncio.sleep(0)
        async with PubSub(provider, client_id="twice"):
            pass
        changes = await back
    assert changes[1].reason is not None
    assert "SESSION_TAKEN_OVER" in changes[1].reason


async def test_a_topic_filter_that_is_refused_after_all_ends_its_readers(
    deployment: Deployment, session: CognitoSession, provider: AwsIot, relay: Relay, topic: str
) -> None:
    iot = deployment.cloud.client("iot")
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
        identity_id = await session.identity_id()
        iot.attach_policy(policyName=deployment.connect_only_policy_name, target=identity_id)
        iot.detach_policy(policyName=deployment.policy_name, target=identity_id)
        back = asyncio.create_task(until(pubsub, ConnectionState.DISCONNECTED, ConnectionState.CONNECTED))
        await asyncio.sleep(0)
        relay.cut()
        await back
        with pytest.raises(SubscribeRefused, match=f"iot:Subscribe on topicfilter/{topic}"):
            await anext(messages)
