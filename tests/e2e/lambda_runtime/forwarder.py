"""A way to the local cloud that passes connections on, or accepts them and stays silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

_HOST = "127.0.0.1"


class Forwarder:
    """Serves in threads of this process until the block ends.

    Args:
        port: the loopback port that it passes connections on to.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((_HOST, 0))
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._silent = False

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def silent(self) -> bool:
        """Whether connections to come are accepted and left without an answer."""
        return self._silent

    @silent.setter
    def silent(self, silent: bool) -> None:
        self._silent = silent
        self.cut()

    def cut(self) -> None:
        """End every connection, so that a client has to make a new one."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        # A closed socket would not wake its thread.
        self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._connections):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # the block has ended
                return
            self._connections.append(client)
            if not self._silent:
                server = socket.create_connection((_HOST, self._target))
                self._connections.append(server)
                self._start(self._pass_on, client, server)
                self._start(self._pass_on, server, client)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, name="forwarder", daemon=True)
        self._threads.append(thread)
        thread.start()
