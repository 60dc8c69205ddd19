"""Loads a function as Lambda does: fresh, with its environment, and no way to AWS."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Protocol

import pytest
from botocore.exceptions import ClientError

ENVIRONMENT = {
    "ATTACHMENT_MARKER": "0123abcd-epoch",
    "ATTEMPTS": "2",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "unit",
    "AWS_SECRET_ACCESS_KEY": "unit",
    # A closed port: a call that is not stubbed fails at once.
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "BUDGET_SECONDS": "2.5",
    "CONFIGURATION_PARAMETER": "/AmplifyPubSub/sign-in-attachment",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:9/000000000000/dead-letters",
    "DETACH_PER_SECOND": "15",
    "AWS_REGION": "eu-west-1",
    "ATTACH_PER_SECOND": "1000",
    "LIST_PER_SECOND": "1000",
    "PROPAGATION_SECONDS": "600",
    "MAX_RENAMED_IDENTITIES": "2",
    "DETACH_ALL_STATE_MACHINE_ARN": "arn:aws:states:eu-west-1:123456789012:stateMachine:AmplifyPubSub-detach-all",
    "IDENTITY_POOL_ID": "eu-west-1:pool",
    "MAC_KEY_ID": "mac-key",
    "MARKER_ATTRIBUTE": "custom:pubsub_attachment",
    "ATTACHMENT_CACHE_DAYS": "30",
    "MFA": "off",
    "ATTACH_PER_SECOND_THROTTLED": "4",
    "POLICY_NAME": "myIoTPolicy",
    "QUEUE_SECONDS": "0.8",
    "RETRY_QUEUE_URL": "http://127.0.0.1:9/000000000000/retry",
    "STACK_NAME": "AmplifyPubSub",
    "PAUSE_PARAMETER": "/AmplifyPubSub/attachment-paused",
}
_FUNCTIONS = (
    "post_authentication",
    "auth_challenge",
    "detach_all",
    "iam_propagation",
    "iot_resources",
    "user_pool_triggers",
    "custom_resource",
    "attachment.attach",
    "attachment.retry_queue",
    "attachment_retry",
    "identity_pool_provider",
    "role_policies",
    "self_attach",
    "sweep",
    "drift_detector",
)


def refusal(code: str, status: int = 400, operation: str = "AttachPolicy") -> ClientError:
    """Return what boto3 raises when AWS refuses; its message names the user, as AWS's may."""
    response = {"Error": {"Code": code, "Message": "about ada"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)  # type: ignore[arg-type]


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
