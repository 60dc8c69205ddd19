from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_cloud.process import LocalCloud


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """A local cloud with all patches; tests share it and create their own resources."""
    with LocalCloud.start() as started:
        yield started
