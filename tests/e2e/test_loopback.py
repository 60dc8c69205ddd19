"""`make smoke` in a poisoned environment: nothing is asked, nothing is reached but this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_REPOSITORY = Path(__file__).parent.parent.parent


class Recorder:
    """A loopback server that counts who connects; nobody may."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                connection.close()
        except OSError:
            return


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    started = Recorder()
    yield started
    started.close()


@pytest.fixture
def poisoned(recorder: Recorder, tmp_path: Path) -> dict[str, str]:
    """An environment in which AWS is set up, with every way there leading to the recorder or to a trace in a file."""
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = eu-west-1\n"
        f"[profile production]\nregion = eu-west-1\ncredential_process = touch {tmp_path}/asked\n"
        f"endpoint_url = {recorder.address}\n"
    )
    return {
        **os.environ,
        "AWS_PROFILE": "production",
        "AWS_CONFIG_FILE": str(config),
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": recorder.address,
        "AWS_ENDPOINT_URL_S3": recorder.address,
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": recorder.address,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{recorder.address}/credentials",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": recorder.address,
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/production",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(config),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), recorder.address),
        "CDK_DEFAULT_ACCOUNT": "123456789012",
        "CDK_DEFAULT_REGION": "eu-west-1",
    }


def test_a_poisoned_environment_is_left_alone(poisoned: dict[str, str], recorder: Recorder, tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "smoke"],  # noqa: S607
        cwd=_REPOSITORY, env=poisoned, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("smoke test passed: 18 checks, sign-in to first message ")
    assert recorder.connections == 0
    assert not (tmp_path / "asked").exists()


def test_not_one_packet_leaves_the_machine(poisoned: dict[str, str]) -> None:
    """In a network of its own, where a counter stands at the only way out."""
    sends_one = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.1', 9))"
    control = _in_own_network(f'{sys.executable} -c "{sends_one}"; sleep 0.1', poisoned)
    assert _packets_out(control) >= 1, control.stdout + control.stderr
    done = _in_own_network("make --no-print-directory smoke", poisoned)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "smoke test passed: 18 checks" in done.stdout
    assert _packets_out(done) == 0


def _in_own_network(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a shell command and let the last line tell how many packets were sent to the device ``out``."""
    if not _may_make_networks():
        pytest.skip("making a network of one's own needs root, unshare and ip")
    script = (
        "set -e; ip link set lo up; ip link add out type veth peer name away; "
        "for each in out away; do echo 1 > /proc/sys/net/ipv6/conf/$each/disable_ipv6; ip link set $each up; done; "
        "ip addr add 192.0.2.1/24 dev out; ip route add default dev out; "
        f"{command}; awk '/out:/ {{ print $11 }}' /proc/net/dev"
    )
    return subprocess.run(
        ["unshare", "--net", "sh", "-c", script],  # noqa: S607
        cwd=_REPOSITORY, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _may_make_networks() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    probe = ["unshare", "--net", "ip", "link", "add", "out", "type", "veth"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _packets_out(done: subprocess.CompletedProcess[str]) -> int:
    return int(done.stdout.splitlines()[-1])
