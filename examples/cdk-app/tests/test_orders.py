"""The permissions of the application's users, with the real authorization on a local cloud."""

from __future__ import annotations

import pytest

from pubsub_client import AwsIot, PubSub
from pubsub_client.exceptions import ConnectionLost, PublishRefused, SubscribeRefused
from pubsub_testing import LocalDeployment, MakeSignedInUser, SignedInUser


async def test_user_sees_their_own_orders(pubsub: PubSub, signed_in_user: SignedInUser) -> None:
    topic = f"{await signed_in_user.session.identity_id()}/orders"
    async with pubsub.subscribe(topic) as orders:
        await pubsub.publish(topic, {"state": "packed"})
        assert (await anext(aiter(orders))).payload == {"state": "packed"}


async def test_news_reach_all_users(
    pubsub: PubSub, local_cloud: LocalDeployment, make_signed_in_user: MakeSignedInUser
) -> None:
    other = await make_signed_in_user()
    reader = PubSub(AwsIot.from_outputs(local_cloud.outputs, other.session))
    async with reader, reader.subscribe("news/#") as news:
        await pubsub.publish("news/today", "sale")
        assert (await anext(aiter(news))).payload == "sale"


async def test_user_cannot_see_or_write_orders_of_others(pubsub: PubSub, make_signed_in_user: MakeSignedInUser) -> None:
    other = await make_signed_in_user()
    topic = f"{await other.session.identity_id()}/orders"
    with pytest.raises((SubscribeRefused, ConnectionLost)):
        async with pubsub.subscribe(topic):
            pass
    with pytest.raises((PublishRefused, ConnectionLost)):
        await pubsub.publish(topic, {"state": "stolen"})
