"""The fixtures. They import slow modules only when a test uses them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from pubsub_testing.deployment import LocalDeployment, MakeSignedInUser, SignedInUser

if TYPE_CHECKING:  # slow to import
    from pubsub_client import PubSub


@pytest.fixture(scope="session")
def pubsub_settings() -> dict[str, Any]:
    """The toolkit's settings, as in ``cdk.json``; override the fixture in ``conftest.py``."""
    return {}


@pytest.fixture(scope="session")
def pubsub_app() -> Path | None:
    """The directory of your CDK app, with ``cdk.json``; override the fixture to deploy the app's own stack."""
    return None


@pytest.fixture(scope="session")
def local_cloud(
    request: pytest.FixtureRequest,
    pubsub_settings: dict[str, Any],
    pubsub_app: Path | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LocalDeployment]:
    """A local cloud with the deployed stack; it ends with the test run.

    The state is saved in pytest's cache. Later runs start from it if neither the stack nor the versions have changed.
    ``--cache-clear`` removes it.
    """
    from local_cloud.process import LocalCloudError
    from local_cloud.provisioning import CdkApp
    from local_cloud.saved_deployments import SavedDeployments
    from pubsub_testing.cloud import digest_of_toolkit_app, provisioned, toolkit_app

    with ExitStack() as resources:
        try:
            app = CdkApp.in_directory(pubsub_app) if pubsub_app else toolkit_app(pubsub_settings)
            digest = None if pubsub_app else digest_of_toolkit_app(app)
            cache = _cache_directory(request.config)
            saved = SavedDeployments(cache) if cache else None
            deployment = resources.enter_context(
                provisioned(tmp_path_factory.mktemp("local-cloud"), app, saved, digest=digest)
            )
        except LocalCloudError as error:
            pytest.fail(str(error), pytrace=False)
        yield deployment


def _cache_directory(config: pytest.Config) -> Path | None:
    """Return the directory of saved deployments; None if pytest's cache is disabled or not writable."""
    cache: pytest.Cache | None = getattr(config, "cache", None)  # None with -p no:cacheprovider
    try:
        return cache.mkdir("pubsub-deployments") if cache else None
    except OSError:
        return None


@pytest.fixture(autouse=True)
def _aws_is_the_local_cloud(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the AWS SDK reach only the local cloud, in tests that use it."""
    if "local_cloud" not in request.fixturenames:
        return
    import boto3

    deployment: LocalDeployment = request.getfixturevalue("local_cloud")
    environment = deployment.environment()
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # an earlier test's session can have a profile


@pytest_asyncio.fixture
async def make_signed_in_user(local_cloud: LocalDeployment) -> AsyncIterator[MakeSignedInUser]:
    """Creates signed-in users; the end of the test removes users, identities and attachments."""
    import asyncio

    from pubsub_cli.aws import Aws
    from pubsub_cli.pool_users import TestUsers
    from pubsub_client import CognitoSession

    users = TestUsers(Aws(region=local_cloud.cloud.region), local_cloud.outputs)

    async def make(*, group: str | None = None) -> SignedInUser:
        user = await asyncio.to_thread(users.create, group=group)
        session = CognitoSession.from_outputs(local_cloud.outputs)
        await session.sign_in(user.name, user.password)
        users.track_identity(await session.identity_id())
        return SignedInUser(user.name, user.password, session)

    yield make
    if left := await asyncio.to_thread(users.remove):
        pytest.fail("these resources of the test could not be removed:\n" + "\n".join(left), pytrace=False)


@pytest_asyncio.fixture
async def signed_in_user(make_signed_in_user: MakeSignedInUser) -> SignedInUser:
    """A new signed-in user."""
    return await make_signed_in_user()


@pytest_asyncio.fixture
async def pubsub(local_cloud: LocalDeployment, signed_in_user: SignedInUser) -> AsyncIterator[PubSub]:
    """A connected client of this user, closed at the end of the test."""
    from pubsub_client import AwsIot, PubSub

    async with PubSub(AwsIot.from_outputs(local_cloud.outputs, signed_in_user.session)) as client:
        yield client
