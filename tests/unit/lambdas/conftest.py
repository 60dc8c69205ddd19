"""Loads a function as a new execution environment of Lambda does, without access to AWS."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Protocol

import pytest
from botocore.exceptions import ClientError

ENVIRONMENT = {
    "ATTACHMENT_CACHE_DAYS": "30",
    "ATTACHMENT_MARKER": "0123abcd-generation",
    "ATTACH_PER_SECOND": "1000",
    "ATTACH_PER_SECOND_THROTTLED": "4",
    "ATTEMPTS": "2",
    "AWS_ACCESS_KEY_ID": "unit",
    "AWS_DEFAULT_REGION": "eu-west-1",
    # A closed port: a call that is not stubbed fails at once.
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_REGION": "eu-west-1",
    "AWS_SECRET_ACCESS_KEY": "unit",
    "BUDGET_SECONDS": "2.5",
    "CONFIGURATION_PARAMETER": "/AmplifyPubSub/sign-in-attachment",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:9/000000000000/dead-letters",
    "DETACH_ALL_STATE_MACHINE_ARN": "arn:aws:states:eu-west-1:123456789012:stateMachine:AmplifyPubSub-detach-all",
    "DETACH_PER_SECOND": "1000",
    "FULL_EVERY_DAYS": "30",
    "IDENTITY_POOL_ID": "eu-west-1:pool",
    "LIST_PER_SECOND": "1000",
    "MAC_KEY_ID": "mac-key",
    "MARKER_ATTRIBUTE": "custom:pubsub_attachment",
    "MAX_RENAMED_IDENTITIES": "2",
    "MESSAGE_SECONDS": "8",
    "MFA": "off",
    "PAUSE_PARAMETER": "/AmplifyPubSub/attachment-paused",
    "POLICY_GENERATION": "generation",
    "POLICY_NAME": "myIoTPolicy",
    "PROPAGATION_SECONDS": "600",
    "QUEUE_SECONDS": "0.8",
    "RETRY_PER_SECOND": "4",
    "RETRY_QUEUE_URL": "http://127.0.0.1:9/000000000000/retry",
    "STACK_NAME": "AmplifyPubSub",
    "USER_POOL_ID": "eu-west-1_pool",
}


def client_error(
    code: str, status: int = 400, operation: str = "AttachPolicy", message: str = "about ada"
) -> ClientError:
    """Return boto3's error for a refused call. The message names the user, as AWS's messages can."""
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)  # type: ignore[arg-type]


class Clock:
    """Monotonic time that passes only in :meth:`sleep`."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def log_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the lines that a function logged."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


class Load(Protocol):
    """Imports a module of ``lambdas/`` as a new execution environment would."""

    def __call__(self, name: str) -> Any: ...


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Load modules for one test, because they keep clients and caches."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    loaded = []

    def load_module(name: str) -> ModuleType:
        for each in (name, "attachment.chain"):
            sys.modules.pop(each, None)
        loaded.append(name)
        return importlib.import_module(name)

    yield load_module
    for name in (*loaded, "attachment.chain", "iam_propagation"):
        sys.modules.pop(name, None)
