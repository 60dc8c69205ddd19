"""The function that takes a policy off everybody, with an AWS IoT that keeps what is attached to what."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber

from tests.unit.lambdas.conftest import Load, refusal

_OWN, _OLD = "myIoTPolicy", "old"
_MINUTES = 15 * 60_000
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class Iot:
    """Attachments by target; pages of the size that is asked for."""

    exceptions = SimpleNamespace(ResourceNotFoundException=KeyError, InvalidRequestException=ValueError)

    def __init__(self, policies: dict[str, set[str]]) -> None:
        self.policies = policies
        self.refused: dict[str, Exception] = {}

    def list_targets_for_policy(self, *, policyName: str, pageSize: int, marker: str = "") -> Any:  # noqa: N803
        behind = [each for each in sorted(self.policies) if policyName in self.policies[each] and each > marker]
        more = {"nextMarker": behind[pageSize - 1]} if len(behind) > pageSize else {}
        return {"targets": behind[:pageSize], **more}

    def list_attached_policies(self, *, target: str) -> Any:
        return {"policies": [{"policyName": each} for each in self.policies[target]]}

    def attach_policy(self, *, policyName: str, target: str) -> None:  # noqa: N803
        if target in self.refused:
            raise self.refused[target]
        self.policies[target].add(policyName)

    def detach_policy(self, *, policyName: str, target: str) -> None:  # noqa: N803
        if target in self.refused:
            raise self.refused[target]
        self.policies[target].discard(policyName)


class Machine:
    """The state machine, whose waits take no time."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.iot = module._iot = Iot({})
        self.turned_off = 0
        module._switch = SimpleNamespace(turn_off=lambda _ssm: setattr(self, "turned_off", self.turned_off + 1))
        self.now = 1_000_000.0
        module.time = SimpleNamespace(time=lambda: self.now)
        self.waited: list[int] = []

    def run(self, **given: Any) -> dict[str, Any]:
        state: dict[str, Any] = dict(given)
        context = SimpleNamespace(aws_request_id="request", get_remaining_time_in_millis=lambda: _MINUTES)
        while state.get("next") not in {"done", "failed"}:
            state = self.module.handler({"state": state, "execution": "execution", "machine": "machine"}, context)
            if state["next"] == "wait":
                self.waited.append(state["waitSeconds"])
                self.now += state["waitSeconds"]
        return state


@pytest.fixture
def machine(load: Load) -> Machine:
    return Machine(load("detach_all"))


def _targets(count: int, *policies: str) -> dict[str, set[str]]:
    return {f"eu-west-1:{each:03}": set(policies) for each in range(count)}


def test_it_detaches_everybody_page_by_page(machine: Machine) -> None:
    machine.iot.policies = _targets(120, _OWN)
    state = machine.run(policy=_OWN, perSecond=1000)
    assert (state["next"], state["checkpoint"]["detached"]) == ("done", 120)
    assert set(map(len, machine.iot.policies.values())) == {0}
    assert (machine.turned_off, machine.waited) == (0, [])


def test_everybody_has_the_successor_for_ten_minutes_before_the_old_one_goes(machine: Machine) -> None:
    machine.iot.policies = _targets(7, _OLD)
    state = machine.run(policy=_OLD, replace=True)
    assert state["next"] == "done"
    assert list(machine.iot.policies.values()) == [{_OWN}] * 7
    assert machine.waited == [600]


def test_to_detach_all_it_turns_attaching_off_first_and_looks_again(machine: Machine) -> None:
    machine.iot.policies = _targets(3, _OWN)
    assert machine.run(policy=_OWN, pause=True)["next"] == "done"
    assert (machine.turned_off, machine.waited) == (1, [45])


def test_what_aws_refuses_of_one_is_told_and_holds_up_nobody_else(machine: Machine) -> None:
    machine.iot.policies = _targets(5, _OLD)
    machine.iot.refused = {"eu-west-1:002": refusal("LimitExceededException", 410)}
    state = machine.run(policy=_OLD, replace=True)
    assert (state["next"], state["cause"]) == ("failed", "1 x LimitExceededException")
    assert machine.iot.policies.pop("eu-west-1:002") == {_OLD}
    assert list(machine.iot.policies.values()) == [{_OWN}] * 4


def test_what_aws_refuses_of_everybody_ends_it(machine: Machine) -> None:
    machine.iot.policies = _targets(2, _OWN)
    machine.iot.refused = dict.fromkeys(machine.iot.policies, refusal("UnauthorizedException", 401))
    state = machine.run(policy=_OWN)
    assert (state["next"], state["cause"]) == ("failed", "AttachPolicy: UnauthorizedException")


def test_a_policy_cannot_take_its_own_place(machine: Machine) -> None:
    machine.iot.policies = _targets(1, _OWN)
    assert machine.run(policy=_OWN, replace=True)["next"] == "failed"
    assert machine.iot.policies == _targets(1, _OWN)


def test_neither_state_nor_log_tells_whose_identities_they_are(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.iot.policies = _targets(3, _OWN)
    machine.iot.refused = {"eu-west-1:001": refusal("LimitExceededException", 410)}
    state = machine.run(policy=_OWN)
    assert "eu-west-1" not in f"{state}{capsys.readouterr().out}"


def test_identities_of_a_pool_that_have_never_signed_in_are_skipped(load: Load) -> None:
    module = load("detach_all")
    listed = {
        "IdentityPoolId": "eu-west-1:pool",
        "Identities": [
            {"IdentityId": "user", "Logins": ["cognito-idp"], "LastModifiedDate": _ANY_TIME},
            {"IdentityId": "guest", "LastModifiedDate": _ANY_TIME},
            {"IdentityId": "former-guest", "Logins": [], "LastModifiedDate": _ANY_TIME},
        ],
    }
    with Stubber(module._identity_pools) as pools:
        pools.add_response("list_identities", listed)
        page = module.IdentitiesAsTargets(module._identity_pools, "eu-west-1:pool").read(None)
    assert page.targets == ("user",)
