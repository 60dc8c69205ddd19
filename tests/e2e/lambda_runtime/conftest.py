"""Network failures for functions of the deployed stack that run under AWS's runtime client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import pytest

from local_cloud.faults import Fault, Hang
from local_cloud.process import LocalCloud
from tests.e2e.conftest import Deployment
from tests.e2e.lambda_runtime.name_server import NameServer

HANGS = ("a resolver that never answers", "a silent socket", "every call hanging")

_CALLS = (
    "ssm:GetParameters",
    "cognito-idp:AdminInitiateAuth",
    "cognito-idp:AdminRespondToAuthChallenge",
    "cognito-idp:AdminUpdateUserAttributes",
    "cognito-idp:AdminGetUser",
    "kms:GenerateMac",
    "kms:VerifyMac",
    "cognito-identity:GetId",
    "iot:AttachPolicy",
    "iot:ListAttachedPolicies",
    "sqs:ChangeMessageVisibility",
)


_HOST = "127.0.0.1"


class Forwarder:
    """Forwards connections to the local cloud, or accepts them and stays silent, until the block ends.

    Args:
        port: the loopback port to which it forwards connections.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((_HOST, 0))
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._silent = False

    @property
    def port(self) -> int:
        """The loopback port on which it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def silent(self) -> bool:
        """Whether new connections are accepted and get no answer."""
        return self._silent

    @silent.setter
    def silent(self, silent: bool) -> None:
        self._silent = silent
        self.cut()

    def cut(self) -> None:
        """Close every connection, so that clients must open new ones."""
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
                self._start(self._forward, client, server)
                self._start(self._forward, server, client)

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
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


@dataclass
class FaultyNetwork:
    """A function's network path to AWS. Name server and sockets can hang. Calls to the queue have their own path."""

    cloud: LocalCloud
    name_server: NameServer
    forwarder: Forwarder
    queue: Forwarder

    def variables(self) -> dict[str, str]:
        """Return the environment variables that route a function through this path."""
        return {
            **self.name_server.variables(),
            "AWS_ENDPOINT_URL": f"http://aws.test:{self.forwarder.port}",
            "AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{self.queue.port}",
        }

    def hang(self, how: str) -> None:
        """Make every call except those to the queue hang."""
        if how == "a resolver that never answers":
            self.name_server.silent = True
            self.forwarder.cut()  # an open connection needs no name
        elif how == "a silent socket":
            self.forwarder.silent = True
        else:
            self.cloud.set_faults([Fault(_CALLS, Hang())])

    def recover(self) -> None:
        """Stop hanging; calls that already hang can continue to."""
        self.name_server.silent = self.forwarder.silent = self.queue.silent = False
        self.cloud.clear_faults()


@pytest.fixture
def network(deployment: Deployment) -> Iterator[FaultyNetwork]:
    cloud = deployment.cloud
    with NameServer() as name_server, Forwarder(cloud.port) as forwarder, Forwarder(cloud.port) as queue:
        made = FaultyNetwork(cloud, name_server, forwarder, queue)
        yield made
        made.recover()
