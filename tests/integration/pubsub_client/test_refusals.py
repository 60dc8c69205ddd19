"""What is refused, and how well the refusal is explained."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta

import pytest

from pubsub_client import AwsIot, ConnectionState, Credentials, PubSub
from pubsub_client.exceptions import (
    ConnectionLost,
    ConnectionRefused,
    PublishRefused,
    SessionError,
    SubscribeRefused,
)
from tests.integration.pubsub_client.conftest import DENIED_CLIENT_ID, Deployment

FOREIGN_TOPIC = "foreign/topic"
SECONDS = 20.0


class Made:
    """Credentials that somebody made up."""

    async def credentials(self) -> Credentials:
        return Credentials("ASIAMADEUP", "made-up", "made-up", datetime.now(UTC) + timedelta(hours=1))


class Broken:
    """A source that gives an error."""

    async def credentials(self) -> Credentials:
        raise RuntimeError("the vault is sealed")


class Hanging:
    """A source that never answers."""

    async def credentials(self) -> Credentials:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
def provider_with(deployment: Deployment) -> Callable[[object], AwsIot]:
    def make(source: object) -> AwsIot:
        return AwsIot(endpoint=deployment.endpoint, region=deployment.region, credentials=source)  # type: ignore[arg-type]

    return make


async def refusal_of(pubsub: PubSub) -> ConnectionRefused:
    with pytest.raises(ConnectionRefused) as refusal:
        await pubsub.__aenter__()
    assert pubsub.state is ConnectionState.CLOSED
    return refusal.value


async def test_a_signature_that_is_not_accepted_is_told_with_the_http_status_and_body(
    deployment: Deployment, provider_with: Callable[[object], AwsIot]
) -> None:
    refusal = await refusal_of(PubSub(provider_with(Made())))
    assert deployment.endpoint in str(refusal)
    assert "HTTP 403" in refusal.reason
    assert "Forbidden" in refusal.reason
    assert "does not accept the signature" in refusal.reason


async def test_a_client_id_that_the_policy_denies_is_told_with_the_missing_permission(
    provider: AwsIot,
) -> None:
    refusal = await refusal_of(PubSub(provider, client_id=DENIED_CLIENT_ID))
    assert "0x87 NOT_AUTHORIZED" in refusal.reason
    assert f"iot:Connect on client/{DENIED_CLIENT_ID}" in refusal.reason


async def test_an_identity_without_the_policy_is_refused_with_the_missing_permission(
    deployment: Deployment, provider_with: Callable[[object], AwsIot]
) -> None:
    session = deployment.session()
    user = deployment.make_user()
    await session.sign_in(user.name, user.password)
    refusal = await refusal_of(PubSub(provider_with(session), client_id="mine"))
    assert "IoT policies attached to it do not allow iot:Connect on client/mine" in refusal.reason


async def test_the_error_of_the_credentials_source_is_the_cause(
    provider_with: Callable[[object], AwsIot],
) -> None:
    refusal = await refusal_of(PubSub(provider_with(Broken())))
    assert "the vault is sealed" in refusal.reason
    assert isinstance(refusal.__cause__, RuntimeError)


async def test_a_session_in_which_nobody_is_signed_in_is_the_cause(
    deployment: Deployment, provider_with: Callable[[object], AwsIot]
) -> None:
    refusal = await refusal_of(PubSub(provider_with(deployment.session())))
    assert "call sign_in() first" in refusal.reason
    assert isinstance(refusal.__cause__, SessionError)


async def test_a_source_that_hangs_ends_with_the_timeout(provider_with: Callable[[object], AwsIot]) -> None:
    refusal = await refusal_of(PubSub(provider_with(Hanging()), connect_timeout=0.2))
    assert refusal.reason == "no answer within 0.2 s from the credentials source"


async def test_a_cancelled_connect_leaves_nothing_behind(provider_with: Callable[[object], AwsIot]) -> None:
    connecting = asyncio.create_task(PubSub(provider_with(Hanging())).__aenter__())
    await asyncio.sleep(0.1)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_endpoint_where_nobody_listens_is_told(deployment: Deployment, unused_tcp_port: int) -> None:
    endpoint = f"x-ats.iot.us-east-1.localhost:{unused_tcp_port}"
    provider = AwsIot(endpoint=endpoint, region=deployment.region, credentials=Made())
    refusal = await refusal_of(PubSub(provider))
    assert endpoint in str(refusal)
    assert "refused" in refusal.reason


async def test_a_topic_filter_that_the_policy_does_not_allow_is_refused_and_the_connection_stays(
    provider: AwsIot, topic: str
) -> None:
    async with PubSub(provider) as pubsub:
        with pytest.raises(SubscribeRefused, match="iot:Subscribe on topicfilter/foreign/#") as refusal:
            async with pubsub.subscribe("foreign/#"):
                pass
        assert refusal.value.topic_filter == "foreign/#"
        async with pubsub.subscribe(topic):
            assert pubsub.state is ConnectionState.CONNECTED


async def test_a_topic_that_the_policy_does_not_allow_is_refused(provider: AwsIot) -> None:
    async with PubSub(provider) as pubsub:
        with pytest.raises(PublishRefused, match=f"iot:Publish on topic/{FOREIGN_TOPIC}") as refusal:
            await pubsub.publish(FOREIGN_TOPIC, {})
    assert refusal.value.topic == FOREIGN_TOPIC


async def test_a_connection_dropped_over_a_publish_is_told_with_the_permission_that_may_be_missing(
    provider: AwsIot, topic: str
) -> None:
    async def reason_of_the_end() -> str | None:
        async with asyncio.timeout(SECONDS), aclosing(pubsub.states()) as changes:
            async for state, reason in changes:
                if state is ConnectionState.DISCONNECTED:
                    return reason
        return None

    # QoS 0 has no answer but the end of the connection; what is published after it is not lost with it.
    async with PubSub(provider) as pubsub:
        reading = asyncio.create_task(reason_of_the_end())
        await asyncio.sleep(0)
        with suppress(ConnectionLost):  # told by itself, if the connection ends before it is written
            await pubsub.publish(FOREIGN_TOPIC, {}, qos=0)
        await pubsub.publish(topic, {})
        assert f"do not allow iot:Publish on topic/{FOREIGN_TOPIC}" in str(await reading)
