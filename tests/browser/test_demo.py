"""`make demo`: the printed address and users, and its web server."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

import pytest

from local_cloud.process import choose_port
from local_cloud.state_directory import StateDirectory
from tests.browser.app import App
from tests.e2e.conftest import Deployment
from tests.processes import ended
from tools.demo import EXAMPLE, PASSWORD, USERS


@pytest.fixture
def outputs_file_kept() -> Iterator[None]:
    """Restore the developer's outputs file after the test."""
    file = EXAMPLE / "amplify_outputs.json"
    before = file.read_bytes() if file.exists() else None
    yield
    if before is None:
        file.unlink(missing_ok=True)
    else:
        file.write_bytes(before)


@contextmanager
def demo(deployment: Deployment) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the demo, and yield it with its output up to the address."""
    StateDirectory(deployment.app.directory).remember(deployment.cloud)
    command = [sys.executable, "-m", "tools", "demo", "--state-dir", str(deployment.app.directory)]
    with ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as running:
        try:
            yield running, "".join(_until_it_runs(cast("IO[str]", running.stdout)))
        finally:
            running.terminate()


def _until_it_runs(output: IO[str]) -> Iterator[str]:
    for line in output:
        yield line
        if line.startswith("the demo runs: "):
            return


def _address(printed: str) -> str:
    return printed.splitlines()[-1].removeprefix("the demo runs: ")


@pytest.mark.usefixtures("outputs_file_kept")
def test_demo_serves_two_users_and_ends_only_its_web_server(app: App, deployment: Deployment) -> None:
    with demo(deployment) as (running, printed):
        address = _address(printed)
        assert PASSWORD in printed
        window = app.window(address)
        window.sign_in(USERS[0], PASSWORD)
        window.expect_connected()
        window.send("hello")
        window.expect_message(USERS[0], "hello")
        app.leave()
        assert deployment.sign_in(USERS[1], PASSWORD)
        running.send_signal(signal.SIGINT)
        assert cast("IO[str]", running.stdout).read() == "\nthe web server has stopped\n"
    assert running.returncode == 0
    assert choose_port(urlsplit(address).port), "the web server still listens"
    assert deployment.cloud.answers()


@pytest.mark.usefixtures("outputs_file_kept")
def test_killed_demo_ends_its_web_server(deployment: Deployment) -> None:
    with demo(deployment) as (running, printed), socket.socket() as browser:
        address = urlsplit(_address(printed))
        browser.settimeout(30)
        browser.connect((str(address.hostname), int(address.port or 0)))
        running.kill()
        assert _ended(browser)


def _ended(browser: socket.socket) -> bool:
    """Return whether the other end has closed or reset the connection."""
    try:
        return browser.recv(1) == b""
    except ConnectionResetError:
        return True


def test_demo_without_a_local_cloud_shows_how_to_start_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools", "demo", "--state-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "tools: no local cloud is running; start one with `up`\n")
