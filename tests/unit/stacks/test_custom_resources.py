"""Every function behind a custom resource waits for permissions that do not act yet, and has the time for it."""

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
    """Return the handlers that CDK's provider framework calls, and the timeout of each in seconds."""
    functions = template.resources("AWS::Lambda::Function")
    named = {
        arn["Fn::GetAtt"][0]
        for each in functions.values()
        for name, arn in each.get("Environment", {}).get("Variables", {}).items()
        if name in ("USER_ON_EVENT_FUNCTION_ARN", "USER_IS_COMPLETE_FUNCTION_ARN")
    }
    return {functions[name]["Handler"]: functions[name]["Timeout"] for name in named}


@pytest.fixture(scope="module")
def handlers(template: Template, at_sign_in: Template) -> dict[str, int]:
    return _behind_custom_resources(template) | _behind_custom_resources(at_sign_in)


def test_there_are_such_functions(handlers: dict[str, int]) -> None:
    assert {"iot_endpoint.on_event", "role_policies.on_event", "iot_policy_lifecycle.is_complete"} < set(handlers)


def test_each_has_twice_the_time_that_it_waits_for_permissions(
    handlers: dict[str, int],
    load: Load,  # noqa: F811
) -> None:
    wait_seconds = load("iam_propagation").WAIT_SECONDS
    assert {name: seconds for name, seconds in handlers.items() if seconds < 2 * wait_seconds} == {}


def test_each_repeats_the_denied_calls_of_every_client_that_it_has(
    handlers: dict[str, int],
    load: Load,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    load("iam_propagation")
    # The state machine that detaches the policy is no custom resource, but runs as soon as one has asked for it.
    for handler in (*handlers, "detach_all.handler"):
        name, _, function = handler.partition(".")
        module: Any = load(name)
        clients = [each for each in vars(module).values() if isinstance(each, BaseClient)]
        assert clients, handler
        for client in clients:
            assert _repeats(getattr(module, function), client), (handler, client.meta.service_model)
    assert slept


class _Event:
    """Has a client's call denied as soon as the handler reads the event, and ends the handler."""

    def __init__(self, client: BaseClient) -> None:
        self._client = client
        self.answers: list[Any] = []

    def get(self, _key: str) -> None:
        denied = {"response": (None, _DENIED), "attempts": 1, "caught_exception": None, "endpoint": None}
        self.answers += [answer for _, answer in self._client.meta.events.emit("needs-retry", **denied)]
        raise StopIteration

    __getitem__ = get


def _repeats(handler: Any, client: BaseClient) -> bool:
    """Tell whether the client repeats a denied call while the handler runs."""
    event = _Event(client)
    with pytest.raises(StopIteration):
        handler(event, None)
    return 0 in event.answers
