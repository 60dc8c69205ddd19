from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_cloud.process import LocalCloud, choose_port
from local_cloud.state import State
from tests.integration.local_cloud.command_line import REPOSITORY, CommandLine, Finished
from tests.processes import ended


@pytest.fixture
def local_cloud(tmp_path: Path) -> CommandLine:
    return CommandLine(State(tmp_path / "state"))


def test_cloud_of_up_outlives_it_until_down(local_cloud: CommandLine) -> None:
    assert local_cloud("status").returncode == 1
    command = local_cloud.arguments("up", "--region", "eu-west-1")
    up = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)
    assert (up.returncode, up.stderr) == (0, "")
    cloud = local_cloud.state.running()
    assert cloud is not None
    try:
        assert cloud.endpoint_url in up.stdout
        assert cloud.endpoint_url in local_cloud("status").stdout
        assert (local_cloud.state.directory / "env").read_text().splitlines() == [
            f"export AWS_ENDPOINT_URL={cloud.endpoint_url}",
            "export AWS_REGION=eu-west-1",
            "export AWS_DEFAULT_REGION=eu-west-1",
            "export AWS_ACCESS_KEY_ID=test",
            "export AWS_SECRET_ACCESS_KEY=test",
        ]
    finally:
        down = local_cloud("down")
    assert down.returncode == 0
    assert not cloud.answers()
    assert list(local_cloud.state.directory.iterdir()) == []
    again = local_cloud("down")
    assert (again.returncode, again.stdout) == (0, "no local cloud runs\n")


def test_up_beside_another_up_finds_its_cloud(local_cloud: CommandLine, cloud: LocalCloud) -> None:
    with ThreadPoolExecutor() as threads:
        with local_cloud.state.lock():  # as the first one holds it while its cloud starts
            second = threads.submit(local_cloud, "up")
            time.sleep(0.2)
            assert not second.done()
            local_cloud.state.remember(cloud)
        up = second.result()
    assert (up.returncode, up.stderr) == (0, "")
    assert f"runs already: {cloud.endpoint_url}" in up.stdout


def test_up_in_another_region_than_the_running_cloud_is_refused(local_cloud: CommandLine, cloud: LocalCloud) -> None:
    local_cloud.state.remember(cloud)
    _is_refused(local_cloud("up", "--region", "eu-west-1"), "in us-east-1 already: end it with `down` first")


@pytest.mark.parametrize("region", ["", "a b", "nowhere"])
def test_unknown_region_is_one_line_and_exit_code_2(local_cloud: CommandLine, region: str) -> None:
    _is_refused(local_cloud("up", "--region", region), f"region {region!r}: allowed is")


def test_taken_port_is_one_line_and_exit_code_2(local_cloud: CommandLine, cloud: LocalCloud) -> None:
    _is_refused(local_cloud("up", "--port", str(cloud.port)), f"port {cloud.port} is taken")


def test_impossible_state_directory_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _is_refused(CommandLine(State(tmp_path / "file"))("up"), "File exists")


def _is_refused(finished: Finished, told: str) -> None:
    assert (finished.returncode, len(finished.stderr.splitlines())) == (2, 1)
    assert told in finished.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL], ids=lambda each: each.name)
def test_interrupted_up_leaves_no_cloud_behind(local_cloud: CommandLine, sent: signal.Signals) -> None:
    with _starting(local_cloud) as (up, server):
        up.send_signal(sent)
        assert up.wait(timeout=20) != 0
    _wait_until_ended(server)


@contextmanager
def _starting(local_cloud: CommandLine) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `up` and yield it when it has started its server, with the server's id."""
    command = local_cloud.arguments("up")
    started = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with ended(started) as up:
        deadline = time.monotonic() + 20
        while not (children := _children(up.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        (server,) = children
        yield up, server


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


def test_cloud_that_has_ended_without_down_does_not_run(local_cloud: CommandLine) -> None:
    local_cloud.state.remember(LocalCloud(port=choose_port(None), pid=os.getpid()))
    assert local_cloud("status").returncode == 1
    assert local_cloud.state.running() is None  # so `up` starts another


def test_down_leaves_a_process_alone_that_has_taken_over_the_id(local_cloud: CommandLine, cloud: LocalCloud) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        local_cloud.state.remember(cloud)
        saved = {"port": cloud.port, "pid": stranger.pid, "region": cloud.region}
        (local_cloud.state.directory / "cloud.json").write_text(json.dumps(saved))
        assert local_cloud("down").stdout == "no local cloud runs\n"
        assert stranger.poll() is None
        assert cloud.answers()
        stranger.communicate(b"\n")
