"""A Python counterpart of Amplify PubSub over AWS IoT.

session = CognitoSession(region=..., user_pool_id=..., user_pool_client_id=..., identity_pool_id=...)
await session.sign_in("ada", password)
provider = AwsIot(endpoint=..., region=..., credentials=session)
async with PubSub(provider) as pubsub, pubsub.subscribe("orders/#") as orders:
    await pubsub.publish("orders/1", {"state": "packed"})
    async for message in orders:
        print(message.topic, message.payload)
"""

from pubsub_client import exceptions
from pubsub_client._aws_iot import AwsIot
from pubsub_client._cognito import CognitoSession
from pubsub_client._credentials import Credentials, CredentialsSource
from pubsub_client.exceptions import PubSubError
from pubsub_client._pubsub import ConnectionState, PubSub, StateChange
from pubsub_client._subscription import Message, Subscription

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
