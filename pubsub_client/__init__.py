"""A PubSub client over AWS IoT, or over any MQTT broker: the Python counterpart of Amplify PubSub.

    >>> session = CognitoSession.from_outputs(outputs)
    >>> await session.sign_in("ada", password)
    >>> provider = AwsIot.from_outputs(outputs, session)
    >>> async with PubSub(provider) as pubsub, pubsub.subscribe("orders/#") as orders:
    ...     await pubsub.publish("orders/1", {"state": "packed"})
    ...     async for message in orders:
    ...         print(message.topic, message.payload)
    ...         break
    orders/1 {'state': 'packed'}

``outputs`` are the stack's outputs by name. All errors are in :mod:`pubsub_client.exceptions`. For guarantees and
limits, see docs/reference/client.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pubsub_client import exceptions

if TYPE_CHECKING:
    from pubsub_client._aws_iot import AwsIot
    from pubsub_client._aws_sdk import SdkCredentials
    from pubsub_client._cognito import CognitoSession
    from pubsub_client._connection import ConnectionState
    from pubsub_client._credentials import Credentials
    from pubsub_client._messages import Message
    from pubsub_client._mqtt_over_websocket import MqttOverWebSocket
    from pubsub_client._pubsub import PubSub, configure, get
    from pubsub_client._subscription import Subscription
else:
    _MODULES = {
        "AwsIot": "_aws_iot",
        "CognitoSession": "_cognito",
        "ConnectionState": "_connection",
        "Credentials": "_credentials",
        "Message": "_messages",
        "MqttOverWebSocket": "_mqtt_over_websocket",
        "PubSub": "_pubsub",
        "SdkCredentials": "_aws_sdk",
        "Subscription": "_subscription",
        "configure": "_pubsub",
        "get": "_pubsub",
    }

    def __getattr__(name: str) -> object:
        """Import a name on first use: ``pubsub_client.outputs`` needs neither the MQTT client nor the AWS SDK."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value


__all__ = [
    "AwsIot",
    "CognitoSession",
    "ConnectionState",
    "Credentials",
    "Message",
    "MqttOverWebSocket",
    "PubSub",
    "SdkCredentials",
    "Subscription",
    "configure",
    "exceptions",
    "get",
]
