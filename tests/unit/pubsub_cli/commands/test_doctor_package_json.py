from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pubsub_cli import commands


@pytest.mark.parametrize("contents", [None, "{"])
def test_unreadable_package_json_ends_the_run_before_any_check(
    tmp_path: Path, contents: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "package.json"
    if contents:
        file.write_text(contents)
    monkeypatch.setattr(sys, "argv", ["pubsub", "doctor", "--package-json", str(file)])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith(f"pubsub: --package-json: {file} cannot be read")
    assert told.count("\n") == 1
