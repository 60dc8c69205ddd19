"""A client publishes on and on while its credentials end again and again, and its connections with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pubsub_client import AwsIot, CognitoSession, Credentials, PubSub, Subscription
from tests.integration.pubsub_client.conftest import Deployment

LIFETIME_SECONDS = 4
RENEWALS = 3
LAST = "last"
ARRIVAL_SECONDS = 20


class Source:
    """A session, the keys that connections were signed with, and when the last of them ends."""

    def __init__(self, session: CognitoSession) -> None:
        self.keys: list[str] = []
        self.end = datetime.max.replace(tzinfo=UTC)
        self._session = session

    async def credentials(self) -> Credentials:
        given = await self._session.credentials()
        if given.access_key_id not in self.keys:
            self.keys.append(given.access_key_id)
        assert given.expiration
        self.end = given.expiration
        return given

    @property
    def renewals(self) -> int:
        return len(self.keys) - 1

    async def pause(self) -> None:
        """Wait a little between messages, but not at the end of a connection: one shall be under way then."""
        await asyncio.sleep(0.1 if self.end - datetime.now(UTC) > timedelta(seconds=0.5) else 0)


@pytest.fixture
async def source(deployment: Deployment) -> Source:
    """Another user's, whose credentials are not asked for yet."""
    session = deployment.session()
    user = deployment.make_user()
    await session.sign_in(user.name, user.password)
    deployment.attach_policy(await session.identity_id())
    return Source(session)


@pytest.fixture
def short_lives(deployment: Deployment) -> Iterator[Callable[[], None]]:
    """Shortens the life of credentials that are given after the call."""

    def shorten() -> None:
        deployment.cloud.credentials_lifetime_seconds = LIFETIME_SECONDS

    yield shorten
    deployment.cloud.clear_faults()


async def test_no_publish_fails_and_every_message_arrives(
    deployment: Deployment, provider: AwsIot, topic: str, source: Source, short_lives: Callable[[], None]
) -> None:
    publishing = AwsIot(endpoint=deployment.endpoint, region=deployment.region, credentials=source)
    async with PubSub(provider) as reader, reader.subscribe(topic, qos=1) as messages:
        arriving = asyncio.create_task(collect(messages))
        short_lives()
        published: list[int | str] = []
        async with PubSub(publishing, reconnect_delay=(0.02, 0.2)) as publisher:
            while source.renewals < RENEWALS:
                published.append(len(published))
                await publisher.publish(topic, published[-1])
                await source.pause()
            published.append(LAST)
            await publisher.publish(topic, LAST)
        arrived = await asyncio.wait_for(arriving, ARRIVAL_SECONDS)
    # What is sent again may arrive twice.
    assert list(dict.fromkeys(arrived)) == published


async def collect(messages: Subscription) -> list[int | str]:
    arrived = []
    async for message in messages:
        arrived.append(message.payload)
        if message.payload == LAST:
            break
    return arrived
