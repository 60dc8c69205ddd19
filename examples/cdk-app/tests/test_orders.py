"""What users of the application may do, asked of the real authorization on a local cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pubsub_client import AwsIot, PubSub
from pubsub_client.exceptions import ConnectionLost, PublishRefused, SubscribeRefused

if TYPE_CHECKING:
    from pubsub_testing import LocalDeployment, MakeSignedInUser, SignedInUser


async def test_a_user_sees_the_orders_of_their_own(pubsub: PubSub, signed_in_user: SignedInUser) -> None:
    topic = f"{await signed_in_user.session.identity_id()}/orders"
    async with pubsub.subscribe(topic) as orders:
        await pubsub.publish(topic, {"state": "packed"})
        assert (await anext(aiter(orders))).payload == {"state": "packed"}


async def test_the_news_reach_everybody(
    pubsub: PubSub, local_cloud: LocalDeployment, make_signed_in_user: MakeSignedInUser
) -> None:
    other = await make_signed_in_user()
    reader = PubSub(AwsIot.from_outputs(local_cloud.outputs, other.session))
    async with reader, reader.subscribe("news/#") as news:
        await pubsub.publish("news/today", "sale")
        assert (await anext(aiter(news))).payload == "sale"


async def test_nobody_sees_or_writes_the_orders_of_another(
    pubsub: PubSub, make_signed_in_user: MakeSignedInUser
) -> None:
    other = await make_signed_in_user()
    topic = f"{await other.session.identity_id()}/orders"
    with pytest.raises((SubscribeRefused, ConnectionLost)):
        async with pubsub.subscribe(topic):
            pass
    with pytest.raises((PublishRefused, ConnectionLost)):
        await pubsub.publish(topic, {"state": "stolen"})
