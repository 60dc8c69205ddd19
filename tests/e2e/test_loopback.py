"""`make smoke` in an environment that points to AWS: it uses no credentials, and connects only to this machine.

This module is also a program. ``python -m tests.e2e.test_loopback DIRECTORY COMMAND ...`` runs a command in that
environment. The program itself can run in a network namespace.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[2]
_CREDENTIALS_USED = "credential_process was run"
_CONNECTIONS = "connections to the recorder: "


@pytest.fixture(scope="module")
def own_network() -> bool:
    """Whether this process is allowed to create network namespaces."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    probe = ["unshare", "--net", "ip", "link", "add", "out", "type", "veth"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def smoke(own_network: bool, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """`make smoke` in that environment, and in a network namespace if possible."""
    command = _with_aws(tmp_path_factory.mktemp("aws"), "make", "--no-print-directory", "smoke")
    return _in_own_network(command) if own_network else _sh(command)


def test_smoke_ignores_the_aws_configuration(smoke: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    connect = "import os, urllib.request; urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'])"
    assert _connections(_sh(_with_aws(tmp_path, sys.executable, "-c", connect))) == 1
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    assert _CREDENTIALS_USED not in smoke.stdout
    assert _connections(smoke) == 0
    *_, last_line = smoke.stdout.partition(_CONNECTIONS)[0].splitlines()
    assert re.fullmatch(r"smoke test passed: \d+ checks, sign-in to first message \d+\.\d s", last_line)


def test_smoke_sends_no_packet_to_a_network(smoke: subprocess.CompletedProcess[str], own_network: bool) -> None:
    if not own_network:
        pytest.skip("network namespaces need root, unshare and ip")
    send = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.1', 9))"
    control = _in_own_network(f"{shlex.join([sys.executable, '-c', send])}; sleep 0.1")
    assert _packets_out(control) >= 1, control.stdout + control.stderr
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    assert _packets_out(smoke) == 0


def _with_aws(directory: Path, *command: str) -> str:
    return shlex.join([sys.executable, "-m", "tests.e2e.test_loopback", str(directory), *command])


def _in_own_network(command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command; the last line of the output is the number of packets sent to the device ``out``."""
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
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(_CONNECTIONS))
    return int(line.removeprefix(_CONNECTIONS))


def _packets_out(done: subprocess.CompletedProcess[str]) -> int:
    return int(done.stdout.splitlines()[-1])


class _Recorder:
    """A loopback server that counts connections."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._server.accept()
            self.connections += 1
            connection.close()


def _environment(address: str, directory: Path) -> dict[str, str]:
    """Return an environment in which every AWS setting points to an address, or creates a file in a directory."""
    config = directory / "config"
    config.write_text(
        "[default]\nregion = eu-west-1\n"
        f"[profile production]\nregion = eu-west-1\ncredential_process = touch {directory}/used\n"
        f"endpoint_url = {address}\n"
    )
    return {
        **os.environ,
        "AWS_PROFILE": "production",
        "AWS_CONFIG_FILE": str(config),
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": address,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{address}/credentials",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": address,
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/production",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(config),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), address),
        "CDK_DEFAULT_ACCOUNT": "123456789012",
        "CDK_DEFAULT_REGION": "eu-west-1",
    }


def main() -> int:
    """Run the command and return its exit code."""
    directory, command = Path(sys.argv[1]), sys.argv[2:]
    recorder = _Recorder()
    done = subprocess.run(command, env=_environment(recorder.address, directory), check=False)
    if (directory / "used").exists():
        print(_CREDENTIALS_USED)
    print(f"{_CONNECTIONS}{recorder.connections}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
