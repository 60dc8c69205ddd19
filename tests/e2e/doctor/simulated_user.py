"""A user of a front end, simulated with pycognito, boto3 and MQTT, without code of this project's client."""

from __future__ import annotations

import json
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from pycognito.exceptions import ForceChangePasswordException
from websockets.exceptions import InvalidStatus

from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.integration.local_cloud.mqtt import Mqtt, websocket

TOPIC = "news/today"


class Stage(StrEnum):
    """The step at which a user fails who signs in, connects, and sends a message to themselves."""

    SIGN_IN = "the sign-in fails"
    CREDENTIALS = "no AWS credentials"
    CONNECT = "the connection is refused"
    SUBSCRIBE = "disconnected on subscribe"
    PUBLISH = "disconnected on publish"
    RECEIVE = "no message arrives"
    TAKEN_OVER = "disconnected by another client"
    DELIVERED = "the message arrives"


@dataclass(frozen=True)
class SimulatedUser:
    """A user, and the parts of the deployment that a scenario changes."""

    deployment: Deployment
    name: str
    tokens: dict[str, str] = field(repr=False)
    identity_id: str
    cleanup: ExitStack = field(default_factory=ExitStack)
    """Removes what the printed fix does not remove; closed after the test."""

    @classmethod
    def signed_in(cls, deployment: Deployment) -> SimulatedUser:
        """Create a user and sign in once, which attaches the policy."""
        name = deployment.make_user()
        tokens = deployment.sign_in(name)
        return cls(deployment, name, tokens, deployment.identity_id(tokens))

    def snapshot(self) -> Any:
        """Return the user and the attached policies as AWS describes them."""
        described = self.users.admin_get_user(**self.in_pool)
        described.pop("ResponseMetadata")
        return described, self.deployment.attached_policies(self.identity_id)

    @property
    def directory(self) -> Path:
        return self.deployment.app.directory

    def client(self, service: str) -> Any:
        return self.deployment.cloud.client(service)

    @property
    def iot(self) -> Any:
        return self.client("iot")

    @property
    def iam(self) -> Any:
        return self.client("iam")

    @property
    def users(self) -> Any:
        return self.client("cognito-idp")

    @property
    def identities(self) -> Any:
        return self.client("cognito-identity")

    @property
    def in_pool(self) -> dict[str, str]:
        """The parameters of Cognito's operations on this user."""
        return {"UserPoolId": self.deployment.user_pool_id, "Username": self.name}

    @property
    def policy(self) -> str:
        return self.deployment.policy_name

    @property
    def identity_pool_id(self) -> str:
        return self.deployment.outputs[Output.IDENTITY_POOL_ID]

    @property
    def auth_role(self) -> str:
        return self.deployment.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]

    @property
    def trigger(self) -> str:
        return self.deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]

    def arn(self, resource: str) -> str:
        """Return the ARN of an AWS IoT resource such as ``topic/orders``."""
        return f"arn:aws:iot:{self.deployment.cloud.region}:{self.deployment.cloud.account_id}:{resource}"

    def detach(self) -> None:
        self.iot.detach_policy(policyName=self.policy, target=self.identity_id)

    def send_message(self, topic: str = TOPIC) -> Stage:
        """Connect with the current tokens and send a message; return how far it got."""
        try:
            credentials = self.deployment.credentials(self.tokens)
        except ClientError:
            return Stage.CREDENTIALS
        try:
            with websocket(self.deployment.cloud, credentials) as mqtt:
                return _send(mqtt, topic)
        except InvalidStatus:
            return Stage.CONNECT

    def sign_in_and_send(self) -> Stage:
        """Sign in again and send a message; return how far it got."""
        try:
            tokens = self.deployment.sign_in(self.name)
        except (ClientError, ForceChangePasswordException):
            return Stage.SIGN_IN
        return SimulatedUser(self.deployment, self.name, tokens, self.identity_id).send_message()

    def first_sign_in(self) -> Stage:
        """Create another user, sign in for the first time and send a message; return how far it got."""
        try:
            return SimulatedUser.signed_in(self.deployment).send_message()
        except ClientError:
            return Stage.SIGN_IN


def _send(mqtt: Mqtt, topic: str) -> Stage:
    if mqtt.connect(uuid.uuid4().hex) != 0:
        return Stage.CONNECT
    if mqtt.subscribe(topic) != 0:
        return Stage.SUBSCRIBE
    if mqtt.publish(topic, json.dumps({"text": "hello"}).encode()) != 0:
        return Stage.PUBLISH
    return Stage.DELIVERED if mqtt.message() else Stage.RECEIVE
