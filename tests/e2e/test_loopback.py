"""`make smoke` in a poisoned environment: nothing is asked, nothing is reached but this machine."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.poisoned import ASKED, CONNECTIONS

_REPOSITORY = Path(__file__).parent.parent.parent


def _may_make_networks() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    probe = ["unshare", "--net", "ip", "link", "add", "out", "type", "veth"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def own_network() -> bool:
    return _may_make_networks()


@pytest.fixture(scope="module")
def smoke(own_network: bool, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """`make smoke`, poisoned, and where that can be made in a network of its own."""
    command = _poisoned(tmp_path_factory.mktemp("poison"), "make", "--no-print-directory", "smoke")
    return _in_own_network(command) if own_network else _sh(command)


def test_a_poisoned_environment_is_left_alone(smoke: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    asks = "import os, urllib.request; urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'])"
    assert _connections(_sh(_poisoned(tmp_path, sys.executable, "-c", asks))) == 1
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    assert ASKED not in smoke.stdout
    assert _connections(smoke) == 0
    *_, last_line = smoke.stdout.partition(CONNECTIONS)[0].splitlines()
    assert re.fullmatch(r"smoke test passed: \d+ checks, sign-in to first message \d+\.\d s", last_line)


def test_not_one_packet_leaves_the_machine(smoke: subprocess.CompletedProcess[str], own_network: bool) -> None:
    """In a network of its own, where a counter stands at the only way out."""
    if not own_network:
        pytest.skip("making a network of one's own needs root, unshare and ip")
    sends_one = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.1', 9))"
    control = _in_own_network(f"{shlex.join([sys.executable, '-c', sends_one])}; sleep 0.1")
    assert _packets_out(control) >= 1, control.stdout + control.stderr
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    assert _packets_out(smoke) == 0


def _poisoned(directory: Path, *command: str) -> str:
    return shlex.join([sys.executable, "-m", "tests.e2e.poisoned", str(directory), *command])


def _in_own_network(command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command and let the last line tell how many packets were sent to the device ``out``."""
    script = (
        "set -e; ip link set lo up; ip link add out type veth peer name away; "
        "for each in out away; do echo 1 > /proc/sys/net/ipv6/conf/$each/disable_ipv6; ip link set $each up; done; "
        "ip addr add 192.0.2.1/24 dev out; ip route add default dev out; "
        f"{command}; awk '/out:/ {{ print $11 }}' /proc/net/dev"
    )
    return _run("unshare", "--net", "sh", "-c", script)


def _sh(command: str) -> subprocess.CompletedProcess[str]:
    return _run("sh", "-c", command)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, check=False)


def _connections(done: subprocess.CompletedProcess[str]) -> int:
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(CONNECTIONS))
    return int(line.removeprefix(CONNECTIONS))


def _packets_out(done: subprocess.CompletedProcess[str]) -> int:
    return int(done.stdout.splitlines()[-1])
