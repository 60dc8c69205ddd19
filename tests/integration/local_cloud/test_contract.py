"""Each probe succeeds with the patches and fails without them, until ministack behaves like AWS itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local_cloud.patches import PATCHES
from tests.integration.local_cloud.account import Account
from tests.integration.local_cloud.probes import PROBES

Probe = Callable[[Account], bool]

_ALL = [pytest.param(patch, probe, id=probe.__name__) for patch, probes in PROBES.items() for probe in probes]


def test_patches_have_probes() -> None:
    assert tuple(PROBES) == PATCHES


@pytest.mark.parametrize(("patch", "probe"), _ALL)
def test_probe_succeeds_with_patches(patch: str, probe: Probe, account: Account) -> None:
    assert probe(account), patch


@pytest.mark.parametrize(("patch", "probe"), _ALL)
def test_probe_fails_without_patches(patch: str, probe: Probe, bare_account: Account) -> None:
    assert not probe(bare_account), f"remove this part of local_cloud/patches/{patch}.py and its probe"
