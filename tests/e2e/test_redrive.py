"""Dead letters: how they come to be, what tells of them, and `pubsub redrive`, which moves them back."""

from __future__ import annotations

import json
import operator
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from local_cloud.faults import Fail, Hang
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.processes import ended

_REASON = "AttachPolicy: UnauthorizedException"
_COMPARISONS = {"GreaterThanThreshold": operator.gt}
# CloudWatch's name of what a queue tells as an attribute.
_ATTRIBUTES = {"ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages"}


@dataclass(frozen=True)
class Owed:
    """A user who has signed in and whose attachment is a dead letter."""

    user: str
    identity_id: str


@contextmanager
def _attaching_is_denied(deployment: Deployment) -> Iterator[None]:
    with deployment.cloud.fault("iot:AttachPolicy", Fail("UnauthorizedException", 401)):
        yield


def _give_up(deployment: Deployment) -> Owed:
    """Let a user sign in, the trigger queue the attachment, and the worker give it up."""
    before = deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL)
    user = deployment.make_user()
    with _attaching_is_denied(deployment):
        identity_id = deployment.identity_id(deployment.sign_in(user))
        _wait(lambda: deployment.messages_in(Output.DEAD_LETTER_QUEUE_URL) > before)
    _wait(lambda: deployment.messages_in(Output.RETRY_QUEUE_URL) == 0)
    assert deployment.attached_policies(identity_id) == []
    return Owed(user, identity_id)


@pytest.fixture(autouse=True)
def _no_dead_letters(deployment: Deployment) -> Iterator[None]:
    """Begin and end with empty queues, because other tests share the deployment."""
    deployment.drain_queues()
    yield
    deployment.cloud.clear_faults()
    deployment.drain_queues()


def _wait(happened: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _visible(deployment: Deployment) -> int:
    """Return how many dead letters anybody who looks can see."""
    names = ["ApproximateNumberOfMessages"]
    url = deployment.outputs[Output.DEAD_LETTER_QUEUE_URL]
    answer = deployment.cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _dead_letter_alarm_goes_off(deployment: Deployment) -> bool:
    """Evaluate the deployed alarm's condition against the queue itself."""
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


def test_dead_letter_sets_off_the_alarm_and_redrive_attaches_it(deployment: Deployment) -> None:
    assert not _dead_letter_alarm_goes_off(deployment)
    owed = _give_up(deployment)
    assert _dead_letter_alarm_goes_off(deployment)
    done = deployment.pubsub("redrive", "--yes", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"  1 x {_REASON}\n1 message moved to the retry queue\n" in done.stdout
    assert done.stdout.endswith("The retry queue is empty, and none of them is a dead letter again.\n")
    assert deployment.attached_policies(owed.identity_id) == ["myIoTPolicy"]
    for queue in (Output.RETRY_QUEUE_URL, Output.DEAD_LETTER_QUEUE_URL):
        assert deployment.messages_in(queue) == 0
    assert not _dead_letter_alarm_goes_off(deployment)


def test_alarms_look_at_the_metrics_that_the_trigger_logs(deployment: Deployment) -> None:
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
    looked_at = {
        (
            each["Namespace"],
            each["MetricName"],
            *(dimension["Value"] for dimension in sorted(each["Dimensions"], key=lambda of: of["Name"])),
        )
        for each in alarms
        if {"Name": "Source", "Value": "sign-in"} in each["Dimensions"]
    }
    assert {name for _, name, *_ in looked_at} == {"Failed", "Duration"}
    assert looked_at <= written


def test_dead_letters_are_shown_and_moved_in_the_asked_number(deployment: Deployment) -> None:
    users = [_give_up(deployment).user for _ in range(2)]
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
    document = _json(deployment, "--yes", "--max", "1")
    assert (document["dead_letters"]["count"], document["dead_letters"]["more"], document["moved"]) == (1, True, 1)
    assert _visible(deployment) == 1


def test_dead_letter_that_comes_back_is_reported_with_its_reason(deployment: Deployment) -> None:
    _give_up(deployment)
    with _attaching_is_denied(deployment):
        done = deployment.pubsub("redrive", "--yes", "--wait", "--json", "--timeout", "30")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["moved"] == 1
    reasons = [{"reason": _REASON, "count": 1, "users": None}]
    assert document["waited"] == {"in_retry_queue": 0, "failed_again": reasons}
    cause = f"1 of 1 came back as dead letters: 1 x {_REASON}."
    assert document["failure"]["cause"] == cause
    assert cause in done.stderr
    assert _visible(deployment) == 1


def test_redrive_reports_messages_that_wait_beyond_its_timeout(deployment: Deployment) -> None:
    owed = _give_up(deployment)
    with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException")):
        done = deployment.pubsub("redrive", "--yes", "--wait", "--timeout", "1")
    assert done.returncode == 1
    assert "After 1 s about 1 message(s) are in the retry queue still" in done.stderr
    deployment.wait_until_attached(owed.identity_id)


class TestInterrupted:
    """Whenever it ends, each attachment is in one of the queues, or in both."""

    @staticmethod
    def _hanging_in(deployment: Deployment, operation: str) -> subprocess.Popen[str]:
        """Start a redrive and let it get as far as this call."""
        before = deployment.cloud.calls().get(operation, 0)
        running = subprocess.Popen(
            [sys.executable, "-m", "pubsub_client", "redrive", "--yes"],
            env=deployment.cloud.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        _wait(lambda: deployment.cloud.calls().get(operation, 0) > before)
        return running

    def test_message_that_was_not_sent_is_a_dead_letter_and_visible_at_once(self, deployment: Deployment) -> None:
        _give_up(deployment)
        with (
            deployment.cloud.fault("sqs:SendMessageBatch", Hang()),
            ended(self._hanging_in(deployment, "sqs:SendMessageBatch")) as running,
        ):
            os.kill(running.pid, signal.SIGTERM)
            _, stderr = running.communicate(timeout=30)
        assert running.returncode == 130, stderr
        assert stderr == "pubsub: interrupted; 0 moved, what was not is a dead letter still\n"
        assert _visible(deployment) == 1

    def test_message_that_was_sent_is_attached_and_still_a_dead_letter(self, deployment: Deployment) -> None:
        owed = _give_up(deployment)
        with (
            deployment.cloud.fault("sqs:DeleteMessageBatch", Hang()),
            ended(self._hanging_in(deployment, "sqs:DeleteMessageBatch")) as running,
        ):
            os.kill(running.pid, signal.SIGINT)
            running.communicate(timeout=30)
            assert running.returncode == 130
            assert _visible(deployment) == 1
        deployment.wait_until_attached(owed.identity_id)
        assert deployment.pubsub("redrive", "--yes", "--wait").returncode == 0
        assert deployment.attached_policies(owed.identity_id) == ["myIoTPolicy"]


class TestAsking:
    @staticmethod
    def _on_a_terminal(deployment: Deployment, answer: str | signal.Signals) -> tuple[int, str]:
        """Run it on a terminal, type or signal when it asks, and return the exit code and what was shown."""
        outside_pipelines = {name: value for name, value in deployment.cloud.environment().items() if name != "CI"}
        ours, theirs = pty.openpty()
        asking = subprocess.Popen(
            [sys.executable, "-m", "pubsub_client", "redrive"],
            env=outside_pipelines,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        with ended(asking) as running:
            os.close(theirs)
            shown = ""
            try:
                while data := os.read(ours, 4096):
                    shown += data.decode()
                    if shown.endswith("[y/N] "):
                        if isinstance(answer, signal.Signals):
                            running.send_signal(answer)
                        # A signal between the prompt and the reading of the answer is seen once there is an answer.
                        os.write(ours, (answer if isinstance(answer, str) else "\n").encode())
            except OSError:  # the other end is closed
                pass
            code = running.wait(timeout=60)
        os.close(ours)
        return code, shown

    def test_redrive_shows_the_reasons_and_moves_nothing_without_a_yes(self, deployment: Deployment) -> None:
        owed = _give_up(deployment)
        for answer, expected in (("\n", 2), (signal.SIGINT, 130)):
            code, shown = self._on_a_terminal(deployment, answer)
            assert code == expected, shown
            assert shown.index(_REASON) < shown.index("Move them to the retry queue? [y/N]")
            assert _visible(deployment) == 1
        code, shown = self._on_a_terminal(deployment, "y\n")
        assert code == 0, shown
        deployment.wait_until_attached(owed.identity_id)
        code, shown = self._on_a_terminal(deployment, "")
        assert code == 0
        assert shown.startswith("0 dead letters in http")
        assert "[y/N]" not in shown

    def test_redrive_never_asks_in_a_pipeline(self, deployment: Deployment) -> None:
        before = deployment.cloud.calls()
        done = deployment.pubsub("redrive")
        told = "pubsub: nobody is there to be asked (no terminal, or CI is set): give --yes, or --dry-run"
        assert (done.returncode, done.stderr.strip()) == (2, told)
        assert deployment.calls_of(before) == {}
