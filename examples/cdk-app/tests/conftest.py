"""The tests run on this app's own stack rather than on the toolkit's."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pubsub_app() -> Path:
    """Where the plugin finds ``cdk.json``."""
    return Path(__file__).parents[1]
