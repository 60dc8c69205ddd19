"""No test reaches AWS: the environment of the test process is that of a child of the embedded cloud."""

from __future__ import annotations

import os

import pytest

from local_cloud.environment import without_aws


@pytest.fixture(autouse=True, scope="session")
def _no_aws() -> None:
    kept = without_aws(os.environ)
    os.environ.clear()
    os.environ.update(kept)
