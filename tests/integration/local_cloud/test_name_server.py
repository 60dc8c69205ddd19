"""The name server that never answers hangs a program as on AWS: within the C library, where no signal ends it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from local_cloud.name_server import NameServer
from tests.integration.local_cloud.state_machine import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks by the GNU C library")

_LOOK_UP = "import socket; print(socket.getaddrinfo('aws.test', 80, type=socket.SOCK_STREAM)[0][4][0])"
_LOOK_UP_WITH_AN_ALARM = f"""
import signal
def interrupt(*_):
    print("interrupted", flush=True)
    raise TimeoutError
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.2)
{_LOOK_UP}
"""


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


def _python(name_server: NameServer, source: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", source], env=name_server.variables(), stdout=subprocess.PIPE, text=True
    )


def test_name_server_answers_with_this_machine(name_server: NameServer) -> None:
    with _python(name_server, _LOOK_UP) as process:
        assert process.communicate(timeout=20)[0] == "127.0.0.1\n"
    assert "aws.test" in name_server.queries


def test_silent_name_server_hangs_a_program_in_spite_of_signals(name_server: NameServer) -> None:
    name_server.silent = True
    with _python(name_server, _LOOK_UP_WITH_AN_ALARM) as process:
        try:
            wait_until(lambda: "aws.test" in name_server.queries)
            with pytest.raises(subprocess.TimeoutExpired) as hanging:
                process.communicate(timeout=1)  # several times what the alarm takes
            assert hanging.value.stdout is None
        finally:
            process.kill()


def test_address_needs_no_name_server(name_server: NameServer) -> None:
    name_server.silent = True
    with _python(name_server, _LOOK_UP.replace("aws.test", "127.0.0.1")) as process:
        assert process.communicate(timeout=20)[0] == "127.0.0.1\n"
    assert name_server.queries == []
