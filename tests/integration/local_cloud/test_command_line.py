from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from local_cloud.__main__ import main
from local_cloud.faults import Fail, Fault, Hang, Throttle
from local_cloud.process import LocalCloud, choose_port
from local_cloud.state_directory import StateDirectory
from tests.integration.local_cloud.account import wait_until
from tests.processes import ended

REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True)
class Finished:
    """The result of a command."""

    returncode: int
    stdout: str
    stderr: str


class CommandLine:
    """``python -m local_cloud`` in the test's own process, with its own state directory."""

    def __init__(self, state: StateDirectory) -> None:
        self.state = state

    def arguments(self, *arguments: str) -> list[str]:
        """Return the command for a process of its own."""
        return [sys.executable, "-m", "local_cloud", *arguments, "--state-dir", str(self.state.directory)]

    def __call__(self, *arguments: str) -> Finished:
        code, out, err = 0, io.StringIO(), io.StringIO()
        typed = ["local_cloud", *self.arguments(*arguments)[3:]]
        with patch.object(sys, "argv", typed), redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Finished(code, out.getvalue(), err.getvalue())


@pytest.fixture
def local_cloud(tmp_path: Path) -> CommandLine:
    return CommandLine(StateDirectory(tmp_path / "state"))


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
    assert (again.returncode, again.stdout) == (0, f"No local cloud of {local_cloud.state.directory} is running.\n")


def test_concurrent_up_finds_the_cloud_of_the_first(local_cloud: CommandLine, cloud: LocalCloud) -> None:
    with ThreadPoolExecutor() as threads:
        with local_cloud.state.lock():  # as the first `up` does while its cloud starts
            second = threads.submit(local_cloud, "up")
            time.sleep(0.2)
            assert not second.done()
            local_cloud.state.remember(cloud)
        up = second.result()
    assert (up.returncode, up.stderr) == (0, "")
    assert f"is already running: {cloud.endpoint_url}" in up.stdout


def test_up_in_another_region_than_the_running_cloud_is_rejected(local_cloud: CommandLine, cloud: LocalCloud) -> None:
    local_cloud.state.remember(cloud)
    _assert_one_line_error(
        local_cloud("up", "--region", "eu-west-1"),
        f"is already running on port {cloud.port} in us-east-1; stop it with `down` first",
    )


@pytest.mark.parametrize("region", ["", "a b", "nowhere"])
def test_invalid_region_exits_with_2(local_cloud: CommandLine, region: str) -> None:
    _assert_one_line_error(local_cloud("up", "--region", region), f"region: {region!r} given; allowed: ")


def test_port_in_use_exits_with_2(local_cloud: CommandLine, cloud: LocalCloud) -> None:
    _assert_one_line_error(local_cloud("up", "--port", str(cloud.port)), f"port {cloud.port} is in use")


def test_invalid_state_directory_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _assert_one_line_error(CommandLine(StateDirectory(tmp_path / "file"))("up"), "File exists")


def _assert_one_line_error(finished: Finished, message: str) -> None:
    assert (finished.returncode, len(finished.stderr.splitlines())) == (2, 1)
    assert message in finished.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL], ids=lambda each: each.name)
def test_interrupted_up_leaves_no_cloud_behind(local_cloud: CommandLine, sent: signal.Signals) -> None:
    with _starting(local_cloud) as (up, server):
        up.send_signal(sent)
        assert up.wait(timeout=20) != 0
    _wait_until_ended(server)


@contextmanager
def _starting(local_cloud: CommandLine) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `up` until it has started its server, and yield it with the server's process id."""
    command = local_cloud.arguments("up")
    started = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with ended(started) as up:
        deadline = time.monotonic() + 20
        while not (children := _children(up.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        (server,) = children
        yield up, server


def _wait_until_ended(pid: str) -> None:
    """Wait for a process; an ended process that nothing has waited for has no command line."""
    command_line = Path(f"/proc/{pid}/cmdline")
    wait_until(lambda: not command_line.exists() or not command_line.read_bytes(), seconds=20)


def _children(pid: int) -> list[str]:
    file = Path(f"/proc/{pid}/task/{pid}/children")
    if not file.exists():
        pytest.skip("needs /proc to find a child process")
    return file.read_text().split()


def test_cloud_that_ended_without_down_is_not_running(local_cloud: CommandLine) -> None:
    local_cloud.state.remember(LocalCloud(port=choose_port(None), pid=os.getpid()))
    assert local_cloud("status").returncode == 1
    assert local_cloud.state.running() is None  # so `up` starts another


def test_down_does_not_end_another_process_with_the_stored_id(local_cloud: CommandLine, cloud: LocalCloud) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other_process:
        local_cloud.state.remember(cloud)
        saved = {"port": cloud.port, "pid": other_process.pid, "region": cloud.region}
        (local_cloud.state.directory / "cloud.json").write_text(json.dumps(saved))
        assert local_cloud("down").stdout == f"No local cloud of {local_cloud.state.directory} is running.\n"
        assert other_process.poll() is None
        assert cloud.answers()
        other_process.communicate(b"\n")


@pytest.fixture
def faults(cloud: LocalCloud, local_cloud: CommandLine) -> Iterator[CommandLine]:
    """The command line for the shared cloud, which has no faults before and after the test."""
    cloud.clear_faults()
    local_cloud.state.remember(cloud)
    yield local_cloud
    cloud.clear_faults()


def test_fault_commands_set_list_and_clear(cloud: LocalCloud, faults: CommandLine) -> None:
    set_error = faults("fault", "set", "iot:AttachPolicy", "--error", "UnauthorizedException", "--status", "401")
    assert (set_error.returncode, set_error.stderr) == (0, "")
    faults("fault", "set", "kms:Sign", "kms:Verify", "--rate", "2.5", "--times", "3")
    faults("fault", "set", "iot:AttachPolicy", "--hang")
    assert [each.fault for each in cloud.faults()] == [
        Fault(("iot:AttachPolicy",), Fail("UnauthorizedException", 401)),
        Fault(("kms:Sign", "kms:Verify"), Throttle(2.5), times=3),
        Fault(("iot:AttachPolicy",), Hang()),
    ]
    assert faults("fault", "list").stdout.splitlines() == [
        "iot:AttachPolicy  fails with UnauthorizedException, status 401  (hits: 0)",
        "kms:Sign kms:Verify  throttled above 2.5 calls per second, for 3 calls  (hits: 0)",
        "iot:AttachPolicy  hangs  (hits: 0)",
    ]
    assert faults("fault", "clear", "iot:AttachPolicy").returncode == 0
    assert len(cloud.faults()) == 1
    faults("fault", "clear")
    assert faults("fault", "list").stdout == "no faults\n"


def test_clear_resets_delays_and_lifetimes(cloud: LocalCloud, faults: CommandLine) -> None:
    cloud.policy_propagation_seconds, cloud.permission_propagation_seconds = 30, 30
    cloud.credentials_lifetime_seconds = cloud.trigger_timeout_seconds = 30
    faults("fault", "clear")
    assert (cloud.policy_propagation_seconds, cloud.permission_propagation_seconds) == (0, 0)
    assert (cloud.credentials_lifetime_seconds, cloud.trigger_timeout_seconds) == (3600, 5)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["set", "iot:AttachPolicy", "--rate", "0"], "rate: 0.0 given; allowed: a number of calls per second above 0"),
        (["set", "iot:AttachPolicy", "--delay", "1", "--status", "500"], "--status requires --error"),
    ],
)
def test_fault_set_rejects_invalid_options(
    cloud: LocalCloud, faults: CommandLine, arguments: list[str], error: str
) -> None:
    result = faults("fault", *arguments)
    assert (result.returncode, result.stderr, result.stdout) == (2, f"local_cloud: {error}\n", "")
    assert cloud.faults() == []


def test_fault_list_without_cloud_exits_with_2(local_cloud: CommandLine) -> None:
    result = local_cloud("fault", "list")
    assert (result.returncode, result.stderr) == (2, "local_cloud: no local cloud is running; start one with `up`\n")
