"""A broker that nobody here wrote, in a process of its own; it can be killed and started again where it was."""

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
    """Where a broker listens: for plain MQTT, and for MQTT over WebSocket."""

    tcp: int
    websocket: int

    @classmethod
    def free(cls, unused_port: Callable[[], int]) -> Ports:
        return cls(unused_port(), unused_port())


@dataclass
class BrokerProcess:
    """A broker on loopback ports of its own; :meth:`running` starts it."""

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
        """Return the address to open a WebSocket at."""
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.ports.websocket}/mqtt"

    def start(self) -> None:
        """Start it, and wait until it takes connections; blocks."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + _READY_SECONDS
        while not all(_takes_connections(port) for port in (self.ports.tcp, self.ports.websocket)):
            assert self._process.poll() is None, f"{self.command[0]} has ended: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"{self.command[0]} takes no connections: {self.log.read_text()}"
            time.sleep(_PAUSE_SECONDS)

    def kill(self) -> None:
        """End it without a word to anybody; blocks until it is gone."""
        if self._process:
            with ended(self._process):
                self._process.send_signal(signal.SIGKILL)
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again; blocks."""
        self.kill()
        self.start()


def _takes_connections(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except ConnectionRefusedError:
        return False
    return True
