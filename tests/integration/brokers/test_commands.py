"""`pubsub publish` and `pubsub subscribe` with an independent broker."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import run_pubsub
from tests.integration.brokers.authority import Authority
from tests.integration.brokers.broker_process import BrokerProcess, Ports, mosquitto
from tests.integration.brokers.conftest import Broker
from tests.integration.brokers.proxy import proxy_to
from tests.integration.brokers.recorder import recorder_to

PASSWORD = "p@ss:wörd"
HOST = "broker.example"
"""A name without an address, so that only the proxy leads to the broker."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A private certificate authority."""
    return Authority(tmp_path, "tests")


@pytest.fixture
def guarded(tmp_path: Path, ports: Ports, authority: Authority) -> Iterator[BrokerProcess]:
    """A mosquitto behind TLS that requires a user name and a password."""
    with mosquitto(tmp_path, ports, passwords={"ada": PASSWORD}, certificate=authority.issue(HOST)) as process:
        yield process


async def _pubsub(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(run_pubsub, arguments, os.environ, stdin)


async def test_publish_and_subscribe_use_all_options_of_the_broker(
    guarded: BrokerProcess, authority: Authority, topic: str
) -> None:
    """Password, private authority and proxy; a later subscriber gets the retained message."""
    async with proxy_to(guarded.ports.websocket) as proxy:
        options = [
            *("--broker", f"wss://{HOST}/mqtt", "--ca-file", str(authority.file)),
            *("--proxy", f"http://127.0.0.1:{proxy.port}", "--user", "ada", "--password-stdin"),
        ]
        sent = await _pubsub("publish", "--topic", topic, "--retain", "[1]", *options, stdin=PASSWORD)
        assert (sent.returncode, sent.stdout) == (0, f"{topic}: acknowledged\n"), sent.stderr
        shown = await _pubsub("subscribe", topic, "--count", "1", "--timeout", "20", *options, stdin=PASSWORD)
    assert (shown.returncode, shown.stdout[8:]) == (0, f"  {topic}  [1]  retained\n"), shown.stderr
    assert len(proxy.requests) == 2


async def test_secrets_can_come_from_files(mosquitto_broker: Broker, tmp_path: Path, topic: str) -> None:
    """There is no warning if no argument contains a secret."""
    headers, url, by_proxy = tmp_path / "headers", tmp_path / "url", tmp_path / "proxy"
    headers.write_text("X-Api-Key: open\n\nAuthorization: Bearer a:b\n")
    async with recorder_to(mosquitto_broker.websocket_port) as recorder, proxy_to(recorder.port) as proxy:
        url.write_text(f"ws://127.0.0.1:{recorder.port}/mqtt?key=secret\n")
        by_proxy.write_text(f"http://me:secret@127.0.0.1:{proxy.port}\n")
        files = ["--broker", f"@{url}", "--header", f"@{headers}", "--header", "X-More: 1", "--proxy", f"@{by_proxy}"]
        done = await _pubsub("publish", "--topic", topic, "1", *files)
    assert (done.returncode, done.stderr) == (0, "")
    request = recorder.connections[0].request.lower().split("\r\n")
    assert {"x-api-key: open", "authorization: bearer a:b", "x-more: 1"} <= set(request)
    assert "key=secret" in request[0]
    assert len(proxy.requests) == 1


async def test_denied_connection_is_shown_without_secrets(guarded: BrokerProcess, authority: Authority) -> None:
    async with proxy_to(guarded.ports.websocket) as proxy:
        url, by_proxy = f"wss://{HOST}/mqtt?key=secret", f"http://me:secret@127.0.0.1:{proxy.port}"
        options = ["--broker", url, "--ca-file", str(authority.file), "--proxy", by_proxy]
        as_ada = ["--user", "ada", "--password-stdin"]
        done = await _pubsub("publish", "--topic", "t", "1", "--json", *options, *as_ada, stdin="secret")
    assert done.returncode == 1
    assert "the broker does not let user 'ada' connect" in done.stderr
    assert "warning: --broker contains key in the query, which other users of this machine can see" in done.stderr
    assert "warning: --proxy contains a password" in done.stderr
    assert "secret" not in done.stdout + done.stderr
