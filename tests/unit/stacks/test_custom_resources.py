"""Functions of custom resources wait until their permissions take effect, and have enough time to wait."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.client import BaseClient

from tests.unit.lambdas.conftest import (
    Load,
    load,  # noqa: F401 - a fixture
)
from tests.unit.stacks.conftest import Template

_DENIED = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 403}}


def _behind_custom_resources(template: Template) -> dict[str, int]:
    """Return the timeout in seconds of each function that handles custom resources, by its module."""
    functions = template.resources("AWS::Lambda::Function")
    tokens = [
        each["Properties"]["ServiceToken"]["Fn::GetAtt"][0]
        for each in template.json["Resources"].values()
        if each["Type"].startswith("Custom::")
    ]
    return {functions[name]["Handler"].removesuffix(".handler"): functions[name]["Timeout"] for name in tokens}


@pytest.fixture(scope="module")
def modules(template: Template, adopted_at_sign_in: Template) -> dict[str, int]:
    return _behind_custom_resources(template) | _behind_custom_resources(adopted_at_sign_in)


def test_custom_resource_functions_have_twice_the_permission_wait(
    modules: dict[str, int],
    load: Load,  # noqa: F811
) -> None:
    assert {*modules} == {"iot_resources", "user_pool_triggers", "identity_pool_provider", "role_policies"}
    assert min(modules.values()) >= 2 * load("iam_propagation").WAIT_SECONDS


def test_custom_resource_functions_repeat_denied_calls_of_every_client(
    modules: dict[str, int],
    load: Load,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    load("iam_propagation")
    # Bulk detachment is not a custom resource, but one starts it.
    handlers = [*((name, "on_event") for name in modules), ("iot_resources", "is_complete"), ("detach_all", "handler")]
    for name, function in handlers:
        module: Any = load(name)
        clients = [each for each in vars(module).values() if isinstance(each, BaseClient)]
        assert clients, name
        for client in clients:
            assert _repeats(getattr(module, function), client), (name, client.meta.service_model)
    assert slept


class _Event:
    """Makes a client's call fail with AccessDenied when the handler reads the event, and then ends the handler."""

    def __init__(self, client: BaseClient) -> None:
        self._client = client
        self.answers: list[Any] = []

    def get(self, _key: str) -> None:
        denied = {"response": (None, _DENIED), "attempts": 1, "caught_exception": None, "endpoint": None}
        self.answers += [answer for _, answer in self._client.meta.events.emit("needs-retry", **denied)]
        raise StopIteration

    __getitem__ = get


def _repeats(handler: Any, client: BaseClient) -> bool:
    """Return whether the client repeats a denied call while the handler runs."""
    event = _Event(client)
    with pytest.raises(StopIteration):
        handler(event, None)
    return 0 in event.answers
