"""`pubsub publish` and `pubsub subscribe` on a deployment, as a user of it and as its operator."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.conftest import PASSWORD, Deployment
from tests.e2e.operator import operator, policies
from tests.processes import ended


@pytest.fixture
def topic() -> str:
    """A unique topic."""
    return f"commands/{uuid.uuid4()}"


@pytest.fixture(scope="module")
def user(deployment: Deployment) -> str:
    return deployment.make_user()


def _publish(deployment: Deployment, *arguments: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    """Publish as a user, or as the operator."""
    if user is None:
        return deployment.pubsub("publish", *arguments)
    return deployment.pubsub("publish", *arguments, "--user", user, "--password-stdin", stdin=f"{PASSWORD}\n")


def _document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@contextmanager
def _subscribing(deployment: Deployment, *arguments: str, user: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """Subscribe as a user, or as the operator; the broker has the subscription when the block begins."""
    user_options = ["--user", user, "--password-stdin"] if user else []
    running = subprocess.Popen(
        [sys.executable, "-m", "pubsub_client", "subscribe", *arguments, *user_options],
        env=deployment.cloud.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(running):
        if user and running.stdin:
            running.stdin.write(f"{PASSWORD}\n")
            running.stdin.flush()
        _wait_for("subscribed to", running)
        yield running


def _wait_for(words: str, running: subprocess.Popen[str]) -> None:
    """Wait for a line on standard error."""
    assert running.stderr
    lines = []
    for line in running.stderr:
        lines.append(line)
        if line.startswith(words):
            return
    raise AssertionError("".join(lines))


def test_subscribe_shows_messages_as_they_arrive(deployment: Deployment, user: str, topic: str) -> None:
    with _subscribing(deployment, f"{topic}/#", "--count", "2", user=user) as running:
        done = _publish(deployment, "--topic", f"{topic}/1", "--topic", f"{topic}/2", '{"state": "packed"}')
        assert (done.returncode, done.stdout) == (0, f"{topic}/1, {topic}/2: acknowledged\n"), done.stderr
        shown, errors = running.communicate(timeout=30)
    assert running.returncode == 0, errors
    assert re.fullmatch(
        rf'\d\d:\d\d:\d\d  {topic}/1  \{{"state": "packed"\}}\n\d\d:\d\d:\d\d  {topic}/2  \{{"state": "packed"\}}\n',
        shown,
    )
    assert errors == "pubsub: 2 of 2 messages received\n"


def test_subscribe_json_prints_a_line_per_message_and_bytes_in_base64(deployment: Deployment, topic: str) -> None:
    with _subscribing(deployment, topic, "--count", "3", "--qos", "1", "--json") as running:
        _publish(deployment, "--topic", topic, "--text", "päckchen")
        deployment.pubsub("publish", "--topic", topic, "--bytes-from", "-", stdin="[1]")
        deployment.pubsub("publish", "--topic", topic, "--qos", "0", "-", stdin="[1]")
        shown, _ = running.communicate(timeout=30)
    messages = [json.loads(line) for line in shown.splitlines()]
    assert all(datetime.fromisoformat(each.pop("received_at")).tzinfo for each in messages)
    about = {"topic": topic, "retain": False}
    assert messages == [
        {"payload": "päckchen", "is_json": True, "qos": 1} | about,
        {"payload_base64": "WzFd", "is_json": False, "qos": 1} | about,
        {"payload": [1], "is_json": True, "qos": 0} | about,
    ]


def test_subscribe_exits_with_1_if_it_receives_fewer_messages(deployment: Deployment, topic: str) -> None:
    done = deployment.pubsub("subscribe", topic, "--timeout", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "pubsub: 0 messages received"
    document = _document(_publish(deployment, "--topic", topic, "--retain", "--json", "7"))
    assert (document["published"], document["qos"], document["retain"]) == ([topic], 1, True)
    done = deployment.pubsub("subscribe", topic, "--count", "1", "--timeout", "20")
    assert done.stdout.endswith(f"  {topic}  7  retained\n")
    fewer = deployment.pubsub("subscribe", topic, "--count", "2", "--timeout", "1")
    assert (fewer.returncode, len(fewer.stdout.splitlines())) == (1, 1)
    assert fewer.stderr.splitlines()[-1] == "pubsub: 1 of 2 messages received"
    assert deployment.pubsub("subscribe", topic, "--timeout", "1").returncode == 0


def test_subscribe_ends_quietly_when_its_pipe_is_closed(deployment: Deployment, topic: str) -> None:
    with _subscribing(deployment, topic) as running:
        _publish(deployment, "--topic", topic, "1")
        assert running.stdout
        assert running.stdout.readline().endswith(f"  {topic}  1\n")
        running.stdout.close()
        running.wait(timeout=30)
        assert running.stderr
        assert (running.returncode, running.stderr.read()) == (0, "")


def test_interrupted_subscribe_counts_messages_and_exits_with_130(deployment: Deployment, topic: str) -> None:
    with _subscribing(deployment, topic) as running:
        os.kill(running.pid, signal.SIGINT)
        shown, errors = running.communicate(timeout=30)
    assert (running.returncode, shown, errors) == (130, "", "pubsub: interrupted; 0 messages received\n")


def test_subscribe_prints_the_state_of_its_connection(deployment: Deployment, topic: str) -> None:
    """Another client takes over the client id, and the connection returns."""
    with _subscribing(deployment, topic, "--timeout", "60", "--client-id", topic) as running:
        _publish(deployment, "--topic", "t", "1", "--client-id", topic)
        _wait_for("disconnected: ", running)
        _wait_for("connected", running)
        os.kill(running.pid, signal.SIGTERM)
        running.communicate(timeout=30)
    assert running.returncode == 130


def test_publish_self_attaches_and_signs_the_user_out(deployment: Deployment, topic: str) -> None:
    user = deployment.make_user()
    identity_id = deployment.identity_id(deployment.sign_in(user))
    deployment.wait_until_retry_queue_is_empty()
    deployment.detach(identity_id)
    before = deployment.cloud.calls()
    assert _publish(deployment, "--topic", topic, "1", user=user).returncode == 0
    assert deployment.attached_policies(identity_id) == [deployment.policy_name]
    assert deployment.calls_since(before)["cognito-idp:RevokeToken"] == 1


def test_denied_publish_exits_with_1_and_names_the_permission(deployment: Deployment, topic: str) -> None:
    statements = [each for each in policies("pubsub publish")[0] if each["Sid"] != "Publish"]
    with operator(deployment.cloud, deployment.outputs, statements) as keys:
        done = deployment.pubsub("publish", "--topic", topic, "1", "--json", **keys)
    document = _document(done)
    assert (done.returncode, document["published"], document["not_published"]) == (1, [], [topic])
    assert f"iot:Publish on topic/{topic}" in document["failure"]["cause"]
    assert document["failure"]["cause"] in done.stderr


@pytest.mark.parametrize("command", [("publish", "--topic", "t", "1"), ("subscribe", "t")])
def test_wrong_password_prints_the_doctor_command(deployment: Deployment, user: str, command: tuple[str, ...]) -> None:
    there = f"--region {deployment.cloud.region}"
    done = deployment.pubsub(*command, *there.split(), "--user", user, "--password-stdin", stdin="wrong\n")
    assert (done.returncode, done.stdout) == (1, "")
    cause, fix = done.stderr.splitlines()
    assert "NotAuthorizedException" in cause
    assert fix.strip() == f"pubsub doctor --stack AmplifyPubSub --user {user} --password-stdin {there}"


@pytest.mark.parametrize("command", [("publish", "--topic", "t" * 257, "1"), ("subscribe", "t" * 257)])
def test_too_long_topic_is_a_usage_error(deployment: Deployment, command: tuple[str, ...]) -> None:
    done = deployment.pubsub(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "AWS IoT allows 256" in done.stderr.splitlines()[-1]
