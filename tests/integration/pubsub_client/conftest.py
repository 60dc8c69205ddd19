"""User pool, identity pool, role and IoT policy as the stack creates them, and signed-in users."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from local_cloud.process import LocalCloud
from pubsub_client import AwsIot, CognitoSession
from pubsub_client._credentials import CredentialsSource
from tests.integration.local_cloud.account import PASSWORD, Account, make_iot_policy, make_user, make_user_pool

ALLOWED = "allowed"
"""The first level of all topics that the IoT policy allows."""
DENIED_CLIENT_ID = "denied"

_IOT_DATA = ["iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"]
_CONNECT = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}


@dataclass(frozen=True)
class Deployment:
    """The ids that the client needs, and operations of an administrator."""

    cloud: LocalCloud
    user_pool_id: str
    user_pool_client_id: str
    identity_pool_id: str
    policy_name: str
    connect_only_policy_name: str
    endpoint: str

    @property
    def region(self) -> str:
        return self.cloud.region

    def make_user(self) -> str:
        return make_user(self.cloud, self.user_pool_id)

    def attach_policy(self, identity_id: str) -> None:
        self.cloud.client("iot").attach_policy(policyName=self.policy_name, target=identity_id)

    async def signed_in(
        self, user: str = "", *, attached: bool = False, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> CognitoSession:
        """Return the session of a user, or of a new user; with ``attached`` the identity has the IoT policy."""
        session = CognitoSession(
            region=self.region,
            user_pool_id=self.user_pool_id,
            user_pool_client_id=self.user_pool_client_id,
            identity_pool_id=self.identity_pool_id,
            endpoint_url=self.cloud.endpoint_url,
            now=now,
        )
        await session.sign_in(user or self.make_user(), PASSWORD)
        if attached:
            self.attach_policy(await session.identity_id())
        return session

    def provider(self, source: CredentialsSource, *, port: int | None = None) -> AwsIot:
        """Return a provider for the local cloud, or for the port of a server in front of it."""
        endpoint = self.endpoint if port is None else f"{self.endpoint.partition(':')[0]}:{port}"
        return AwsIot(endpoint=endpoint, region=self.region, credentials=source)


@pytest.fixture(scope="session")
def deployment(cloud: LocalCloud) -> Deployment:
    flows = ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    user_pool_id, client_id = make_user_pool(cloud, client={"ExplicitAuthFlows": flows, "EnableTokenRevocation": True})
    identity_pool_id = Account(cloud, user_pool_id, client_id).make_identity_pool()
    denied = {"Effect": "Deny", "Action": "iot:Connect", "Resource": f"arn:aws:iot:*:*:client/{DENIED_CLIENT_ID}"}
    topics = [f"arn:aws:iot:*:*:{kind}/{ALLOWED}/*" for kind in ("topic", "topicfilter")]
    on_topics = {"Effect": "Allow", "Action": _IOT_DATA, "Resource": topics}
    full, connect_only = make_iot_policy(cloud, _CONNECT, denied, on_topics), make_iot_policy(cloud, _CONNECT)
    endpoint = cloud.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    return Deployment(cloud, user_pool_id, client_id, identity_pool_id, full, connect_only, endpoint)


@pytest.fixture
async def session(deployment: Deployment) -> CognitoSession:
    """The session of a user whose identity has the IoT policy."""
    return await deployment.signed_in(attached=True)


@pytest.fixture
def provider(deployment: Deployment, session: CognitoSession) -> AwsIot:
    return deployment.provider(session)


@pytest.fixture
def topic() -> str:
    """An unused topic."""
    return f"{ALLOWED}/{uuid.uuid4()}"
