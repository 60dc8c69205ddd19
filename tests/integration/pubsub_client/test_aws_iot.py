"""Signed-in users and services on the local cloud's AWS IoT: signatures, permissions, and renewed credentials."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pubsub_client import AwsIot, CognitoSession, ConnectionState, Credentials, PubSub, SdkCredentials, Subscription
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, PublishRefused, SubscribeRefused
from tests.integration.brokers.reading import SECONDS, next_of, read, watching
from tests.integration.brokers.recorder import Recorder, recorder_to
from tests.integration.local_cloud.account import ALLOW_IOT, allow, make_iam_user, make_role
from tests.integration.pubsub_client.conftest import DENIED_CLIENT_ID, Deployment

FOREIGN_TOPIC = "foreign/topic"
RECONNECT_DELAY = (0.02, 0.2)
CONFIGURATION = """
[profile keys]
aws_access_key_id = {keys.access_key_id}
aws_secret_access_key = {keys.secret_access_key}
[profile role]
role_arn = {role}
source_profile = keys
"""


class InvalidCredentials:
    """Credentials that AWS did not issue."""

    async def credentials(self) -> Credentials:
        return Credentials("ASIAINVALID", "invalid", "invalid", datetime.now(UTC) + timedelta(hours=1))


async def refusal_of(pubsub: PubSub) -> ConnectionRefused:
    with pytest.raises(ConnectionRefused) as refusal:
        await pubsub.connect()
    assert pubsub.state is ConnectionState.CLOSED
    return refusal.value


async def test_rejected_signature_is_reported_with_http_status_and_body(deployment: Deployment) -> None:
    refusal = await refusal_of(PubSub(deployment.provider(InvalidCredentials())))
    assert deployment.endpoint in str(refusal)
    for part in ("HTTP 403", "Forbidden", "AWS IoT rejected the signature"):
        assert part in refusal.reason


async def test_denied_client_id_names_the_missing_permission(provider: AwsIot) -> None:
    refusal = await refusal_of(PubSub(provider, client_id=DENIED_CLIENT_ID))
    assert "0x87 NOT_AUTHORIZED" in refusal.reason
    assert f"iot:Connect on client/{DENIED_CLIENT_ID}" in refusal.reason


async def test_endpoint_without_a_server_is_named(unused_tcp_port: int) -> None:
    endpoint = f"x-ats.iot.us-east-1.localhost:{unused_tcp_port}"
    refusal = await refusal_of(PubSub(AwsIot(endpoint=endpoint, credentials=InvalidCredentials())))
    assert endpoint in str(refusal)
    assert "refused" in refusal.reason


async def test_denied_topics_are_rejected_and_the_connection_stays_up(provider: AwsIot, topic: str) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
        with pytest.raises(SubscribeRefused, match="iot:Subscribe on topicfilter/foreign/#") as subscription:
            async with pubsub.subscribe("foreign/#"):
                pass
        assert subscription.value.topic_filter == "foreign/#"
        with pytest.raises(PublishRefused, match="iot:Publish on topic/foreign/1"):
            await pubsub.publish([topic, "foreign/1"], 1)
        with pytest.raises(ExceptionGroup) as refusals:
            await pubsub.publish(["foreign/1", topic, "foreign/2"], 2)
        topics = [error.topic for error in refusals.value.exceptions if isinstance(error, PublishRefused)]
        assert topics == ["foreign/1", "foreign/2"]
        assert [message.payload for message in await read(messages, 2)] == [1, 2]


async def test_disconnect_after_a_denied_qos_0_message_names_the_permission(provider: AwsIot, topic: str) -> None:
    async with PubSub(provider) as pubsub, watching(pubsub) as until:
        with suppress(ConnectionLost):  # if the connection ends before the message is written
            await pubsub.publish(FOREIGN_TOPIC, {}, qos=0)
        await pubsub.publish(topic, {})  # a later message is not lost with it
        (reason,) = await until(ConnectionState.DISCONNECTED)
    assert f"do not allow iot:Publish on topic/{FOREIGN_TOPIC}" in str(reason)


@pytest.fixture
async def recorder(deployment: Deployment) -> AsyncIterator[Recorder]:
    async with recorder_to(deployment.cloud.port) as recorder:
        yield recorder


async def test_topic_filter_that_is_denied_after_a_reconnection_ends_its_readers(
    deployment: Deployment, session: CognitoSession, recorder: Recorder, topic: str
) -> None:
    iot = deployment.cloud.client("iot")
    provider = deployment.provider(session, port=recorder.port)
    async with (
        PubSub(provider, reconnect_delay=RECONNECT_DELAY) as pubsub,
        pubsub.subscribe(topic) as messages,
        watching(pubsub) as until,
    ):
        identity_id = await session.identity_id()
        iot.attach_policy(policyName=deployment.connect_only_policy_name, target=identity_id)
        iot.detach_policy(policyName=deployment.policy_name, target=identity_id)
        recorder.cut()
        await until(ConnectionState.DISCONNECTED, ConnectionState.CONNECTED)
        with pytest.raises(SubscribeRefused, match=f"iot:Subscribe on topicfilter/{topic}"):
            await anext(messages)


@pytest.fixture
def profiles(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile ``keys`` with an IAM user's long-term keys, and the profile ``role``, which that user assumes."""
    cloud = deployment.cloud
    role = make_role(cloud, ALLOW_IOT, trusts={"AWS": f"arn:aws:iam::{cloud.account_id}:root"})
    keys = make_iam_user(cloud, ALLOW_IOT, allow("sts:AssumeRole", role))
    file = tmp_path / "config"
    file.write_text(CONFIGURATION.format(role=role, keys=keys))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", cloud.region)


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(("profile", "has_session_token"), [("keys", False), ("role", True)])
async def test_service_publishes_with_the_credentials_of_a_profile(
    deployment: Deployment, topic: str, profile: str, has_session_token: bool
) -> None:
    source = SdkCredentials(profile)
    assert ((await source.credentials()).session_token is not None) == has_session_token
    async with PubSub(deployment.provider(source)) as pubsub, pubsub.subscribe(topic) as messages:
        await pubsub.publish(topic, profile)
        assert (await next_of(messages)).payload == profile


class ObservedSource:
    """A session, the access keys that it has returned, and the expiration of the last one."""

    def __init__(self, session: CognitoSession) -> None:
        self.keys: set[str] = set()
        self.expiration = datetime.max.replace(tzinfo=UTC)
        self._session = session

    async def credentials(self) -> Credentials:
        credentials = await self._session.credentials()
        self.keys.add(credentials.access_key_id)
        assert credentials.expiration
        self.expiration = credentials.expiration
        return credentials


@pytest.fixture
def short_lifetime(deployment: Deployment) -> Iterator[Callable[[], None]]:
    """Shortens the lifetime of credentials issued after the call."""

    def shorten() -> None:
        deployment.cloud.credentials_lifetime_seconds = 4

    yield shorten
    deployment.cloud.clear_faults()


async def test_no_message_is_lost_when_credentials_and_connections_expire(
    deployment: Deployment, provider: AwsIot, topic: str, short_lifetime: Callable[[], None]
) -> None:
    source = ObservedSource(await deployment.signed_in(attached=True))
    async with PubSub(provider) as reader, reader.subscribe(topic, qos=1) as messages:
        arriving = asyncio.create_task(collect_until(messages, "last"))
        short_lifetime()
        published: list[int | str] = []
        async with PubSub(deployment.provider(source), reconnect_delay=RECONNECT_DELAY) as publisher:
            while len(source.keys) <= 3:
                published.append(len(published))
                await publisher.publish(topic, published[-1])
                # Publish quickly around the expiration, so that a message is pending then.
                await asyncio.sleep(0.1 if source.expiration - datetime.now(UTC) > timedelta(seconds=0.5) else 0)
            published.append("last")
            await publisher.publish(topic, "last")
        arrived = await asyncio.wait_for(arriving, SECONDS)
    # A message that is sent again may arrive twice.
    assert list(dict.fromkeys(arrived)) == published


async def collect_until(messages: Subscription, last: str) -> list[int | str]:
    payloads: list[int | str] = []
    while last not in payloads:
        payloads.append((await anext(messages)).payload)
    return payloads
