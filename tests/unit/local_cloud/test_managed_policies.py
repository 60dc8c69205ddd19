from __future__ import annotations

import json
from pathlib import Path

import pytest

import local_cloud

DIRECTORY = Path(local_cloud.__file__).parent / "managed_policies"


@pytest.mark.parametrize("name", ["AWSIoTConfigAccess", "AWSIoTDataAccess"])
def test_a_document_names_its_source_and_version(name: str) -> None:
    source = json.loads((DIRECTORY / f"{name}.json").read_text())["_source"]
    assert source.startswith(f"https://docs.aws.amazon.com/aws-managed-policy/latest/reference/{name}.html, v")
