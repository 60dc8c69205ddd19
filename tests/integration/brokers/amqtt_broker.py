"""amqtt, a broker in Python. It speaks MQTT 3.1.1 and refuses 5."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pwdlib.hashers.argon2 import Argon2Hasher

from tests.integration.brokers.broker_process import HOST, BrokerProcess, Ports


@contextmanager
def amqtt(
    directory: Path,
    ports: Ports,
    *,
    passwords: Mapping[str, str] | None = None,
    may_subscribe: Sequence[str] | None = None,
) -> Iterator[BrokerProcess]:
    """Run an amqtt broker.

    Args:
        directory: for its files.
        ports: its ports.
        passwords: by user; without, anybody may connect.
        may_subscribe: the topic filters of clients without a user name; without, all.
    """
    plugins: dict[str, Any] = {}
    if passwords:
        file = directory / "passwords"
        file.write_text("".join(f"{name}:{Argon2Hasher().hash(given)}\n" for name, given in passwords.items()))
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
