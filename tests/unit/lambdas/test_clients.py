from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders
from botocore.parsers import ResponseParserError

from attachment.clients import abandonable_session, iot_client
from attachment.deadline import AbandonedError
from tests.unit.lambdas.conftest import ENVIRONMENT


class Body:
    """The body of a response."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: object) -> list[bytes]:
        return [self._content]


@pytest.fixture
def abandoned(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return threading.Event()


def _respond(client: Any, content: bytes = b'{"Parameters": []}', meanwhile: Any = None) -> None:
    """Respond to the calls of a client without a network."""

    def respond(request: Any, **_: object) -> Any:
        if meanwhile:
            meanwhile()
        return AWSResponse(request.url, 200, HTTPHeaders(), Body(content))

    client.meta.events.register("before-send", respond)


def _call(session: Any) -> Any:
    client = session.client("ssm")
    _respond(client)
    return client.get_parameters(Names=["/name"])["Parameters"]


def test_session_stops_only_its_own_calls_once_abandoned(abandoned: threading.Event) -> None:
    session, other = abandonable_session(abandoned), abandonable_session(threading.Event())
    assert _call(session) == []
    client, sent = session.client("ssm"), list[bool]()
    _respond(client, meanwhile=lambda: sent.append(True))
    abandoned.set()
    with pytest.raises(AbandonedError):
        client.get_parameters(Names=["/name"])
    assert sent == []
    assert _call(other) == []


def test_session_drops_a_response_that_comes_late(abandoned: threading.Event) -> None:
    client = abandonable_session(abandoned).client("ssm")
    _respond(client, meanwhile=abandoned.set)
    with pytest.raises(AbandonedError):
        client.get_parameters(Names=["/name"])


@pytest.mark.usefixtures("abandoned")
def test_iot_client_rejects_an_unreadable_response_to_attach_policy() -> None:
    for content in (b"", b"{}", b"<html>"):
        client = iot_client(attempts=1)
        _respond(client, content)
        if content == b"<html>":
            with pytest.raises(ResponseParserError, match="not JSON"):
                client.attach_policy(policyName="policy", target="identity")
        else:
            client.attach_policy(policyName="policy", target="identity")
