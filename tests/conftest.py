"""For all tests: none reaches AWS, for the process has the environment of a child of the local cloud.

pytest-randomly shuffles the files and the tests of each file.
"""

from __future__ import annotations

import copy
import functools
import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.client
import botocore.hooks
import botocore.session
import pytest
from botocore.model import ServiceModel
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from local_cloud.environment import without_aws
from tests.e2e.conftest import Deployment

_KEPT = without_aws(os.environ)
os.environ.clear()
os.environ.update(_KEPT)

# In the background of a shell Ctrl-C is ignored, and so it would be by every program that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Imports and tests make much that lasts, and little garbage.
gc.set_threshold(10_000, 10, 10)

# boto3 sessions share the descriptions of the services. Each would read them for 50 ms.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def _once_per_name(function: Callable[[Any, Any], Any], name: Callable[[Any], str]) -> Callable[[Any, Any], Any]:
    """Return a method of one argument that copies the result that any object got for an argument of this name."""
    results: dict[str, Any] = {}

    @functools.wraps(function)
    def remembering(self: Any, argument: Any) -> Any:
        key = name(argument)
        if key not in results:
            results[key] = function(self, argument)
        return copy.copy(results[key])

    return remembering


def _service_name(service: ServiceModel) -> str:
    return f"{service.service_name} {service.api_version}"


# Hundreds of tests make sessions and clients of their own, each of which would work this out again for 10 ms.
_creator: Any = botocore.client.ClientCreator
_creator._create_methods = _once_per_name(_creator._create_methods, _service_name)
_aliaser: Any = botocore.hooks.EventAliaser
_aliaser._alias_event_name = _once_per_name(_aliaser._alias_event_name, str)
botocore.hooks.accepts_kwargs = functools.lru_cache(1024)(botocore.hooks.accepts_kwargs)

# How long an example takes says something about the machine, not about the code.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")

_TIERS = ["e2e", "docs", "browser", "integration", "unit/stacks", "unit"]
"""The folders in the order in which they run: long files first, so that no process has a long one left at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the random order within each tier, and run the tiers one after the other."""
    folders = [Path(__file__).parent / each for each in _TIERS]
    items.sort(key=lambda item: next(n for n, folder in enumerate(folders) if item.path.is_relative_to(folder)))


def pytest_collection_finish() -> None:
    """Keep the garbage collector from what is imported: going through all of it would take 0.2 s each time."""
    gc.collect()
    gc.freeze()


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
