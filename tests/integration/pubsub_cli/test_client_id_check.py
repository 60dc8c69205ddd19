"""The endpoint, the clock and the client id, checked on the local cloud."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from pubsub_cli.aws import Aws
from pubsub_cli.checks import connection as connection_checks
from pubsub_cli.checks.connection import ClientIdIsUnshared
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.endpoint import ClockAgrees, EndpointIsReached, EndpointIsRight
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig
from pubsub_cli.finding import Status
from pubsub_client import AwsIot, CognitoSession, ConnectionState, PubSub
from tests.integration.pubsub_client.conftest import DENIED_CLIENT_ID, Deployment


@pytest.fixture
async def context_of(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Context]]:
    """Make the context of a run as an operator, with the deployment's endpoint unless another is given."""
    for name, value in deployment.cloud.variables().items():
        monkeypatch.setenv(name, value)
    async with AsyncExitStack() as cleanup:

        def make(endpoint: str = deployment.endpoint, **asked: str) -> Context:
            given = DeploymentIds(deployment.region, deployment.user_pool_id, deployment.identity_pool_id, endpoint)
            aws = Aws(region=deployment.region)
            front_end = FrontEndConfig(**asked)  # type: ignore[arg-type]
            context = Context(aws=aws, stack="s", timeout=0, cleanup=cleanup, deployment_ids=given, front_end=front_end)
            context.set_outputs(given.outputs())
            return context

        yield make


async def test_described_endpoint_passes_its_checks(
    context_of: Callable[..., Context],
) -> None:
    context = context_of()
    findings = [await check().run(context) for check in (EndpointIsRight, EndpointIsReached, ClockAgrees)]
    assert [each.status for each in findings] == [Status.PASSED] * 3


async def test_port_without_a_server_fails_only_the_connection_check(
    deployment: Deployment, context_of: Callable[..., Context], unused_tcp_port: int
) -> None:
    endpoint = f"{deployment.endpoint.partition(':')[0]}:{unused_tcp_port}"
    context = context_of(endpoint)
    right, reached = [await check().run(context) for check in (EndpointIsRight, EndpointIsReached)]
    assert (right.status, reached.status) == (Status.PASSED, Status.FAILED)
    assert reached.resource == f"{endpoint} (TCP)"


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("-ats", "", "is not the ATS endpoint"),
        ("us-east-1", "eu-west-1", "is in region eu-west-1 and the deployment in us-east-1"),
        ("-ats", "0-ats", "belongs to another account"),
    ],
)
async def test_fix_of_another_endpoint_names_the_described_one(
    deployment: Deployment, context_of: Callable[..., Context], old: str, new: str, cause: str
) -> None:
    finding = await EndpointIsRight().run(context_of(deployment.endpoint.replace(old, new, 1)))
    assert finding.status is Status.FAILED
    assert cause in str(finding.cause)
    assert f"--endpoint {deployment.endpoint} here" in str(finding.fix)


async def test_unshared_client_id_passes(
    context_of: Callable[..., Context], session: CognitoSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_checks, "_WATCH_SECONDS", 0.5)
    context = context_of(client_id="mine")
    context.session = session
    assert (await ClientIdIsUnshared().run(context)).status is Status.PASSED


async def test_shared_client_id_fails_and_ends_the_other_connection_once(
    context_of: Callable[..., Context], session: CognitoSession, provider: AwsIot, topic: str
) -> None:
    context = context_of(client_id="shared")
    context.session = session
    ends = 0

    async def watch(app: PubSub) -> None:
        nonlocal ends
        async for state, _ in app.states():
            ends += state is ConnectionState.DISCONNECTED

    async with PubSub(provider, client_id="shared") as app:
        watching = asyncio.create_task(watch(app))
        finding = await ClientIdIsUnshared().run(context)
        await app.publish(topic, {})
    await watching
    assert finding.status is Status.FAILED
    assert "0x8e SESSION_TAKEN_OVER" in str(finding.cause)
    assert ends == 1


async def test_denied_client_id_names_the_missing_permission(
    context_of: Callable[..., Context], session: CognitoSession
) -> None:
    context = context_of(client_id=DENIED_CLIENT_ID)
    context.session = session
    finding = await ClientIdIsUnshared().run(context)
    assert finding.status is Status.FAILED
    assert f"iot:Connect on client/{DENIED_CLIENT_ID}" in str(finding.fix)
