from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.conftest import deployed
from tests.e2e.doctor.simulated_user import SimulatedUser, Stage

_FAILED = pytest.StashKey[bool]()


@dataclass
class _Users:
    """Returns a user of a healthy deployment. It replaces changed users and, after a failure, the deployment."""

    directories: pytest.TempPathFactory
    cloud: ExitStack = field(default_factory=ExitStack)
    last: SimulatedUser | None = None
    snapshot: Any = None
    deployment: Any = None

    def healthy(self) -> SimulatedUser:
        if not self.deployment:
            self.deployment = self.cloud.enter_context(deployed(self.directories.mktemp("doctor")))
        if not self.last or self.last.snapshot() != self.snapshot or self.last.send_message() is not Stage.DELIVERED:
            self.last = SimulatedUser.signed_in(self.deployment)
            assert self.last.send_message() is Stage.DELIVERED
            self.snapshot = self.last.snapshot()
        return self.last

    def discard(self) -> None:
        self.cloud.close()
        self.last = self.deployment = None


@pytest.fixture(scope="session")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Users]:
    users = _Users(tmp_path_factory)
    yield users
    users.cloud.close()


@pytest.fixture
def user(users: _Users, request: pytest.FixtureRequest) -> Iterator[SimulatedUser]:
    """A user of a healthy deployment. A test repairs the deployment, by the printed fix or by ``cleanup``."""
    user = users.healthy()
    with user.cleanup:
        yield user
    user.deployment.cloud.clear_faults()
    if request.node.stash.get(_FAILED, False):
        users.discard()
    else:
        user.deployment.drain_queues()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report
