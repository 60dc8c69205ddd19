from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_cloud.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_cloud.process import LocalCloud

REPOSITORY = Path(__file__).parents[3]


class CommandLine:
    """``python -m local_cloud`` with a state directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.state = State(directory)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "local_cloud", *arguments, "--state-dir", str(self.state.directory)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def local_cloud(tmp_path: Path) -> Iterator[CommandLine]:
    command_line = CommandLine(tmp_path / "state")
    yield command_line
    command_line("down")


def test_up_status_and_down(local_cloud: CommandLine) -> None:
    assert local_cloud("status").returncode == 1
    up = local_cloud("up", "--region", "eu-west-1")
    assert (up.returncode, up.stderr) == (0, "")
    cloud = local_cloud.state.running()
    assert cloud is not None
    assert cloud.endpoint_url in up.stdout
    assert cloud.endpoint_url in local_cloud("status").stdout
    assert local_cloud("down").returncode == 0
    assert not cloud.answers()
    assert list(local_cloud.state.directory.iterdir()) == []
    again = local_cloud("down")
    assert (again.returncode, again.stdout) == (0, "no embedded cloud runs\n")


def test_up_leaves_a_shell_what_it_needs(local_cloud: CommandLine) -> None:
    local_cloud("up")
    cloud = local_cloud.state.running()
    assert cloud is not None
    assert (local_cloud.state.directory / "env").read_text().splitlines() == [
        f"export AWS_ENDPOINT_URL={cloud.endpoint_url}",
        "export AWS_REGION=us-east-1",
        "export AWS_DEFAULT_REGION=us-east-1",
        "export AWS_ACCESS_KEY_ID=test",
        "export AWS_SECRET_ACCESS_KEY=test",
    ]


def test_up_twice_starts_one(local_cloud: CommandLine) -> None:
    local_cloud("up")
    first = local_cloud.state.running()
    again = local_cloud("up")
    assert again.returncode == 0
    assert "runs already" in again.stdout
    assert local_cloud.state.running() == first


def test_up_on_a_taken_port_is_one_line_and_exit_code_2(local_cloud: CommandLine, cloud: LocalCloud) -> None:
    up = local_cloud("up", "--port", str(cloud.port))
    assert up.returncode == 2
    assert up.stderr.count("\n") == 1
    assert f"port {cloud.port} is taken" in up.stderr


def test_up_recovers_when_the_cloud_has_ended_without_it(local_cloud: CommandLine) -> None:
    local_cloud("up")
    ended = local_cloud.state.running()
    assert ended is not None
    ended.end()
    assert local_cloud("status").returncode == 1
    assert local_cloud("up").returncode == 0
    assert local_cloud.state.running() is not None


def test_down_leaves_a_process_alone_that_has_taken_over_the_id(local_cloud: CommandLine, cloud: LocalCloud) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        local_cloud.state.remember(cloud)
        saved = {"port": cloud.port, "pid": stranger.pid, "region": cloud.region}
        (local_cloud.state.directory / "cloud.json").write_text(json.dumps(saved))
        assert local_cloud("down").stdout == "no embedded cloud runs\n"
        assert stranger.poll() is None
        assert cloud.answers()
        stranger.communicate(b"\n")
