from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_cloud.state import State
from tests.integration.local_cloud.command_line import REPOSITORY, CommandLine
from tests.processes import ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_cloud.process import LocalCloud


@pytest.fixture
def local_cloud(tmp_path: Path) -> Iterator[CommandLine]:
    command_line = CommandLine(State(tmp_path / "state"))
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


def test_two_at_once_start_one(local_cloud: CommandLine) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: local_cloud("up"), range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    cloud = local_cloud.state.running()
    assert cloud is not None
    assert all(cloud.endpoint_url in each.stdout for each in (first, second))


def test_up_in_another_region_than_the_one_that_runs_is_refused(local_cloud: CommandLine) -> None:
    local_cloud("up")
    up = local_cloud("up", "--region", "eu-west-1")
    assert up.returncode == 2
    assert "in us-east-1 already: end it with `down` first" in up.stderr


@pytest.mark.parametrize("region", ["", "a b", "nowhere"])
def test_what_is_no_region_is_one_line_and_exit_code_2(local_cloud: CommandLine, region: str) -> None:
    up = local_cloud("up", "--region", region)
    assert (up.returncode, len(up.stderr.splitlines())) == (2, 1)


def test_a_state_directory_that_cannot_be_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    up = CommandLine(State(tmp_path / "file"))("up")
    assert (up.returncode, len(up.stderr.splitlines())) == (2, 1)


def test_interrupted_up_leaves_no_cloud_behind(local_cloud: CommandLine) -> None:
    command = [sys.executable, "-m", "local_cloud", "up", "--state-dir", str(local_cloud.state.directory)]
    started = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with ended(started) as up:
        log = local_cloud.state.log_file
        deadline = time.monotonic() + 20
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        (server,) = _children(up.pid)
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=20) != 0
    _wait_until_ended(server)


def test_killed_up_leaves_no_cloud_behind(local_cloud: CommandLine) -> None:
    command = [sys.executable, "-m", "local_cloud", "up", "--state-dir", str(local_cloud.state.directory)]
    started = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with ended(started) as up:
        deadline = time.monotonic() + 20
        while not (children := _children(up.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        (server,) = children
        up.kill()
    _wait_until_ended(server)


def _wait_until_ended(pid: str) -> None:
    """Wait for a process; one that has ended and that nobody has asked about yet has no command line."""
    command_line = Path(f"/proc/{pid}/cmdline")
    deadline = time.monotonic() + 20
    while command_line.exists() and command_line.read_bytes():
        assert time.monotonic() < deadline, "the cloud goes on"
        time.sleep(0.05)


def _children(pid: int) -> list[str]:
    file = Path(f"/proc/{pid}/task/{pid}/children")
    if not file.exists():
        pytest.skip("needs /proc to find a child process")
    return file.read_text().split()


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
