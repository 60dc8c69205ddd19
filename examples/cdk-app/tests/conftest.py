"""The tests deploy this app's stack instead of the toolkit's."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pubsub_app() -> Path:
    """Return the folder of ``cdk.json``."""
    return Path(__file__).parents[1]
