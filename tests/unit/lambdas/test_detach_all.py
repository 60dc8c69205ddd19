"""The function of the bulk detachment, with an AWS IoT that keeps attachments and a state machine without waits."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber

from tests.unit.lambdas.conftest import Load
from tests.unit.lambdas.fake_aws import AwsError, FakeIot

_OWN, _OLD = "myIoTPolicy", "old"
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class StateMachine:
    """Runs the steps; its waits take no time."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.iot = FakeIot(module._iot)
        self.pauses = 0
        self.milliseconds = 15 * 60_000
        module._pause_flag = SimpleNamespace(pause=lambda _ssm: setattr(self, "pauses", self.pauses + 1))
        self.now = 1_000_000.0
        module.time = SimpleNamespace(time=lambda: self.now)
        self.waits: list[int] = []

    def run(self, **options: Any) -> dict[str, Any]:
        """Return the last state of an execution with this input."""
        state: dict[str, Any] = dict(options)
        context = SimpleNamespace(aws_request_id="request", get_remaining_time_in_millis=lambda: self.milliseconds)
        while state.get("next") not in {"done", "failed"}:
            state = self.module.handler({"state": state, "execution": "execution", "machine": "machine"}, context)
            if state["next"] == "wait":
                self.waits.append(state["waitSeconds"])
                self.now += state["waitSeconds"]
        return state


@pytest.fixture
def machine(load: Load) -> StateMachine:
    return StateMachine(load("detach_all"))


def _targets(count: int, *policies: str) -> dict[str, set[str]]:
    return {f"eu-west-1:{each:03}": set(policies) for each in range(count)}


def test_detachment_detaches_every_target_page_by_page(machine: StateMachine) -> None:
    machine.iot.policies = _targets(520, _OWN)
    machine.milliseconds = 120_100  # a step has time for one page
    state = machine.run(policy=_OWN)
    assert (state["next"], state["checkpoint"]["detached"]) == ("done", 520)
    assert set(map(len, machine.iot.policies.values())) == {0}
    assert (machine.pauses, machine.waits) == (0, [])


def test_detachment_attaches_the_replacement_ten_minutes_before(machine: StateMachine) -> None:
    machine.iot.policies = _targets(7, _OLD)
    assert machine.run(policy=_OLD, replace=True)["next"] == "done"
    assert list(machine.iot.policies.values()) == [{_OWN}] * 7
    assert machine.waits == [600]


def test_detachment_pauses_attachment_first_and_checks_again(machine: StateMachine) -> None:
    machine.iot.policies = _targets(3, _OWN)
    assert machine.run(policy=_OWN, pause=True)["next"] == "done"
    assert (machine.pauses, machine.waits) == (1, [75])


def test_detachment_reports_a_refused_target_and_continues(
    machine: StateMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.iot.policies = _targets(5, _OLD)
    machine.iot.refused = {"eu-west-1:002": AwsError("LimitExceededException", status=410)}
    state = machine.run(policy=_OLD, replace=True)
    assert (state["next"], state["cause"]) == ("failed", "1 x LimitExceededException")
    assert machine.iot.policies.pop("eu-west-1:002") == {_OLD}
    assert list(machine.iot.policies.values()) == [{_OWN}] * 4
    assert "eu-west-1" not in f"{state}{capsys.readouterr().out}"  # neither state nor log identifies users


def test_detachment_fails_if_aws_refuses_every_target(machine: StateMachine) -> None:
    machine.iot.policies = _targets(2, _OWN)
    machine.iot.refused = dict.fromkeys(machine.iot.policies, AwsError("UnauthorizedException", status=401))
    state = machine.run(policy=_OWN)
    assert (state["next"], state["cause"]) == ("failed", "DetachPolicy: UnauthorizedException")


def test_detachment_raises_a_retryable_error(machine: StateMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulk.step.time.sleep", lambda _: None)
    machine.iot.policies = _targets(1, _OWN)
    machine.iot.refused = dict.fromkeys(machine.iot.policies, AwsError("InternalFailureException", status=500))
    with pytest.raises(Exception, match="InternalFailure"):
        machine.run(policy=_OWN)


def test_detachment_restarts_the_round_if_a_token_is_rejected(machine: StateMachine) -> None:
    machine.iot.policies = _targets(260, _OWN)
    machine.iot.rejects_tokens = True
    assert machine.run(policy=_OWN)["next"] == "done"
    assert set(map(len, machine.iot.policies.values())) == {0}


def test_detachment_refuses_to_replace_a_policy_by_itself(machine: StateMachine) -> None:
    machine.iot.policies = _targets(1, _OWN)
    assert machine.run(policy=_OWN, replace=True)["next"] == "failed"
    assert machine.iot.policies == _targets(1, _OWN)


def test_detachment_of_an_identity_pool_skips_guests(machine: StateMachine) -> None:
    listed = {
        "IdentityPoolId": "eu-west-1:pool",
        "Identities": [
            {"IdentityId": "user", "Logins": ["cognito-idp"], "LastModifiedDate": _ANY_TIME},
            {"IdentityId": "without-policy", "Logins": ["cognito-idp"], "LastModifiedDate": _ANY_TIME},
            {"IdentityId": "guest", "LastModifiedDate": _ANY_TIME},
            {"IdentityId": "former-guest", "Logins": [], "LastModifiedDate": _ANY_TIME},
        ],
    }
    machine.iot.policies = {"user": {_OWN}, "without-policy": set()}
    with Stubber(machine.module._identity_pools) as pools:
        for _ in range(2):  # until a round detaches nothing
            pools.add_response("list_identities", listed)
        state = machine.run(policy=_OWN, identityPool="eu-west-1:pool")
    assert (state["next"], state["checkpoint"]["detached"]) == ("done", 1)
    assert machine.iot.policies["user"] == set()
