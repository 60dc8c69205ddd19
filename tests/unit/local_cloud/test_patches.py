from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import local_cloud.patches
from local_cloud.patches import PATCHES, PatchError, install

DIRECTORY = Path(local_cloud.patches.__file__).parent


def test_patches_lists_every_module() -> None:
    modules = {file.stem for file in DIRECTORY.glob("*.py")} - {"__init__"}
    assert modules == set(PATCHES)


@pytest.mark.parametrize("patch", PATCHES)
def test_patch_links_to_aws_documentation(patch: str) -> None:
    assert "https://docs.aws.amazon.com/" in (DIRECTORY / f"{patch}.py").read_text()


@pytest.mark.parametrize("name", ["_ws_handshake_check", "broker_unsubscribe"])
def test_install_names_patch_that_does_not_fit_ministack(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The second name is used only when a client subscribes."""
    monkeypatch.delattr(f"ministack.services.iot.{name}")
    with pytest.raises(PatchError, match=rf"mqtt does not fit ministack .*{name}"):
        install(without=set(PATCHES) - {"mqtt"})


def test_install_rejects_unknown_patch() -> None:
    with pytest.raises(PatchError, match="no such patch: weather; the patches are iam_policies, "):
        install(without=["weather"])


def test_documentation_lists_patches_in_order() -> None:
    table = (DIRECTORY.parents[1] / "docs" / "reference" / "local-cloud.md").read_text()
    assert tuple(dict.fromkeys(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))) == PATCHES


@pytest.mark.parametrize("name", ["AWSIoTConfigAccess", "AWSIoTDataAccess"])
def test_managed_policy_names_its_source_and_version(name: str) -> None:
    source = json.loads((DIRECTORY.parent / "managed_policies" / f"{name}.json").read_text())["_source"]
    assert source.startswith(f"https://docs.aws.amazon.com/aws-managed-policy/latest/reference/{name}.html, v")
