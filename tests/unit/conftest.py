"""Unit tests use no network."""

from __future__ import annotations

import socket
from typing import Any

import pytest


def _refuse(*arguments: Any, **_: Any) -> None:
    pytest.fail(f"a unit test connects to the network or resolves a name: {arguments}")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each connection and each resolution of a name fail, on loopback too.

    Only Python's sockets are guarded. awscrt opens its own in C, so a unit test must not connect by awscrt: use a
    transport of the test's own, as tests/unit/pubsub_client/test_connection.py does.
    """
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, _refuse)
    monkeypatch.setattr(socket, "getaddrinfo", _refuse)
