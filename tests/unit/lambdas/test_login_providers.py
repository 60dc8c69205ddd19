"""In an adopted identity pool, the sweep attaches only users of the providers that it was given."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from bulk.identities import Identity, Page
from bulk.sweeps import Sweep
from tests.unit.lambdas.conftest import Load

_USER_POOL = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool"
_GUEST = Identity("eu-west-1:guest", frozenset(), 0.0)
_USER = Identity("eu-west-1:user", frozenset({_USER_POOL}), 0.0)
_OF_BOTH = Identity("eu-west-1:both", frozenset({"login.example", _USER_POOL}), 0.0)
_OTHER = Identity("eu-west-1:other", frozenset({"login.example"}), 0.0)
_ALL = (_GUEST, _USER, _OF_BOTH, _OTHER)


@pytest.fixture
def sweep(load: Load, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    for name, value in {
        "POLICY_GENERATION": "epoch",
        "FULL_EVERY_DAYS": "30",
        "LOGIN_PROVIDERS": request.param,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RETRY_QUEUE_URL")
    return load("sweep")


@pytest.mark.parametrize(
    ("sweep", "due", "others"),
    [
        (_USER_POOL, [_USER, _OF_BOTH], 1),
        (f"{_USER_POOL},login.example", [_USER, _OF_BOTH, _OTHER], 0),
        ("", [_USER, _OF_BOTH, _OTHER], 0),
    ],
    indirect=["sweep"],
)
def test_users_of_other_providers_are_left_out_and_counted(sweep: Any, due: list[Identity], others: int) -> None:
    going = Sweep(started_at=1.0, of="pool")
    assert [each for each in _ALL if sweep._is_due(each, going)] == due
    outcomes: list[Future[str]] = [Future() for _ in due]
    for each in outcomes:
        each.set_result("attached")
    sweep._take_note(Page(_ALL, None), outcomes, going)
    assert (going.guests, going.other_providers, going.unchanged, going.attached) == (1, others, 0, len(due))


@pytest.mark.parametrize("sweep", [_USER_POOL], indirect=True)
def test_a_sweep_with_other_providers_looks_at_every_identity_again(
    sweep: Any, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGIN_PROVIDERS", f"{_USER_POOL},login.example")
    assert load("sweep")._OF != sweep._OF
