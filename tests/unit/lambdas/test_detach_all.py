"""The bulk detachment, with AWS IoT in memory and a state machine whose waits take no time.

While the policy is replaced, each identity always has an effective policy.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from bulk.detach_state import ATTACHED, CURRENT, DETACHED, DetachBlockedError, DetachState
from tests.unit.lambdas.conftest import Load
from tests.unit.lambdas.fake_aws import AwsError, FakeIot

_OWN, _OLD = "myIoTPolicy", "old"
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class StateMachine:
    """Runs the steps."""

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
        pools.add_response("list_identities", listed)
        pools.add_client_error("list_identities", "ResourceNotFoundException")  # CloudFormation has deleted the pool
        state = machine.run(policy=_OWN, identityPool="eu-west-1:pool")
    assert (state["next"], state["checkpoint"]["detached"]) == ("done", 1)
    assert machine.iot.policies["user"] == set()


_PROPAGATION = 600.0


def _round(state: DetachState, now: float = 0.0, **outcomes: int) -> float | None:
    """Return the seconds until the next round; None after the last."""
    state.record(Counter(outcomes), None)
    continues = state.end_round(now=now, propagation_seconds=_PROPAGATION)
    return state.next_round_at - now if continues else None


def test_round_waits_after_the_replacement_was_attached() -> None:
    state = DetachState(attaching=True)
    assert _round(state, attached=5, current=2) == _PROPAGATION
    assert not state.attaching
    assert _round(state, detached=5, attached=1) == _PROPAGATION
    assert _round(state, detached=1) == 0
    assert _round(state) is None


def test_round_is_repeated_until_paused_functions_cannot_attach() -> None:
    state = DetachState(attaching=False, paused_at=1000.0)
    assert _round(state, 1001.0, detached=2) == 0
    assert _round(state, 1010.0) == 65.0
    assert _round(state, 1075.0, detached=1) == 0
    assert _round(state, 1076.0) is None


def test_round_raises_if_only_refused_targets_remain() -> None:
    state = DetachState(attaching=True)
    assert _round(state, LimitExceededException=2, attached=1) == _PROPAGATION
    assert _round(state, LimitExceededException=2, detached=1) == 0
    with pytest.raises(DetachBlockedError, match="2 x LimitExceededException"):
        _round(state, LimitExceededException=2)


def test_round_raises_if_tokens_are_rejected_too_often() -> None:
    state = DetachState(attaching=False)
    for _ in range(10):
        state.restart_round()
    with pytest.raises(DetachBlockedError, match="rejects its own tokens"):
        state.restart_round()


@given(
    st.lists(st.sets(st.sampled_from((_OLD, _OWN)), min_size=1), max_size=6),
    st.lists(st.integers(0, 5), max_size=60),
)
def test_identities_always_have_an_effective_policy(identities: list[set[str]], sign_ins: list[int]) -> None:
    """Identities have one policy or both; a sign-in attaches the new one between any two calls."""
    attached = {each: dict.fromkeys(policies, float("-inf")) for each, policies in enumerate(identities)}
    now, state = 0.0, DetachState(attaching=True)
    sequence = iter(sign_ins)
    for _ in range(20):
        for each in [one for one, policies in attached.items() if _OLD in policies]:
            if (signs_in := next(sequence, None)) in attached:
                attached[signs_in].setdefault(_OWN, now)
            state.record({_process(attached[each], now, state.attaching): 1}, None)
            for policies in attached.values():
                assert any(since <= now - _PROPAGATION for since in policies.values()), "no effective policy"
            now += 1
        if not state.end_round(now=now, propagation_seconds=_PROPAGATION):
            break
        now = state.next_round_at
    assert not any(_OLD in policies for policies in attached.values())


def _process(policies: dict[str, float], now: float, attaching: bool) -> str:
    if _OWN not in policies:
        policies[_OWN] = now
        return ATTACHED
    if attaching:
        return CURRENT
    del policies[_OLD]
    return DETACHED


def test_checkpoint_of_another_version_is_read() -> None:
    checkpoint = {**DetachState(attaching=True, found=3).to_checkpoint(), "unknown": 1}
    del checkpoint["restarts"]
    assert DetachState.from_checkpoint(checkpoint) == DetachState(attaching=True, found=3)
