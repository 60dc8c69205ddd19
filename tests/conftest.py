"""For all tests: the environment contains no AWS configuration, so no test reaches AWS.

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

# A shell ignores Ctrl-C in background processes, and child processes of the tests would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Imports and tests create many long-lived objects and little garbage.
gc.set_threshold(10_000, 10, 10)

# boto3 sessions share the service descriptions, which take 50 ms to read.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def _once_per_name(function: Callable[[Any, Any], Any], name: Callable[[Any], str]) -> Callable[[Any, Any], Any]:
    """Return a method that copies the first result for an argument of the same name, for all objects."""
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


# Hundreds of tests create sessions and clients; each would compute this for 10 ms.
_creator: Any = botocore.client.ClientCreator
_creator._create_methods = _once_per_name(_creator._create_methods, _service_name)
_aliaser: Any = botocore.hooks.EventAliaser
_aliaser._alias_event_name = _once_per_name(_aliaser._alias_event_name, str)
botocore.hooks.accepts_kwargs = functools.lru_cache(1024)(botocore.hooks.accepts_kwargs)

# The time of an example depends on the machine.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")

_TIERS = ["e2e", "docs", "browser", "integration", "unit/stacks", "unit"]
"""The folders in the order in which they run: long files first, so that all processes end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tiers in order, and the tests of each in random order."""
    folders = [Path(__file__).parent / each for each in _TIERS]
    items.sort(key=lambda item: next(n for n, folder in enumerate(folders) if item.path.is_relative_to(folder)))


def pytest_collection_finish() -> None:
    """Exclude imported objects from garbage collection, which would take 0.2 s each time."""
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
    """Print how to repeat the order."""
    if seed := config.getoption("randomly_seed", None):
        terminalreporter.write_line(f"To repeat this order: make test SEED={seed}")


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The stack with the repository's settings, deployed once for e2e and browser tests."""
    from tests.e2e.conftest import deployed  # unit tests need not load what it needs

    with deployed(tmp_path_factory.mktemp("deployment")) as made:
        yield made
