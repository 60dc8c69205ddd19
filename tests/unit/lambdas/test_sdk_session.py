from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders

from attachment.deadline import AbandonedError
from attachment.sdk_session import guarded_session
from tests.unit.lambdas.conftest import ENVIRONMENT

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient


class _Body:
    """The body of an answer."""

    def stream(self, **_: object) -> list[bytes]:
        return [json.dumps({"Parameters": []}).encode()]


@pytest.fixture
def abandoned(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return threading.Event()


@pytest.fixture
def ssm(abandoned: threading.Event) -> SSMClient:
    return guarded_session(abandoned).client("ssm")


def _answer(ssm: SSMClient, meanwhile: Any = None) -> None:
    """Let calls be answered without a network, and something happen while they are under way."""

    def answer(request: Any, **_: object) -> Any:
        if meanwhile:
            meanwhile()
        return AWSResponse(request.url, 200, HTTPHeaders(), _Body())

    ssm.meta.events.register("before-send", answer)


def test_calls_are_made_while_somebody_waits(ssm: SSMClient) -> None:
    _answer(ssm)
    assert ssm.get_parameters(Names=["/name"])["Parameters"] == []


def test_abandoned_work_sends_nothing_more(ssm: SSMClient, abandoned: threading.Event) -> None:
    sent: list[bool] = []
    _answer(ssm, lambda: sent.append(True))
    abandoned.set()
    with pytest.raises(AbandonedError):
        ssm.get_parameters(Names=["/name"])
    assert sent == []


def test_an_answer_that_comes_too_late_is_dropped(ssm: SSMClient, abandoned: threading.Event) -> None:
    _answer(ssm, abandoned.set)
    with pytest.raises(AbandonedError):
        ssm.get_parameters(Names=["/name"])


def test_sessions_share_no_client_and_no_abandonment(ssm: SSMClient, abandoned: threading.Event) -> None:
    abandoned.set()
    with pytest.raises(AbandonedError):
        ssm.get_parameters(Names=["/name"])
    other = guarded_session(threading.Event()).client("ssm")
    _answer(other)
    assert other.get_parameters(Names=["/name"])["Parameters"] == []
