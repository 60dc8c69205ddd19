"""The check that connects: its fix for a rejection that waiting can end."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from pubsub_cli.aws import Aws
from pubsub_cli.checks.connection import UserConnects
from pubsub_cli.checks.context import Context
from pubsub_client.exceptions import ConnectionRefused
from tests.unit.pubsub_cli.checks.stubbed_aws import StubbedAws, run_check


@pytest.mark.parametrize(
    ("command", "suggested"),
    [
        ("pubsub doctor --user ada", "pubsub doctor --user ada --timeout 600"),
        ("pubsub doctor --wait", "pubsub doctor --wait --timeout 600"),
        ("pubsub doctor --timeout 900", "pubsub doctor --timeout 900"),
    ],
)
async def test_suggested_command_waits_as_long_as_an_attachment_takes(
    monkeypatch: pytest.MonkeyPatch, command: str, suggested: str
) -> None:
    async def refuse(*_: Any) -> ConnectionRefused:
        return ConnectionRefused("endpoint", "not authorized", denied=True)

    monkeypatch.setattr(UserConnects, "_connect", refuse)
    finding = await run_check(UserConnects, StubbedAws(), rerun_command=command)
    assert str(finding.fix).splitlines()[-1] == suggested


async def test_rejection_with_unknown_permissions_does_not_ask_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any) -> ConnectionRefused:
        return ConnectionRefused("endpoint", "not authorized", denied=True)

    monkeypatch.setattr(UserConnects, "_connect", refuse)
    finding = await run_check(UserConnects, StubbedAws(), fields={"unknown_permissions": True})
    assert "PS306 and PS307 could not decide" in str(finding.fix)
    assert "minutes" not in str(finding.fix)


@pytest.mark.parametrize("timeout", [30.0, 3600.0])
def test_run_waits_as_long_as_its_timeout(monkeypatch: pytest.MonkeyPatch, timeout: float) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    context = Context(aws=Aws(region="eu-west-1"), stack="stack", timeout=timeout, cleanup=AsyncExitStack())
    assert context.deadline() == 1000.0 + timeout
