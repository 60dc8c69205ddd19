from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import local_cloud.patches
from local_cloud.patches import BEHAVIOURS, BehaviourError, install

DIRECTORY = Path(local_cloud.patches.__file__).parent


def test_every_module_is_installed() -> None:
    modules = {file.stem for file in DIRECTORY.glob("*.py")} - {"__init__"}
    assert modules == set(BEHAVIOURS)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_behaviour_names_its_source(behaviour: str) -> None:
    docstring = ast.get_docstring(ast.parse((DIRECTORY / f"{behaviour}.py").read_text()))
    assert docstring is not None
    assert "https://docs.aws.amazon.com/" in docstring


def test_a_behaviour_that_does_not_fit_ministack_is_named_with_what_it_misses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("ministack.services.iot._ws_handshake_check")
    others = set(BEHAVIOURS) - {"signed_upgrade"}
    with pytest.raises(BehaviourError, match=r"signed_upgrade does not fit ministack .*_ws_handshake_check"):
        install(without=others)


def test_an_unknown_behaviour_is_refused() -> None:
    with pytest.raises(BehaviourError, match="no such behaviour: weather; there are https, "):
        install(without=["weather"])


def test_the_documentation_lists_them_in_order() -> None:
    table = (DIRECTORY.parents[1] / "docs" / "local-cloud.md").read_text()
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == BEHAVIOURS
