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

``outputs`` are those of the stack, by name. What can go wrong is in :mod:`pubsub_client.exceptions`; what is promised,
in docs/client.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pubsub_client import exceptions

if TYPE_CHECKING:
    from pubsub_client._aws_iot import AwsIot
    from pubsub_client._cognito import CognitoSession
    from pubsub_client._credentials import Credentials
    from pubsub_client._mqtt_over_websocket import MqttOverWebSocket
    from pubsub_client._pubsub import PubSub
    from pubsub_client._sdk_credentials import SdkCredentials
    from pubsub_client._shared import configure, get
    from pubsub_client._states import ConnectionState
    from pubsub_client._subscription import Message, Subscription
else:
    _MODULES = {
        "AwsIot": "_aws_iot",
        "CognitoSession": "_cognito",
        "ConnectionState": "_states",
        "Credentials": "_credentials",
        "Message": "_subscription",
        "MqttOverWebSocket": "_mqtt_over_websocket",
        "PubSub": "_pubsub",
        "SdkCredentials": "_sdk_credentials",
        "Subscription": "_subscription",
        "configure": "_shared",
        "get": "_shared",
    }

    def __getattr__(name: str) -> object:
        """Import what is asked for: who reads only the names of outputs waits for no MQTT client and no AWS SDK."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return found


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
