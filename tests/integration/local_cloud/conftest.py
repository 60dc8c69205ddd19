from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local_cloud.patches import PATCHES
from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import Account


@pytest.fixture(scope="session")
def account(cloud: LocalCloud) -> Account:
    """A user pool, identity pools and roles on the local cloud."""
    return Account.on(cloud)


@pytest.fixture(scope="session")
def bare_account() -> Iterator[Account]:
    """The same on ministack alone, without patches."""
    with LocalCloud.start(without=PATCHES) as bare:
        yield Account.on(bare)


@pytest.fixture(scope="session")
def clients_without_retries() -> dict[str, Any]:
    """What the cloud keeps its clients in meanwhile."""
    return {}


@pytest.fixture
def faultless(
    cloud: LocalCloud, clients_without_retries: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """No faults before and after, and clients that do not try again."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(cloud, "_clients", clients_without_retries)
    cloud.clear_faults()
    yield
    cloud.clear_faults()
