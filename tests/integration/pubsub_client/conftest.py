"""User pool, identity pool, role and IoT policy as the stack creates them, and signed-in users."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from local_cloud.process import LocalCloud
from pubsub_client import AwsIot, CognitoSession
from pubsub_client._credentials import CredentialsSource

ALLOWED = "allowed"
"""The first level of all topics that the IoT policy allows."""
DENIED_CLIENT_ID = "denied"

_IOT_DATA = ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"]


@dataclass(frozen=True)
class User:
    """A user of the user pool."""

    name: str
    password: str


@dataclass(frozen=True)
class Deployment:
    """The ids that the client needs, and an administrator's operations."""

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

    def make_user(self, *, permanent_password: bool = True) -> User:
        user = User(f"user-{uuid.uuid4().hex[:12]}", f"Aa1!{secrets.token_urlsafe(16)}")
        pools = self.cloud.client("cognito-idp")
        pools.admin_create_user(
            UserPoolId=self.user_pool_id,
            Username=user.name,
            TemporaryPassword=user.password,
            MessageAction="SUPPRESS",
        )
        if permanent_password:
            pools.admin_set_user_password(
                UserPoolId=self.user_pool_id, Username=user.name, Password=user.password, Permanent=True
            )
        return user

    def attach_policy(self, identity_id: str) -> None:
        self.cloud.client("iot").attach_policy(policyName=self.policy_name, target=identity_id)

    async def signed_in(self, *, attached: bool = False) -> CognitoSession:
        """Return the session of a new user, to whose identity the IoT policy may be attached."""
        session, user = self.session(), self.make_user()
        await session.sign_in(user.name, user.password)
        if attached:
            self.attach_policy(await session.identity_id())
        return session

    def provider(self, source: CredentialsSource, *, port: int | None = None) -> AwsIot:
        """Return the provider with these credentials; ``port`` is that of a server before the local cloud."""
        endpoint = self.endpoint if port is None else f"{self.endpoint.partition(':')[0]}:{port}"
        return AwsIot(endpoint=endpoint, region=self.region, credentials=source)

    def session(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> CognitoSession:
        return CognitoSession(
            region=self.region,
            user_pool_id=self.user_pool_id,
            user_pool_client_id=self.user_pool_client_id,
            identity_pool_id=self.identity_pool_id,
            endpoint_url=self.cloud.endpoint_url,
            now=now,
        )


@pytest.fixture(scope="session")
def deployment(cloud: LocalCloud) -> Deployment:
    pools = cloud.client("cognito-idp")
    user_pool_id = pools.create_user_pool(PoolName="client-tests")["UserPool"]["Id"]
    client_id = pools.create_user_pool_client(
        UserPoolId=user_pool_id,
        ClientName="web",
        ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        EnableTokenRevocation=True,
    )["UserPoolClient"]["ClientId"]
    identity_pools = cloud.client("cognito-identity")
    identity_pool_id = identity_pools.create_identity_pool(
        IdentityPoolName="client-tests",
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=[
            {
                "ProviderName": f"cognito-idp.{cloud.region}.amazonaws.com/{user_pool_id}",
                "ClientId": client_id,
            }
        ],
    )["IdentityPoolId"]
    identity_pools.set_identity_pool_roles(
        IdentityPoolId=identity_pool_id, Roles={"authenticated": _make_role(cloud, identity_pool_id)}
    )
    iot = cloud.client("iot")
    full, connect_only = "client-tests", "client-tests-connect"
    iot.create_policy(policyName=full, policyDocument=json.dumps(_iot_policy()))
    iot.create_policy(policyName=connect_only, policyDocument=json.dumps(_connect_only_policy()))
    endpoint = iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    return Deployment(cloud, user_pool_id, client_id, identity_pool_id, full, connect_only, endpoint)


@pytest.fixture
async def session(deployment: Deployment) -> CognitoSession:
    """The session of a user to whose identity the IoT policy is attached."""
    return await deployment.signed_in(attached=True)


@pytest.fixture
def provider(deployment: Deployment, session: CognitoSession) -> AwsIot:
    return deployment.provider(session)


@pytest.fixture
def topic() -> str:
    """An unused topic."""
    return f"{ALLOWED}/{uuid.uuid4()}"


def _make_role(cloud: LocalCloud, identity_pool_id: str) -> str:
    iam = cloud.client("iam")
    trust = _document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": "cognito-identity.amazonaws.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {"cognito-identity.amazonaws.com:aud": identity_pool_id},
                "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"},
            },
        }
    )
    role = iam.create_role(RoleName="client-tests", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    allowed = _document({"Effect": "Allow", "Action": _IOT_DATA, "Resource": "*"})
    iam.put_role_policy(RoleName="client-tests", PolicyName="iot-data", PolicyDocument=json.dumps(allowed))
    arn: str = role["Arn"]
    return arn


def _iot_policy() -> dict[str, object]:
    resources = [f"arn:aws:iot:*:*:{kind}/{ALLOWED}/*" for kind in ("topic", "topicfilter")]
    return _document(
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"},
        {"Effect": "Deny", "Action": "iot:Connect", "Resource": f"arn:aws:iot:*:*:client/{DENIED_CLIENT_ID}"},
        {"Effect": "Allow", "Action": _IOT_DATA[1:], "Resource": resources},
    )


def _connect_only_policy() -> dict[str, object]:
    return _document({"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"})


def _document(*statements: dict[str, object]) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
