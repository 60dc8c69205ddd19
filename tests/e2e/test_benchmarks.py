"""Every benchmark of a deployment and of the client runs to its end, in sizes too small to measure anything."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import report
from tests.integration.brokers.mosquitto import program_path


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what the benchmarks write out of the repository."""
    monkeypatch.setattr(report, "_RESULTS", tmp_path / "results")
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("name", "sizes", "last_line"),
    [
        ("sign_in", "--cold-imports 1 --repeats 1 --firsts 1 --cold-firsts 1", "naive / ours: cold import "),
        ("storm", "--users 4 --rate 3 --threads 2", "storm "),
        ("sweep", "--case 20@10", "sweep "),
        ("client", "--rounds 1 --messages 200 --trips 5", "client "),
    ],
)
def test_benchmark_runs_to_its_end(name: str, sizes: str, last_line: str, results: Path) -> None:
    if name == "client":
        program_path("mosquitto")  # skips the test without one
    done = CliRunner().invoke(importlib.import_module(f"benchmarks.{name}").app, sizes.split())
    if not isinstance(done.exception, SystemExit | None):
        raise done.exception
    assert done.exit_code in {0, 1}, done.output  # sizes this small may miss a bound or goal
    assert done.stdout.splitlines()[-1].startswith(last_line)
    assert json.loads((results / f"{name.replace('_', '-')}.json").read_text())["machine"]
