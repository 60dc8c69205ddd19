"""Each behaviour is there on our cloud and not in ministack alone; a new ministack that has it fails here."""

from __future__ import annotations

import pytest

from local_cloud.patches import BEHAVIOURS
from tests.integration.local_cloud.account import Account
from tests.integration.local_cloud.probes import PROBES


def test_behaviours_have_one_probe_each() -> None:
    assert PROBES.keys() == set(BEHAVIOURS)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_probe_succeeds_with_every_behaviour(behaviour: str, account: Account) -> None:
    assert PROBES[behaviour](account)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_probe_fails_on_ministack_alone(behaviour: str, bare_account: Account) -> None:
    assert not PROBES[behaviour](bare_account), (
        f"ministack now does this itself: delete local_cloud/patches/{behaviour}.py and its probe"
    )
