"""The benchmarks of the client and of a deployment run to their ends, in sizes too small to measure anything."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import report
from tests.integration.brokers.broker_process import program_path


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the results to a temporary directory."""
    monkeypatch.setattr(report, "_RESULTS", tmp_path / "results")
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("attachment", "--users 4 --identities 20"), ("client", "--rounds 1 --messages 200 --trips 5")],
)
def test_benchmark_runs_to_its_end(name: str, sizes: str, results: Path) -> None:
    if name == "client":
        program_path("mosquitto")  # skips the test without one
    done = CliRunner().invoke(importlib.import_module(f"benchmarks.{name}").app, sizes.split())
    if not isinstance(done.exception, SystemExit | None):
        raise done.exception
    assert done.exit_code in {0, 1}, done.output  # sizes this small may miss a goal
    assert done.stdout.splitlines()[-1].startswith(f"{name}: ")
    assert json.loads((results / f"{name}.json").read_text())["machine"]
