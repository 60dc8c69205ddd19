"""PS406 on the local cloud's broker: whether another client uses the client id."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from pubsub_cli.aws import Aws
from pubsub_cli.checks import connection
from pubsub_cli.checks.connection import ClientIdIsUnshared
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig
from pubsub_cli.finding import Finding, Status
from pubsub_client import AwsIot, CognitoSession, ConnectionState, PubSub
from tests.integration.pubsub_client.conftest import DENIED_CLIENT_ID, Deployment


async def check_client_id(client_id: str, deployment: Deployment, session: CognitoSession) -> Finding:
    ids = DeploymentIds(deployment.region, deployment.user_pool_id, deployment.identity_pool_id, deployment.endpoint)
    context = Context(
        aws=Aws(region=deployment.region),
        stack="s",
        timeout=0,
        cleanup=AsyncExitStack(),
        front_end=FrontEndConfig(client_id=client_id),
        deployment_ids=ids,
    )
    context.outputs = ids.outputs()
    context.session = session
    return await ClientIdIsUnshared().run(context)


async def test_unshared_client_id_passes(
    deployment: Deployment, session: CognitoSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_WATCH_SECONDS", 0.5)
    assert (await check_client_id("mine", deployment, session)).status is Status.PASSED


async def test_shared_client_id_fails_and_ends_the_other_connection_once(
    deployment: Deployment, session: CognitoSession, provider: AwsIot, topic: str
) -> None:
    disconnections = 0

    async def count_disconnections(app: PubSub) -> None:
        nonlocal disconnections
        async for state, _ in app.states():
            disconnections += state is ConnectionState.DISCONNECTED

    async with PubSub(provider, client_id="shared") as app:
        counting = asyncio.create_task(count_disconnections(app))
        finding = await check_client_id("shared", deployment, session)
        await app.publish(topic, {})
    await counting
    assert finding.status is Status.FAILED
    assert "0x8e SESSION_TAKEN_OVER" in str(finding.cause)
    assert disconnections == 1


async def test_denied_client_id_names_the_missing_permission(deployment: Deployment, session: CognitoSession) -> None:
    finding = await check_client_id(DENIED_CLIENT_ID, deployment, session)
    assert finding.status is Status.FAILED
    assert f"iot:Connect on client/{DENIED_CLIENT_ID}" in str(finding.fix)
