"""Which changes of the trigger's function keep it from its work, and which do not."""

from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.trigger import TriggerIsAsDeployed
from pubsub_cli.finding import AwsCommand, Finding, Status
from tests.unit.pubsub_cli.checks.answers import TRIGGER, Answers, find, functions

LOGICAL = "SignInAttachmentPostAuthentication1234"
DEPLOYED = {"Handler": "post_authentication.handler", "MemorySize": 256, "Runtime": "python3.13", "Timeout": 4}


async def look(changes: dict[str, Any], concurrency: int | None = None) -> Finding:
    aws = Answers(
        GetTemplate={"TemplateBody": {"Resources": {LOGICAL: {"Properties": DEPLOYED}}}},
        ListStackResources=functions(**{LOGICAL: TRIGGER}),
        GetFunctionConfiguration={"FunctionName": TRIGGER, **DEPLOYED, **changes},
        GetFunctionConcurrency={} if concurrency is None else {"ReservedConcurrentExecutions": concurrency},
    )
    return await find(TriggerIsAsDeployed, aws)


@pytest.mark.parametrize(
    "changes", [{"Handler": "gone.handler"}, {"MemorySize": 128}, {"Timeout": 1}, {"MemorySize": 128, "Timeout": 1}]
)
async def test_less_than_was_deployed_fails_and_only_that_is_restored(changes: dict[str, Any]) -> None:
    finding = await look({"Runtime": "python3.14", **changes})
    assert finding.status is Status.FAILED
    (command,) = finding.safe_commands
    assert isinstance(command, AwsCommand)
    assert command.parameters == {"FunctionName": TRIGGER, **{name: DEPLOYED[name] for name in changes}}


@pytest.mark.parametrize("changes", [{"MemorySize": 1024}, {"Timeout": 5}, {"Runtime": "python3.14"}])
async def test_more_than_was_deployed_passes_and_is_told(changes: dict[str, Any]) -> None:
    finding = await look(changes)
    assert finding.status is Status.PASSED
    ((name, value),) = changes.items()
    assert f"{name} {value} instead of {DEPLOYED[name]}" in str(finding.detail)


@pytest.mark.parametrize(
    ("concurrency", "status"),
    [(None, Status.PASSED), (100, Status.PASSED), (2, Status.PASSED), (1, Status.FAILED), (0, Status.FAILED)],
)
async def test_a_internal_sign_in_must_have_two_executions(concurrency: int | None, status: Status) -> None:
    assert (await look({}, concurrency)).status is status
