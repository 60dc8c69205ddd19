"""An independent broker in its own process, which can be killed and started again on the same ports."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import ended

HOST = "127.0.0.1"
_READY_SECONDS = 20.0
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True)
class Ports:
    """The ports of a broker: for plain MQTT, and for MQTT over WebSocket."""

    tcp: int
    websocket: int

    @classmethod
    def free(cls, unused_port: Callable[[], int]) -> Ports:
        return cls(unused_port(), unused_port())


@dataclass
class BrokerProcess:
    """A broker on its own loopback ports; :meth:`running` starts it."""

    command: Sequence[str]
    ports: Ports
    log: Path
    tls: bool = False
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @contextmanager
    def running(self) -> Iterator[BrokerProcess]:
        """Start it, and kill it when the block ends."""
        try:
            self.start()
            yield self
        finally:
            self.kill()

    def url(self, host: str = HOST) -> str:
        """Return the URL of the WebSocket."""
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.ports.websocket}/mqtt"

    def start(self) -> None:
        """Start it, and wait until it accepts connections; blocks."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + _READY_SECONDS
        while not all(_accepts_connections(port) for port in (self.ports.tcp, self.ports.websocket)):
            assert self._process.poll() is None, f"{self.command[0]} has ended: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"{self.command[0]} accepts no connections: {self.log.read_text()}"
            time.sleep(_PAUSE_SECONDS)

    def kill(self) -> None:
        """Kill it, and wait for its end."""
        if self._process:
            with ended(self._process):
                self._process.send_signal(signal.SIGKILL)
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again; blocks."""
        self.kill()
        self.start()


def _accepts_connections(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except ConnectionRefusedError:
        return False
    return True
