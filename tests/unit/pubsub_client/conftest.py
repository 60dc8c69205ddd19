from __future__ import annotations

import pytest

from pubsub_client import _connection
from pubsub_client._provider import MqttVersion
from tests.unit.pubsub_client.fake_broker import FakeBroker, FakeTransport


@pytest.fixture(autouse=True)
def no_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has neither proxy nor authority."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    broker = FakeBroker()
    made = {version: lambda *arguments: FakeTransport(broker, *arguments) for version in MqttVersion}
    monkeypatch.setattr(_connection, "_TRANSPORTS", made)
    monkeypatch.setattr(_connection, "_DRAIN_SECONDS", 0.05)
    return broker
