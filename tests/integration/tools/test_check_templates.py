"""The gate over synthesized templates fails on what CloudFormation would refuse, and on what cfn-lint only warns of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.check_templates import lint

_QUEUE = {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}


@pytest.mark.parametrize(
    ("template", "check"),
    [
        ({"Resources": {"Queue": _QUEUE | {"Properties": {"DelaySeconds": "soon"}}}}, "E3012"),
        ({"Resources": {"Queue": _QUEUE}, "Parameters": {"Unused": {"Type": "String"}}}, "W2001"),
    ],
)
def test_errors_and_warnings_fail(
    template: dict[str, Any], check: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "template.json"
    path.write_text(json.dumps(template))
    assert lint([path]) != 0
    assert check in capfd.readouterr().out
