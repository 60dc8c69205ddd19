"""A user of the deployment who does what people's front ends do, with pycognito, boto3 and MQTT alone."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
    """How far a user comes who signs in and sends a message to themselves."""

    SIGN_IN = "cannot sign in"
    CREDENTIALS = "gets no AWS credentials"
    CONNECT = "is not let in: the socket is closed"
    SUBSCRIBE = "is thrown out when subscribing"
    PUBLISH = "is thrown out when publishing"
    RECEIVE = "receives nothing"
    KICKED = "is thrown out by another connection"
    ALL = "gets through"


@dataclass(frozen=True)
class Patient:
    """A user, and the deployment's parts as AWS's own APIs tell them."""

    deployment: Deployment
    user: str
    tokens: dict[str, str] = field(repr=False)
    identity_id: str
    cleanup: ExitStack = field(default_factory=ExitStack)
    """What a cause has made, to be taken away after the test."""

    @classmethod
    def of(cls, deployment: Deployment) -> Patient:
        """Make a user who has signed in once, and so is attached."""
        user = deployment.make_user()
        tokens = deployment.sign_in(user)
        return cls(deployment, user, tokens, deployment.identity_id(tokens))

    @property
    def state(self) -> Any:
        """The user and what is attached, as AWS tells them: as long as it stays the same, nothing has changed."""
        described = self.users.admin_get_user(UserPoolId=self.user_pool_id, Username=self.user)
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
    def functions(self) -> Any:
        return self.client("lambda")

    @property
    def user_pool_id(self) -> str:
        return self.deployment.user_pool_id

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

    @property
    def internal_client_id(self) -> str:
        name = f"/{self.deployment.app.stack_name}/sign-in-attachment"
        value = self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        return str(json.loads(value)["internalClientId"])

    @property
    def trigger_role(self) -> str:
        return self._role_of(self.trigger)

    @property
    def worker_mapping(self) -> dict[str, Any]:
        """How the retry queue feeds its worker."""
        cloud, queue = self.deployment.cloud, self.deployment.outputs[Output.RETRY_QUEUE_URL].rpartition("/")[2]
        arn = f"arn:aws:sqs:{cloud.region}:{cloud.account_id}:{queue}"
        (mapping,) = self.functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
        return dict(mapping)

    @property
    def worker_role(self) -> str:
        return self._role_of(self.worker_mapping["FunctionArn"])

    def _role_of(self, function: str) -> str:
        role: str = self.functions.get_function_configuration(FunctionName=function)["Role"]
        return role.rpartition("/")[2]

    def pages_of_other_identities(self) -> Iterator[list[str]]:
        """Yield the ids of all identities of the identity pool but this user's, at most 60 at a time."""
        token: dict[str, str] = {}
        while True:
            page = self.identities.list_identities(IdentityPoolId=self.identity_pool_id, MaxResults=60, **token)
            if others := [each["IdentityId"] for each in page["Identities"] if each["IdentityId"] != self.identity_id]:
                yield others
            if "NextToken" not in page:
                return
            token = {"NextToken": page["NextToken"]}

    def refuse_tokens_of(self, client_id: str) -> None:
        """Take an app client off the identity pool's providers."""
        described = self.identities.describe_identity_pool(IdentityPoolId=self.identity_pool_id)
        pool = {name: value for name, value in described.items() if value != "" and name != "ResponseMetadata"}
        providers = [each for each in pool["CognitoIdentityProviders"] if each["ClientId"] != client_id]
        self.identities.update_identity_pool(**pool | {"CognitoIdentityProviders": providers})

    def forbid(self, role: str, action: str) -> tuple[str, dict[str, Any]]:
        """Take an action out of a role's inline policy; return the policy's name and what it was."""
        for name in self.iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            if action not in json.dumps(document):
                continue
            left = [each for each in document["Statement"] if action not in json.dumps(each)]
            self.iam.put_role_policy(
                RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document | {"Statement": left})
            )
            return name, document
        raise AssertionError(f"no inline policy of {role} holds {action}")

    @contextmanager
    def attaching_forbidden(self) -> Iterator[None]:
        """Let neither trigger nor worker attach in this block."""
        roles = (self.trigger_role, self.worker_role)
        before = {role: self.forbid(role, "iot:AttachPolicy") for role in roles}
        try:
            yield
        finally:
            for role, (name, document) in before.items():
                self.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    def wait_until_updated(self, function: str) -> None:
        """Wait until a function's change has taken effect."""

        def updated() -> bool:
            now = self.functions.get_function_configuration(FunctionName=function)
            return bool((now["State"], now["LastUpdateStatus"]) == ("Active", "Successful"))

        self.wait_until(updated)

    def wait_until(self, happened: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def arn(self, resource: str) -> str:
        """Return the ARN of an AWS IoT resource such as ``topic/orders``."""
        return f"arn:aws:iot:{self.deployment.cloud.region}:{self.deployment.cloud.account_id}:{resource}"

    def chat(self, tokens: dict[str, str] | None = None, topic: str = TOPIC) -> Stage:
        """Sign in, unless there are tokens, and send a message to oneself; tell how far it went."""
        if tokens is None:
            try:
                tokens = self.deployment.sign_in(self.user)
            except (ClientError, ForceChangePasswordException):
                return Stage.SIGN_IN
        try:
            credentials = self.deployment.credentials(tokens)
        except ClientError:
            return Stage.CREDENTIALS
        try:
            with websocket(self.deployment.cloud, credentials) as mqtt:
                return _chat(mqtt, topic)
        except InvalidStatus:
            return Stage.CONNECT


def _chat(mqtt: Mqtt, topic: str) -> Stage:
    if mqtt.connect(uuid.uuid4().hex) != 0:
        return Stage.CONNECT
    if mqtt.subscribe(topic) != 0:
        return Stage.SUBSCRIBE
    if mqtt.publish(topic, json.dumps({"text": "hello"}).encode()) != 0:
        return Stage.PUBLISH
    return Stage.ALL if mqtt.message() else Stage.RECEIVE
