"""A denied connection recovers by self-attach, or its error contains the reason."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pubsub_client import AwsIot, CognitoSession, ConnectionState, Credentials, PubSub
from pubsub_client._self_attach import SelfAttachment
from pubsub_client.exceptions import ConnectionRefused, SessionError
from tests.integration.brokers.reading import next_of, watching
from tests.integration.brokers.recorder import Recorder, recorder_to
from tests.integration.pubsub_client.conftest import Deployment

REPAIRED = "PS203: no IoT policy was attached, repaired"
ATTACHED = "PS203: the IoT policy is attached already"
RECONNECT_DELAY = (0.02, 0.2)
REJECTED = "PS203: the request was signed by a guest: sign in"


class SelfAttaching:
    """A session's credentials, and a self-attach route that each test controls."""

    can_self_attach = True

    def __init__(self, deployment: Deployment, session: CognitoSession) -> None:
        self.errors: list[str] = []
        """The errors of the next calls."""
        self.repairs = True
        """Whether a call attaches the policy."""
        self.calls = 0
        self._deployment = deployment
        self._session = session

    async def credentials(self) -> Credentials:
        return await self._session.credentials()

    async def self_attach(self) -> SelfAttachment:
        self.calls += 1
        if self.errors:
            raise SessionError(self.errors.pop())
        if not self.repairs:
            return SelfAttachment("PS203", "attached", ATTACHED)
        self._deployment.attach_policy(await self._session.identity_id())
        return SelfAttachment("PS203", "repaired", REPAIRED)

    async def detach(self) -> None:
        identity_id = await self._session.identity_id()
        self._deployment.cloud.client("iot").detach_policy(policyName=self._deployment.policy_name, target=identity_id)


@pytest.fixture
async def source(deployment: Deployment, session: CognitoSession) -> SelfAttaching:
    """A signed-in user without an attached policy."""
    source = SelfAttaching(deployment, session)
    await source.detach()
    return source


@pytest.fixture
async def recorder(deployment: Deployment) -> AsyncIterator[Recorder]:
    async with recorder_to(deployment.cloud.port) as recorder:
        yield recorder


@pytest.fixture
def provider(deployment: Deployment, source: SelfAttaching, recorder: Recorder) -> AwsIot:
    return deployment.provider(source, port=recorder.port)


async def refusal_of(pubsub: PubSub) -> ConnectionRefused:
    with pytest.raises(ConnectionRefused) as refusal:
        await pubsub.connect()
    return refusal.value


async def test_denied_connection_succeeds_after_one_self_attachment(
    provider: AwsIot, source: SelfAttaching, topic: str
) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
        await pubsub.publish(topic, "repaired")
        assert (await next_of(messages)).payload == "repaired"
    assert source.calls == 1


async def test_error_of_self_attachment_is_in_connection_refused(provider: AwsIot, source: SelfAttaching) -> None:
    source.errors = [REJECTED]
    refusal = await refusal_of(PubSub(provider, client_id="mine"))
    assert refusal.denied
    assert "do not allow iot:Connect on client/mine" in refusal.reason
    assert refusal.reason.endswith(REJECTED)
    assert source.calls == 1


async def test_denial_after_self_attachment_is_retried_until_the_timeout(
    provider: AwsIot, source: SelfAttaching, recorder: Recorder
) -> None:
    source.repairs = False
    refusal = await refusal_of(PubSub(provider, connect_timeout=3, reconnect_delay=RECONNECT_DELAY))
    assert refusal.denied
    assert refusal.reason.endswith(ATTACHED)
    assert source.calls == 1
    assert len(recorder.connections) > 1


async def test_reconnection_self_attaches_again_after_an_error(
    provider: AwsIot, source: SelfAttaching, recorder: Recorder, topic: str
) -> None:
    async with (
        PubSub(provider, reconnect_delay=RECONNECT_DELAY) as pubsub,
        pubsub.subscribe(topic) as messages,
        watching(pubsub) as until,
    ):
        source.errors = [REJECTED]
        await source.detach()
        recorder.cut()
        reasons = await until(*[ConnectionState.DISCONNECTED] * 2, ConnectionState.CONNECTED)
        await pubsub.publish(topic, "again")
        assert (await next_of(messages)).payload == "again"
    assert source.calls == 3
    assert any(reason and reason.endswith(REJECTED) for reason in reasons)
