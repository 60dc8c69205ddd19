"""For all tests: none reaches AWS, for the process has the environment of a child of the embedded cloud."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from local_cloud.environment import without_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Deployment

_KEPT = without_aws(os.environ)
os.environ.clear()
os.environ.update(_KEPT)

# In the background of a shell Ctrl-C is ignored, and so it would be by every program that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says something about the machine, not about the code.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The stack with the repository's settings, deployed once for the end-to-end and the browser tests."""
    from tests.e2e.conftest import deployed  # unit tests need not load what it needs

    with deployed(tmp_path_factory.mktemp("deployment")) as made:
        yield made
