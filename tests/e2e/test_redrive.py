"""Dead letters: their alarm, and `pubsub redrive`, which moves them back to the retry queue."""

from __future__ import annotations

import json
import operator
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from local_cloud.faults import Fail, Hang
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.integration.local_cloud.account import wait_until
from tests.processes import ended, run_on_a_terminal

_REASON = "AttachPolicy: UnauthorizedException"
_COMPARISONS = {"GreaterThanThreshold": operator.gt}
# The queue attribute of each CloudWatch metric.
_ATTRIBUTES = {"ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages"}


@dataclass(frozen=True)
class Pending:
    """A user whose pending attachment is a dead letter."""

    user: str
    identity_id: str


@contextmanager
def _attachment_denied(deployment: Deployment) -> Iterator[None]:
    with deployment.cloud.fault("iot:AttachPolicy", Fail("UnauthorizedException", 401)):
        yield


def _make_dead_letter(deployment: Deployment) -> Pending:
    """Sign in a user while attachments fail, and wait until the worker moves the message to the dead-letter queue."""
    before = deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL)
    user = deployment.make_user()
    with _attachment_denied(deployment):
        identity_id = deployment.identity_id(deployment.sign_in(user))
        wait_until(lambda: deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) > before)
    wait_until(lambda: deployment.messages_in(Output.RETRY_QUEUE_URL) == 0)
    assert deployment.attached_policies(identity_id) == []
    return Pending(user, identity_id)


@pytest.fixture(autouse=True)
def _no_dead_letters(deployment: Deployment) -> Iterator[None]:
    """Start and end with empty queues, because other tests share the deployment."""
    deployment.drain_queues()
    yield
    deployment.cloud.clear_faults()
    deployment.drain_queues()


def _visible(deployment: Deployment) -> int:
    """Return the number of visible dead letters."""
    names = ["ApproximateNumberOfMessages"]
    url = deployment.outputs[Output.DEAD_LETTER_QUEUE_URL]
    answer = deployment.cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _dead_letter_alarm_fires(deployment: Deployment) -> bool:
    """Evaluate the condition of the deployed alarm against the queue."""
    (alarm,) = deployment.cloud.client("cloudwatch").describe_alarms(AlarmNames=["AmplifyPubSub-dead-letters"])[
        "MetricAlarms"
    ]
    assert alarm["Namespace"] == "AWS/SQS"
    ((name, queue),) = ((each["Name"], each["Value"]) for each in alarm["Dimensions"])
    assert name == "QueueName"
    queues = deployment.cloud.client("sqs")
    attribute = _ATTRIBUTES[alarm["MetricName"]]
    answer = queues.get_queue_attributes(
        QueueUrl=queues.get_queue_url(QueueName=queue)["QueueUrl"], AttributeNames=[attribute]
    )
    value = float(answer["Attributes"][attribute])
    return bool(_COMPARISONS[alarm["ComparisonOperator"]](value, alarm["Threshold"]))


def _json(deployment: Deployment, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(deployment.pubsub("redrive", "--json", *arguments).stdout)
    return document


def test_dead_letter_triggers_the_alarm_and_redrive_attaches(deployment: Deployment) -> None:
    assert not _dead_letter_alarm_fires(deployment)
    pending = _make_dead_letter(deployment)
    assert _dead_letter_alarm_fires(deployment)
    done = deployment.pubsub("redrive", "--yes", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"  1 x {_REASON}\n1 message moved to the retry queue\n" in done.stdout
    assert done.stdout.endswith("The retry queue is empty, and no message failed again.\n")
    assert deployment.attached_policies(pending.identity_id) == ["myIoTPolicy"]
    for queue in (Output.RETRY_QUEUE_URL, Output.DEAD_LETTER_QUEUE_URL):
        assert deployment.messages_in(queue) == 0
    assert not _dead_letter_alarm_fires(deployment)


def test_alarms_use_the_metrics_that_the_trigger_logs(deployment: Deployment) -> None:
    deployment.sign_in(deployment.make_user())
    line = deployment.trigger_lines()[-1]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    (dimensions,) = directive["Dimensions"]
    written = {
        (directive["Namespace"], metric["Name"], *(line[name] for name in sorted(dimensions)))
        for metric in directive["Metrics"]
        if isinstance(line[metric["Name"]], int | float)
    }
    alarms = deployment.cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix="AmplifyPubSub-")["MetricAlarms"]
    used = {
        (
            each["Namespace"],
            each["MetricName"],
            *(dimension["Value"] for dimension in sorted(each["Dimensions"], key=lambda of: of["Name"])),
        )
        for each in alarms
        if {"Name": "Source", "Value": "sign-in"} in each["Dimensions"]
    }
    assert {name for _, name, *_ in used} == {"Failed", "Duration"}
    assert used <= written


def test_redrive_dry_run_shows_reasons_and_names_users_only_if_verbose(deployment: Deployment) -> None:
    users = [_make_dead_letter(deployment).user for _ in range(2)]
    document = _json(deployment, "--dry-run")
    assert (document["schema"], document["command"], document["stack"]) == (1, "redrive", "AmplifyPubSub")
    assert document["dead_letters"] == {
        "count": 2,
        "more": False,
        "reasons": [{"reason": _REASON, "count": 2, "users": None}],
    }
    assert (document["moved"], document["waited"], document["failure"]) == (0, None, None)
    assert _visible(deployment) == 2
    for arguments in (["--verbose"], ["--verbose", "--json"], [], ["--verbose", "--redact"]):
        done = deployment.pubsub("redrive", "--dry-run", *arguments)
        assert done.returncode == 0, done.stderr
        is_named = [user in done.stdout + done.stderr for user in users]
        assert is_named == [arguments in (["--verbose"], ["--verbose", "--json"])] * 2, arguments
    assert _visible(deployment) == 2


def test_redrive_reports_a_message_that_failed_again_with_its_reason(deployment: Deployment) -> None:
    _make_dead_letter(deployment)
    with _attachment_denied(deployment):
        done = deployment.pubsub("redrive", "--yes", "--wait", "--json", "--timeout", "30")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["moved"] == 1
    reasons = [{"reason": _REASON, "count": 1, "users": None}]
    assert document["waited"] == {"in_retry_queue": 0, "failed_again": reasons}
    cause = f"1 of 1 failed again: 1 x {_REASON}."
    assert document["failure"]["cause"] == cause
    assert cause in done.stderr
    assert _visible(deployment) == 1


def test_redrive_reports_messages_that_wait_beyond_its_timeout(deployment: Deployment) -> None:
    pending = _make_dead_letter(deployment)
    with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException")):
        done = deployment.pubsub("redrive", "--yes", "--wait", "--timeout", "1")
    assert done.returncode == 1
    assert "After 1 s about 1 message remained in the retry queue" in done.stderr
    deployment.wait_until_attached(pending.identity_id)


def test_redrive_interrupted_before_the_move_moves_nothing(deployment: Deployment) -> None:
    _make_dead_letter(deployment)
    operation = "sqs:StartMessageMoveTask"
    before = deployment.cloud.calls().get(operation, 0)
    command = [sys.executable, "-m", "pubsub_client", "redrive", "--yes"]
    with (
        deployment.cloud.fault(operation, Hang()),
        ended(
            subprocess.Popen(
                command,
                env=deployment.cloud.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        ) as running,
    ):
        wait_until(lambda: deployment.cloud.calls().get(operation, 0) > before)
        os.kill(running.pid, signal.SIGTERM)
        _, stderr = running.communicate(timeout=30)
    assert running.returncode == 130, stderr
    assert stderr == "pubsub: interrupted; no message was moved\n"
    assert _visible(deployment) == 1


class TestPrompt:
    @staticmethod
    def _on_a_terminal(deployment: Deployment, answer: str | signal.Signals) -> tuple[int, str]:
        environment = {name: value for name, value in deployment.cloud.environment().items() if name != "CI"}
        return run_on_a_terminal([sys.executable, "-m", "pubsub_client", "redrive"], environment, answer)

    def test_redrive_moves_messages_only_after_confirmation(self, deployment: Deployment) -> None:
        pending = _make_dead_letter(deployment)
        for answer, expected in (("\n", 2), (signal.SIGINT, 130)):
            code, shown = self._on_a_terminal(deployment, answer)
            assert code == expected, shown
            assert shown.index(_REASON) < shown.index("Move them to the retry queue? [y/N]")
            assert _visible(deployment) == 1
        code, shown = self._on_a_terminal(deployment, "y\n")
        assert code == 0, shown
        deployment.wait_until_attached(pending.identity_id)
        code, shown = self._on_a_terminal(deployment, "")
        assert code == 0
        assert shown.startswith("0 dead letters in http")
        assert "[y/N]" not in shown
