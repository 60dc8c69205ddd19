"""For all tests: none reaches AWS, for the process has the environment of a child of the embedded cloud.

pytest-randomly shuffles the files and the tests of each file.
"""

from __future__ import annotations

import functools
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from local_cloud.environment import without_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Deployment

_KEPT = without_aws(os.environ)
os.environ.clear()
os.environ.update(_KEPT)

# In the background of a shell Ctrl-C is ignored, and so it would be by every program that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# boto3 sessions share the descriptions of the services. Each would read them for 50 ms.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# How long an example takes says something about the machine, not about the code.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")

_TIERS = ["e2e", "docs", "browser", "integration", "unit/stacks", "unit"]
"""The folders in the order in which they run: long files first, so that no process has a long one left at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the random order within each tier, and run the tiers one after the other."""
    folders = [Path(__file__).parent / each for each in _TIERS]
    items.sort(key=lambda item: next(n for n, folder in enumerate(folders) if item.path.is_relative_to(folder)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Run each file in one process, and all tests of synthesized templates in one: starting jsii takes seconds."""
    return _Scheduling(config, log)


class _Scheduling(LoadFileScheduling):  # type: ignore[misc] # it has no types
    def _split_scope(self, nodeid: str) -> str:
        templates = "tests/unit/stacks/"
        return templates if nodeid.startswith(templates) else str(super()._split_scope(nodeid))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how to run the tests in the same order again."""
    if seed := config.getoption("randomly_seed", None):
        terminalreporter.write_line(f"To repeat this order: make test SEED={seed}")


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The stack with the repository's settings, deployed once for the end-to-end and the browser tests."""
    from tests.e2e.conftest import deployed  # unit tests need not load what it needs

    with deployed(tmp_path_factory.mktemp("deployment")) as made:
        yield made
