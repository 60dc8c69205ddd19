"""Which identities a sweep checks, and how it continues earlier sweeps; tests/e2e/test_sweep.py runs whole sweeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from bulk.sweep_state import COMPLETED, PAUSED, SweepHistory, SweepState
from tests.unit.lambdas.conftest import ENVIRONMENT, Load
from tests.unit.lambdas.fake_aws import FakeIot, FakeService, FakeSsm

_POOL, _POLICY = ENVIRONMENT["IDENTITY_POOL_ID"], ENVIRONMENT["POLICY_NAME"]
_PAUSE_FLAG = ENVIRONMENT["PAUSE_PARAMETER"]
_USER_POOL = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool"
_IDENTITIES: dict[str, list[str]] = {
    "guest": [],
    "user": [_USER_POOL],
    "both": ["login.example", _USER_POOL],
    "other": ["login.example"],
}
"""Providers by identity id."""
_MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:sweep"
_EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:sweep:"


class FakeIdentities(FakeService):
    """Lists the identities on one page, and does something else first."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def list_identities(self, **_: Any) -> dict[str, Any]:
        self.meanwhile()
        now = datetime.now(UTC)
        identities = [
            {"IdentityId": identity_id, "Logins": providers, "LastModifiedDate": now}
            for identity_id, providers in _IDENTITIES.items()
        ]
        return {"IdentityPoolId": _POOL, "Identities": identities}


class Sweep:
    """A full sweep in memory."""

    def __init__(self, load: Load, monkeypatch: pytest.MonkeyPatch, providers: str = "") -> None:
        monkeypatch.setattr("attachment.parameters.CACHE_SECONDS", -1.0)
        monkeypatch.setenv("LOGIN_PROVIDERS", providers)
        monkeypatch.delenv("RETRY_QUEUE_URL", raising=False)
        self.module = load("sweep")
        self.ssm, self.iot = FakeSsm(self.module._ssm), FakeIot(self.module._iot)
        self.ssm.values[_PAUSE_FLAG] = "false"
        self.iot.policies = {each: set() for each in _IDENTITIES}
        self.identities = FakeIdentities(self.module._pages._client)

    @property
    def attached(self) -> list[str]:
        return [identity_id for identity_id, policies in self.iot.policies.items() if policies == {_POLICY}]

    def run(self) -> dict[str, Any]:
        """Make a step, and return its checkpoint."""
        checkpoint = SweepState(1.0, "pool").to_checkpoint()
        state = {"next": "continue", "steps": 1, "input": {}, "checkpoint": checkpoint}
        context = SimpleNamespace(aws_request_id="request", get_remaining_time_in_millis=lambda: 900_000)
        done = self.module.handler({"state": state, "execution": _EXECUTION, "machine": _MACHINE}, context)
        assert done["next"] == "done"
        swept: dict[str, Any] = done["checkpoint"]
        return swept


@pytest.mark.parametrize(
    ("providers", "attached", "other_providers"),
    [
        (_USER_POOL, ["user", "both"], 1),
        (f"{_USER_POOL},login.example", ["user", "both", "other"], 0),
        ("", ["user", "both", "other"], 0),
    ],
)
def test_sweep_skips_and_counts_guests_and_other_providers(
    load: Load, monkeypatch: pytest.MonkeyPatch, providers: str, attached: list[str], other_providers: int
) -> None:
    sweep = Sweep(load, monkeypatch, providers)
    swept = sweep.run()
    assert sweep.attached == attached
    assert (swept["listed"], swept["guests"], swept["other_providers"], swept["attached"]) == (
        4, 1, other_providers, len(attached)
    )  # fmt: skip
    assert (swept["ended"], swept["last_full"]) == (COMPLETED, 1.0)


def test_sweep_with_other_providers_has_another_scope(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    providers = ("", _USER_POOL, f"{_USER_POOL},login.example")
    assert len({Sweep(load, monkeypatch, each).module._SCOPE for each in providers}) == 3


def test_sweep_attaches_nothing_after_attachment_was_paused(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes up to ten minutes, and a bulk detachment does not wait that long."""
    sweep = Sweep(load, monkeypatch)
    sweep.identities.meanwhile = lambda: sweep.ssm.values.update({_PAUSE_FLAG: "true"})
    swept = sweep.run()
    assert (swept["ended"], swept["listed"], sweep.attached) == (PAUSED, 0, [])


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
