"""Mosquitto, the broker of the Eclipse Foundation: MQTT 5, 3.1.1 and 3.1.

https://mosquitto.org/man/mosquitto-conf-5.html
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.brokers.authority import Certificate
from tests.integration.brokers.broker_process import HOST, BrokerProcess, Ports

# The folders of Debian and Homebrew, which may not be in PATH.
_PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))


@contextmanager
def mosquitto(
    directory: Path,
    ports: Ports,
    *,
    passwords: Mapping[str, str] | None = None,
    denied: str | None = None,
    certificate: Certificate | None = None,
) -> Iterator[BrokerProcess]:
    """Run a mosquitto without persistence.

    Args:
        directory: for its files.
        ports: its ports.
        passwords: by user; without, anybody may connect.
        denied: a topic filter that is denied to all; without, everything is allowed.
        certificate: for TLS on the WebSocket.
    """
    program = program_path("mosquitto")
    lines = [
        "per_listener_settings false",
        "persistence false",
        # Started by root, it would change to a user without access to its files.
        "user root",
        f"allow_anonymous {'false' if passwords else 'true'}",
    ]
    if passwords:
        lines.append(f"password_file {_password_file(directory, passwords)}")
    if denied:
        lines += [f"plugin {_security_plugin()}", f"plugin_opt_config_file {_security_file(directory, denied)}"]
    lines += [f"listener {ports.tcp} {HOST}", f"listener {ports.websocket} {HOST}", "protocol websockets"]
    # With IPv6 its WebSocket listener would bind to every address.
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
    """Return the path of a program of mosquitto's; without it the test is skipped, or fails in a pipeline."""
    program = shutil.which(name, path=_PATH)
    if program is None:
        missing = "no mosquitto: install it (Debian: apt-get install mosquitto)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return program


def _security_plugin() -> Path:
    """Return the one access control of mosquitto's own that refuses subscriptions."""
    return next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))


def _security_file(directory: Path, denied: str) -> Path:
    """Write what the plugin is to deny; https://mosquitto.org/documentation/dynamic-security/."""
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
