from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_cloud.process import LocalCloud


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """An local cloud with every behaviour; tests share it and make resources of their own."""
    with LocalCloud.start() as started:
        yield started
