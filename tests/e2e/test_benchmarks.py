"""Every benchmark of a deployment and of the client runs to its end, in sizes too small to measure anything."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks import report, sign_in, storm, sweep, trigger
from local_cloud.process import LocalCloud
from tests.e2e.stack_app import StackApp


class _StackApp(StackApp):
    """What the benchmarks use of :class:`local_cloud.cdk_app.CdkApp`, without the CDK CLI."""

    def __init__(
        self,
        cloud: LocalCloud,
        directory: Path,
        context: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(cloud, directory, settings, (context or {}).get("environment"))

    def bootstrap(self) -> None:
        """Do nothing: without the CLI a deployment needs no staging resources."""

    def synth(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        super().synth()


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what the benchmarks write away from the repository, and deploy without the CDK CLI."""
    monkeypatch.setattr(report, "_RESULTS", tmp_path / "results")
    for module in (sign_in, storm, sweep, trigger):
        monkeypatch.setattr(module, "CdkApp", _StackApp)
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
def test_a_benchmark_runs_to_its_end(name: str, sizes: str, last_line: str, results: Path) -> None:
    done = CliRunner().invoke(importlib.import_module(f"benchmarks.{name}").app, sizes.split())
    if not isinstance(done.exception, SystemExit | None):
        raise done.exception
    assert done.exit_code in {0, 1}, done.output  # sizes this small may miss a bound or goal
    assert done.stdout.splitlines()[-1].startswith(last_line)
    assert json.loads((results / f"{name.replace('_', '-')}.json").read_text())["machine"]
