"""Independent brokers in their own processes: mosquitto (MQTT 5 and 3.1.1) and amqtt (MQTT 3.1.1)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from tests.integration.brokers.authority import Certificate
from tests.processes import ended

HOST = "127.0.0.1"
_READY_SECONDS = 20.0
_POLL_SECONDS = 0.01
# The directories of Debian and Homebrew, which may not be in PATH.
_PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))


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
    """A broker on loopback, which can be killed and started again on the same ports."""

    command: Sequence[str]
    ports: Ports
    log: Path
    tls: bool = False
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @contextmanager
    def running(self) -> Iterator[BrokerProcess]:
        """Start the broker, and kill it when the block ends."""
        try:
            self.start()
            yield self
        finally:
            self.kill()

    def url(self, host: str = HOST) -> str:
        """Return the URL of the WebSocket."""
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.ports.websocket}/mqtt"

    def start(self) -> None:
        """Start the broker, and wait until it accepts connections; blocks."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + _READY_SECONDS
        while not all(_accepts_connections(port) for port in (self.ports.tcp, self.ports.websocket)):
            assert self._process.poll() is None, f"{self.command[0]} has ended: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"{self.command[0]} accepts no connections: {self.log.read_text()}"
            time.sleep(_POLL_SECONDS)

    def kill(self) -> None:
        """Kill the broker, and wait until it has ended."""
        if self._process:
            with ended(self._process):
                self._process.send_signal(signal.SIGKILL)
            self._process = None

    def restart(self) -> None:
        """Kill the broker and start it again; blocks."""
        self.kill()
        self.start()


def _accepts_connections(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except ConnectionRefusedError:
        return False
    return True


@contextmanager
def mosquitto(
    directory: Path,
    ports: Ports,
    *,
    passwords: Mapping[str, str] | None = None,
    denied: str | None = None,
    certificate: Certificate | None = None,
) -> Iterator[BrokerProcess]:
    """Run mosquitto without persistence: https://mosquitto.org/man/mosquitto-conf-5.html.

    Args:
        directory: the directory for its files.
        ports: its ports.
        passwords: the passwords by user name; None allows all clients.
        denied: a topic filter that all clients are denied; None denies nothing.
        certificate: the certificate for TLS on the WebSocket.
    """
    program = program_path("mosquitto")
    lines = [
        "per_listener_settings false",
        "persistence false",
        # Started by root, mosquitto would change to a user without access to its files.
        "user root",
        f"allow_anonymous {'false' if passwords else 'true'}",
    ]
    if passwords:
        lines.append(f"password_file {_password_file(directory, passwords)}")
    if denied:
        # The only access control that comes with mosquitto and rejects subscriptions.
        plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
        lines += [f"plugin {plugin}", f"plugin_opt_config_file {_security_file(directory, denied)}"]
    lines += [f"listener {ports.tcp} {HOST}", f"listener {ports.websocket} {HOST}", "protocol websockets"]
    # With IPv6, its WebSocket listener would bind to every address.
    lines.append("socket_domain ipv4")
    if certificate:
        lines += [f"certfile {certificate.chain}", f"keyfile {certificate.key}"]
    configuration = directory / "mosquitto.conf"
    configuration.write_text("\n".join(lines) + "\n")
    broker = BrokerProcess(
        [program, "-c", str(configuration)], ports, directory / "mosquitto.log", tls=certificate is not None
    )
    with broker.running():
        yield broker


def program_path(name: str) -> str:
    """Return the path of a program of mosquitto; without it skip the test, or fail it in a pipeline."""
    program = shutil.which(name, path=_PATH)
    if program is None:
        missing = "no mosquitto: install it (Debian: apt-get install mosquitto)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return program


def _security_file(directory: Path, denied: str) -> Path:
    """Write the configuration of the plugin: https://mosquitto.org/documentation/dynamic-security/."""
    denials = [{"acltype": kind, "topic": denied, "allow": False} for kind in ("publishClientSend", "subscribePattern")]
    allowed = dict.fromkeys(("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe"), True)
    file = directory / "security.json"
    file.write_text(
        json.dumps(
            {
                "defaultACLAccess": allowed,
                "clients": [],
                "roles": [{"rolename": "guest", "acls": denials}],
                "groups": [{"groupname": "guests", "roles": [{"rolename": "guest"}]}],
                "anonymousGroup": "guests",
            }
        )
    )
    return file


def _password_file(directory: Path, passwords: Mapping[str, str]) -> Path:
    file = directory / "passwords"
    file.touch(0o600)
    for name, password in passwords.items():
        subprocess.run(
            [program_path("mosquitto_passwd"), "-b", str(file), name, password], check=True, capture_output=True
        )
    return file


@contextmanager
def amqtt(
    directory: Path,
    ports: Ports,
    *,
    passwords: Mapping[str, str] | None = None,
    may_subscribe: Sequence[str] | None = None,
) -> Iterator[BrokerProcess]:
    """Run amqtt, a broker in Python that rejects MQTT 5.

    Args:
        directory: the directory for its files.
        ports: its ports.
        passwords: the passwords by user name; None allows all clients.
        may_subscribe: the topic filters for clients without a user name; None allows all.
    """
    plugins: dict[str, Any] = {}
    if passwords:
        file = directory / "passwords"
        file.write_text("".join(f"{name}:{Argon2Hasher().hash(each)}\n" for name, each in passwords.items()))
        plugins["amqtt.plugins.authentication.FileAuthPlugin"] = {"password_file": str(file)}
    else:
        plugins["amqtt.plugins.authentication.AnonymousAuthPlugin"] = {"allow_anonymous": True}
    if may_subscribe is not None:
        access = {"acl": {"anonymous": list(may_subscribe)}}
        plugins["amqtt.plugins.topic_checking.TopicAccessControlListPlugin"] = access
    listeners = {
        "default": {"type": "tcp", "bind": f"{HOST}:{ports.tcp}"},
        "websocket": {"type": "ws", "bind": f"{HOST}:{ports.websocket}"},
    }
    configuration = directory / "amqtt.yaml"
    configuration.write_text(json.dumps({"listeners": listeners, "plugins": plugins}))
    command = [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(configuration)]
    with BrokerProcess(command, ports, directory / "amqtt.log").running() as broker:
        yield broker
