"""A Python counterpart of Amplify PubSub over AWS IoT.

    session = CognitoSession(region=..., user_pool_id=..., user_pool_client_id=..., identity_pool_id=...)
    await session.sign_in("ada", password)
    provider = AwsIot(endpoint=..., region=..., credentials=session)
    async with PubSub(provider) as pubsub, pubsub.subscribe("orders/#") as messages:
        await pubsub.publish("orders/1", {"state": "packed"})
        async for message in messages:
            print(message.topic, message.payload)

What can go wrong is in :mod:`pubsub_client.exceptions`.
"""

from pubsub_client import exceptions
from pubsub_client._aws_iot import AwsIot
from pubsub_client._cognito import CognitoSession
from pubsub_client._credentials import Credentials, CredentialsSource
from pubsub_client._pubsub import PubSub
from pubsub_client._states import ConnectionState, StateChange
from pubsub_client._subscription import Message, Subscription
from pubsub_client.exceptions import PubSubError

__all__ = [
    "AwsIot",
    "CognitoSession",
    "ConnectionState",
    "Credentials",
    "CredentialsSource",
    "Message",
    "PubSub",
    "PubSubError",
    "StateChange",
    "Subscription",
    "exceptions",
]
