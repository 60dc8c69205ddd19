"""A service publishes with credentials that boto3 finds: long-term keys, and a role's."""

from __future__ import annotations

from pathlib import Path

import pytest

from pubsub_client import AwsIot, PubSub
from pubsub_client._aws_sdk import SdkCredentials
from tests.integration.local_cloud.account import ALLOW_IOT, document, make_role, unique
from tests.integration.pubsub_client.conftest import Deployment

CONFIGURATION = """
[profile keys]
aws_access_key_id = {AccessKeyId}
aws_secret_access_key = {SecretAccessKey}
[profile role]
role_arn = {role}
source_profile = keys
"""


@pytest.fixture
def profiles(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profiles ``keys``, an IAM user's long-term keys, and ``role``, which that user assumes."""
    cloud = deployment.cloud
    role = make_role(cloud, ALLOW_IOT, trusts={"AWS": f"arn:aws:iam::{cloud.account_id}:root"})
    iam, user = cloud.client("iam"), unique("service")
    iam.create_user(UserName=user)
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}
    iam.put_user_policy(UserName=user, PolicyName="service", PolicyDocument=document(ALLOW_IOT, assume))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    file = tmp_path / "config"
    file.write_text(CONFIGURATION.format(role=role, **key))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", cloud.region)


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(("profile", "has_session_token"), [("keys", False), ("role", True)])
async def test_a_service_publishes_and_receives(
    deployment: Deployment, topic: str, profile: str, has_session_token: bool
) -> None:
    source = SdkCredentials(profile)
    assert ((await source.credentials()).session_token is not None) == has_session_token
    provider = AwsIot(endpoint=deployment.endpoint, region=deployment.region, credentials=source)
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
        await pubsub.publish(topic, profile)
        assert (await anext(messages)).payload == profile
