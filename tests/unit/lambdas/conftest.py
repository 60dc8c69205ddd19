"""Loads a function as Lambda does: fresh, with its environment, and no way to AWS."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ENVIRONMENT = {
    "ATTACHMENT_MARKER": "0123abcd-epoch",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "unit",
    "AWS_SECRET_ACCESS_KEY": "unit",
    # A closed port: a call that is not stubbed fails at once.
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "BUDGET_SECONDS": "2.5",
    "CONFIGURATION_PARAMETER": "/AmplifyPubSub/sign-in-attachment",
    "DETACH_PER_SECOND": "10000",
    "MAC_KEY_ID": "mac-key",
    "MARKER_ATTRIBUTE": "custom:pubsub_attachment",
    "MARKER_DAYS": "30",
    "POLICY_NAME": "myIoTPolicy",
    "STACK_NAME": "AmplifyPubSub",
}
_FUNCTIONS = (
    "post_authentication",
    "auth_challenge",
    "iot_policy_lifecycle",
    "iot_endpoint",
    "attachment.attach",
)


class Load(Protocol):
    def __call__(self, name: str) -> Any: ...


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def load_module(name: str) -> ModuleType:
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    yield load_module
    for name in _FUNCTIONS:
        sys.modules.pop(name, None)
