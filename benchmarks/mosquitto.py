"""A mosquitto of the benchmark's own, on loopback: https://mosquitto.org/man/mosquitto-conf-5.html."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

HOST = "127.0.0.1"
# Where Debian and Homebrew install it, which is not on everybody's path.
_PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))
_READY_SECONDS = 20.0
_POLL_SECONDS = 0.01


@contextmanager
def mosquitto(in_flight: int, log: Path) -> Iterator[int]:
    """Run a broker that lets each client have so many messages unacknowledged; yield the port of its WebSocket."""
    program = shutil.which("mosquitto", path=_PATH)
    if program is None:
        raise SystemExit("no mosquitto: install it (Debian: apt-get install mosquitto)")
    tcp, websocket = _free_ports(2)
    with TemporaryDirectory() as directory:
        configuration = Path(directory) / "mosquitto.conf"
        configuration.write_text(
            # Started by root, it would become a user who may not read its files. By IPv6 its WebSocket listener would
            # take every address, and without one for plain MQTT it does not start.
            "user root\npersistence false\nallow_anonymous true\n"
            f"max_inflight_messages {in_flight}\n"
            f"listener {tcp} {HOST}\nlistener {websocket} {HOST}\nprotocol websockets\nsocket_domain ipv4\n"
        )
        command = [program, "-c", str(configuration)]
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                _wait_for(process, websocket, log)
                yield websocket
            finally:
                process.terminate()


def _free_ports(number: int) -> list[int]:
    with ExitStack() as open_at_a_time:
        sockets = [open_at_a_time.enter_context(socket.create_server((HOST, 0))) for _ in range(number)]
        return [each.getsockname()[1] for each in sockets]


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            socket.create_connection((HOST, port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"mosquitto does not start: {log.read_text()}") from None
            time.sleep(_POLL_SECONDS)
        else:
            return
