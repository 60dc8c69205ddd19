"""Which identities a sweep checks, and how it continues earlier sweeps; whole sweeps run in the e2e tests."""

from __future__ import annotations

import json
from concurrent.futures import Future
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from bulk.pages import Identity, Page
from bulk.sweep_state import COMPLETED, PAUSED, SweepHistory, SweepState
from tests.unit.lambdas.conftest import ENVIRONMENT, Load
from tests.unit.lambdas.fake_aws import FakeIot, FakeService, FakeSsm

_USER_POOL = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool"
_GUEST = Identity("eu-west-1:guest", frozenset(), 0.0)
_USER = Identity("eu-west-1:user", frozenset({_USER_POOL}), 0.0)
_BOTH = Identity("eu-west-1:both", frozenset({"login.example", _USER_POOL}), 0.0)
_OTHER = Identity("eu-west-1:other", frozenset({"login.example"}), 0.0)
_ALL = (_GUEST, _USER, _BOTH, _OTHER)
_MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:sweep"
_EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:sweep:"


@pytest.mark.parametrize(
    ("providers", "due", "other_providers"),
    [
        (_USER_POOL, [_USER, _BOTH], 1),
        (f"{_USER_POOL},login.example", [_USER, _BOTH, _OTHER], 0),
        ("", [_USER, _BOTH, _OTHER], 0),
    ],
)
def test_sweep_skips_and_counts_guests_and_other_providers(
    load: Load, monkeypatch: pytest.MonkeyPatch, providers: str, due: list[Identity], other_providers: int
) -> None:
    monkeypatch.setenv("LOGIN_PROVIDERS", providers)
    module, sweep = load("sweep"), SweepState(started_at=1.0, scope="pool")
    assert [each for each in _ALL if module._is_due(each, sweep)] == due
    outcomes: list[Future[str]] = [Future() for _ in due]
    for each in outcomes:
        each.set_result("attached")
    module._record(Page(_ALL, None), outcomes, sweep)
    assert (sweep.listed, sweep.guests, sweep.other_providers, sweep.unchanged, sweep.attached) == (
        4, 1, other_providers, 0, len(due)
    )  # fmt: skip
    assert (sweep.ended, sweep.last_full) == (COMPLETED, 1.0)


def test_sweep_with_other_providers_has_another_scope(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    scopes = set()
    for providers in ("", _USER_POOL, f"{_USER_POOL},login.example"):
        monkeypatch.setenv("LOGIN_PROVIDERS", providers)
        scopes.add(load("sweep")._SCOPE)
    assert len(scopes) == 3


class FakeIdentities(FakeService):
    """Lists one user, and pauses attachment at the same time."""

    def __init__(self, client: Any, ssm: FakeSsm) -> None:
        super().__init__(client)
        self._ssm = ssm

    def list_identities(self, **_: Any) -> dict[str, Any]:
        self._ssm.values[ENVIRONMENT["PAUSE_PARAMETER"]] = "true"
        user = {"IdentityId": _USER.identity_id, "Logins": [_USER_POOL], "LastModifiedDate": datetime.now(UTC)}
        return {"IdentityPoolId": ENVIRONMENT["IDENTITY_POOL_ID"], "Identities": [user]}


def test_sweep_attaches_nothing_after_attachment_was_paused(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes up to ten minutes, and a bulk detachment does not wait that long."""
    monkeypatch.setattr("attachment.parameters.CACHE_SECONDS", -1.0)
    monkeypatch.delenv("RETRY_QUEUE_URL")
    module = load("sweep")
    ssm, iot = FakeSsm(module._ssm), FakeIot(module._iot)
    ssm.values[ENVIRONMENT["PAUSE_PARAMETER"]] = "false"
    iot.policies = {_USER.identity_id: set()}
    FakeIdentities(module._pages._client, ssm)
    state = {"next": "continue", "steps": 1, "input": {}, "checkpoint": SweepState(1.0, "pool").to_checkpoint()}
    context = SimpleNamespace(aws_request_id="request", get_remaining_time_in_millis=lambda: 900_000)
    done = module.handler({"state": state, "execution": _EXECUTION, "machine": _MACHINE}, context)
    assert (done["next"], done["checkpoint"]["ended"], done["checkpoint"]["listed"]) == ("done", PAUSED, 0)
    assert iot.policies == {_USER.identity_id: set()}


def test_history_skips_a_listed_execution_that_does_not_exist() -> None:
    client = boto3.client("stepfunctions", region_name="eu-west-1")
    listed = [
        {
            "executionArn": _EXECUTION + name,
            "stateMachineArn": _MACHINE,
            "name": name,
            "status": status,
            "startDate": at,
        }
        for name, status, at in (("newest", "SUCCEEDED", 3), ("aborted", "ABORTED", 2), ("oldest", "SUCCEEDED", 1))
    ]
    checkpoint = SweepState(1000.0, "pool", last_full=1000.0, ended=COMPLETED).to_checkpoint()
    oldest: dict[str, Any] = {
        "executionArn": _EXECUTION + "oldest",
        "stateMachineArn": _MACHINE,
        "startDate": 1,
        "status": "SUCCEEDED",
        "input": "{}",
        "output": json.dumps({"checkpoint": checkpoint}),
    }
    with Stubber(client) as states:
        states.add_response("list_executions", {"executions": listed})
        states.add_client_error("describe_execution", "ExecutionDoesNotExist")
        states.add_client_error("describe_execution", "ExecutionDoesNotExist")
        states.add_response("describe_execution", oldest)
        history = SweepHistory(client, _MACHINE, _EXECUTION + "own")
        planned = history.plan(now=2000.0, scope="pool", full=False, dry_run=False, full_every_days=7)
    assert planned.changed_since == 1000.0 - 3600
