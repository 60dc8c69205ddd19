from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_cloud.process import LocalCloud

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """An embedded cloud with every behaviour; tests share it and make resources of their own."""
    with LocalCloud.start() as started:
        yield started
