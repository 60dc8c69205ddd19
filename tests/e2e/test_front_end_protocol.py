"""MQTT as Amplify JS speaks it: 3.1, the session token appended after the signature, on the deployed stack."""

from __future__ import annotations

import time
import uuid

import pytest

from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.integration.local_cloud.account import Credentials
from tests.integration.local_cloud.mqtt import Message, Token, Version, websocket

_AMPLIFY = (Version.MQTT_31, Token.APPENDED)


@pytest.fixture(scope="module")
def signed_in(deployment: Deployment) -> Credentials:
    return deployment.credentials(deployment.sign_in(deployment.make_user()))


def test_a_signed_in_user_connects_subscribes_and_receives(deployment: Deployment, signed_in: Credentials) -> None:
    with websocket(deployment.cloud, signed_in, *_AMPLIFY) as mqtt:
        assert mqtt.subprotocol == "mqttv3.1"
        assert mqtt.connect(str(uuid.uuid4())) == 0
        assert mqtt.subscribe("chat/#") == 0
        assert mqtt.publish("chat/room", b'{"text":"hello"}') == 0
        assert mqtt.message() == Message("chat/room", b'{"text":"hello"}')


def test_a_denied_subscribe_drops_the_connection(deployment: Deployment, signed_in: Credentials) -> None:
    """The boundary keeps users away from reserved topics, which the IoT policy alone would allow."""
    with websocket(deployment.cloud, signed_in, *_AMPLIFY) as mqtt:
        assert mqtt.connect(str(uuid.uuid4())) == 0
        assert mqtt.subscribe("$aws/things/lamp/shadow/update/accepted") is None


def test_a_denied_publish_drops_the_connection(deployment: Deployment, signed_in: Credentials) -> None:
    with websocket(deployment.cloud, signed_in, *_AMPLIFY) as mqtt:
        assert mqtt.connect(str(uuid.uuid4())) == 0
        assert mqtt.publish("$aws/things/lamp/shadow/update") is None


def test_a_denied_connect_closes_without_a_connack(deployment: Deployment) -> None:
    """A user with a current marker, so that the trigger attaches nothing."""
    marker = f"{deployment.outputs[Output.ATTACHMENT_MARKER]}/us-east-1:none/{int(time.time())}"
    user = deployment.make_user(**{"custom:pubsub_attachment": marker})
    with websocket(deployment.cloud, deployment.credentials(deployment.sign_in(user)), *_AMPLIFY) as mqtt:
        assert mqtt.connect(str(uuid.uuid4())) is None
