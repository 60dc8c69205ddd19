from __future__ import annotations

from collections.abc import Iterator

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
    """The same on ministack without patches."""
    with LocalCloud.start(without=PATCHES) as bare:
        yield Account.on(bare)
