"""The sweep attaches the policy to every identity without it, also after faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_cloud.faults import Fail, Throttle
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.integration.local_cloud.account import wait_until
from tests.processes import ended

_MAX_DELETED = 60  # by one call of DeleteIdentities
_LIST = "cognito-identity:ListIdentities"
_ATTACH = "iot:AttachPolicy"
# 60 attachments per second, in steps of one second: a step ends two minutes before its timeout.
_RATES = {"ATTACH_PER_SECOND": "60", "LIST_PER_SECOND": "500"}
_TIMEOUT = 121


@pytest.fixture(scope="module", autouse=True)
def fast_sweeps(deployment: Deployment) -> Iterator[None]:
    """Let the sweep attach fast and in short steps; attach all identities that exist already."""
    name = deployment.resource("AWS::Lambda::Function", "SweepFunction")
    with deployment.variables_of(name, _RATES, Timeout=_TIMEOUT):
        sweep(deployment, "--full")
        yield


class Seeds:
    """Creates identities without the policy."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._made: list[str] = []

    def __call__(self, count: int) -> list[str]:
        seeded = self._deployment.cloud.seed_identities(self._deployment.outputs[Output.IDENTITY_POOL_ID], count)
        self._made += seeded
        return seeded

    def remove(self) -> None:
        """Delete the identities, so that later sweeps are not slower."""
        for first in range(0, len(self._made), _MAX_DELETED):
            self._deployment.cloud.client("cognito-identity").delete_identities(
                IdentityIdsToDelete=self._made[first : first + _MAX_DELETED]
            )


@pytest.fixture
def seed(deployment: Deployment) -> Iterator[Seeds]:
    seeds = Seeds(deployment)
    yield seeds
    seeds.remove()


def sweep(deployment: Deployment, *options: str) -> dict[str, Any]:
    """Run `pubsub sweep` and return its JSON result."""
    done = deployment.pubsub("sweep", "--json", *options)
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if document["failure"] is None else 1), done.stderr
    return {**document["sweep"], "failure": document["failure"]}


def _attach_calls(deployment: Deployment) -> int:
    return deployment.cloud.calls().get(_ATTACH, 0)


def _start(deployment: Deployment) -> str:
    states = deployment.cloud.client("stepfunctions")
    started = states.start_execution(stateMachineArn=deployment.outputs[Output.SWEEP_STATE_MACHINE_ARN], input="{}")
    return str(started["executionArn"])


def _status(deployment: Deployment, execution_arn: str) -> str:
    described = deployment.cloud.client("stepfunctions").describe_execution(executionArn=execution_arn)
    return str(described["status"])


def test_sweep_attaches_each_identity_once_and_its_history_contains_none(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(70)  # more than a page
    before = _attach_calls(deployment)
    assert sweep(deployment, "--dry-run")["attached"] == 70
    assert _attach_calls(deployment) == before
    assert sweep(deployment)["attached"] == 70
    assert set(seeded) <= deployment.targets()
    assert sweep(deployment)["attached"] == 0
    assert _attach_calls(deployment) - before == 70
    states = deployment.cloud.client("stepfunctions")
    machine = deployment.outputs[Output.SWEEP_STATE_MACHINE_ARN]
    executions = states.list_executions(stateMachineArn=machine)["executions"]
    history = [states.get_execution_history(executionArn=each["executionArn"])["events"] for each in executions[:3]]
    written = json.dumps(history, default=str)
    assert "attached" in written
    assert not [each for each in seeded if each in written]


def test_sweep_skips_a_guest_until_the_guest_signs_in(deployment: Deployment) -> None:
    identities, pool = deployment.public("cognito-identity"), deployment.outputs[Output.IDENTITY_POOL_ID]
    with deployment.guests_allowed():
        guest = identities.get_id(IdentityPoolId=pool)["IdentityId"]
        assert sweep(deployment)["guests"] >= 1
        assert deployment.attached_policies(guest) == []
        tokens = _sign_in_without_attachment(deployment)
        identities.get_credentials_for_identity(IdentityId=guest, Logins=deployment.logins(tokens))
        sweep(deployment)
    assert deployment.attached_policies(guest) == [deployment.policy_name]


def _sign_in_without_attachment(deployment: Deployment) -> dict[str, str]:
    """Sign in a new user without an attachment and without a pending one."""
    failing = deployment.cloud.fault("cognito-idp:AdminInitiateAuth", Fail("InternalErrorException", 500))
    with deployment.worker_stopped(), failing:
        tokens = deployment.sign_in(deployment.make_user())
        deployment.cloud.client("sqs").purge_queue(QueueUrl=deployment.outputs[Output.RETRY_QUEUE_URL])
    return tokens


def test_full_sweep_attaches_detached_policies_again(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(5)
    sweep(deployment)
    for identity_id in seeded[:2]:
        deployment.detach(identity_id)
    swept = sweep(deployment, "--full")
    assert (swept["full"], swept["attached"]) == (True, 2)
    assert set(seeded) <= deployment.targets()


def test_killed_sweep_attaches_each_identity_once(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(100)
    before = _attach_calls(deployment)
    execution_arn = _start(deployment)
    wait_until(lambda: _attach_calls(deployment) - before >= 20)
    assert _kill_function(deployment) >= 1
    wait_until(lambda: _status(deployment, execution_arn) != "RUNNING")
    assert _status(deployment, execution_arn) == "SUCCEEDED"
    assert set(seeded) <= deployment.targets()
    assert _attach_calls(deployment) - before == 100


def _kill_function(deployment: Deployment) -> int:
    """Kill the processes of the sweep's function, as Lambda does at its timeout; return their number."""
    processes = [each for each in Path("/proc").glob("[0-9]*") if "-SweepFunction" in _directory(each)]
    pids = [int(each.name) for each in processes if _descends_from(each, deployment.cloud.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return len(pids)


def _directory(process: Path) -> str:
    """Return the working directory of a process, which contains the name of its function."""
    try:
        return str((process / "cwd").readlink())
    except OSError:  # another user's process, or it has ended
        return ""


def _descends_from(process: Path, ancestor: int) -> bool:
    pid = int(process.name)
    try:
        while pid not in (0, ancestor):
            pid = int(Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has just ended
        return False
    return pid == ancestor


@pytest.mark.parametrize("rejected", [False, True], ids=["token accepted", "token rejected"])
def test_next_sweep_continues_a_stopped_sweep(deployment: Deployment, seed: Seeds, rejected: bool) -> None:
    seeded = seed(240)
    pages = _pages(deployment)
    before = deployment.cloud.calls()
    execution_arn = _start(deployment)
    wait_until(lambda: _steps(deployment, execution_arn) > 1)
    deployment.cloud.client("stepfunctions").stop_execution(executionArn=execution_arn)
    _kill_function(deployment)  # otherwise it would continue its step
    stopped = deployment.cloud.calls()
    assert stopped[_ATTACH] - before.get(_ATTACH, 0) < 240
    if rejected:
        with deployment.cloud.fault(_LIST, Fail("InvalidParameterException"), times=1):
            rest = sweep(deployment)
    else:
        rest = sweep(deployment)
    assert rest["resumed"]
    assert set(seeded) <= deployment.targets()
    assert deployment.cloud.calls()[_ATTACH] - before.get(_ATTACH, 0) == 240
    # It started again from the first page only if the token was rejected.
    assert (deployment.cloud.calls()[_LIST] - stopped[_LIST] >= pages) is rejected


def _pages(deployment: Deployment) -> int:
    """Return how many calls it takes to list all identities."""
    identities = deployment.cloud.client("cognito-identity")
    request = {"IdentityPoolId": deployment.outputs[Output.IDENTITY_POOL_ID], "MaxResults": 60}
    pages = 1
    while token := identities.list_identities(**request).get("NextToken"):
        request["NextToken"] = token
        pages += 1
    return pages


def _steps(deployment: Deployment, execution_arn: str) -> int:
    """Return how many steps of an execution were started."""
    history = deployment.cloud.client("stepfunctions").get_execution_history(executionArn=execution_arn)
    return sum(each["type"] == "TaskStateEntered" for each in history["events"])


def test_sweep_counts_a_rejected_identity_and_continues(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(10)
    with deployment.cloud.fault(_ATTACH, Fail("LimitExceededException", 410), times=1):
        swept = sweep(deployment)
    assert swept["failed"] == {"LimitExceededException": 1}
    assert "AWS IoT rejected the attachment of 1 identities: 1 x LimitExceededException" in swept["failure"]["cause"]
    assert len(set(seeded) & deployment.targets()) == 9
    assert sweep(deployment)["attached"] == 1


def test_sweep_ends_without_permission_and_the_next_continues(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(10)
    with deployment.cloud.fault(_ATTACH, Fail("UnauthorizedException", 401)):
        swept = sweep(deployment)
    assert "AttachPolicy: UnauthorizedException" in swept["failure"]["cause"]
    assert not set(seeded) & deployment.targets()
    rest = sweep(deployment)
    assert rest["resumed"]
    assert set(seeded) <= deployment.targets()


def test_sweep_waits_while_the_retry_queue_is_long(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(5)
    sqs, url = deployment.cloud.client("sqs"), deployment.outputs[Output.RETRY_QUEUE_URL]
    with deployment.worker_stopped():
        for _ in range(25):
            entries = [{"Id": str(number), "MessageBody": "pending"} for number in range(10)]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)
        _kill_function(deployment)
        execution_arn = _start(deployment)
        states = deployment.cloud.client("stepfunctions")
        wait_until(
            lambda: (
                "WaitStateEntered"
                in [each["type"] for each in states.get_execution_history(executionArn=execution_arn)["events"]]
            )
        )
        assert not set(seeded) & deployment.targets()
        states.stop_execution(executionArn=execution_arn)
        sqs.purge_queue(QueueUrl=url)
    _kill_function(deployment)
    sweep(deployment)
    assert set(seeded) <= deployment.targets()


def test_sweep_of_users_queues_users_without_an_identity(deployment: Deployment) -> None:
    users = [deployment.make_user() for _ in range(3)]
    assert sweep(deployment, "--users", "--yes")["queued"] >= 3
    deployment.wait_until_retry_queue_is_empty()
    signed_in = deployment.cloud.calls().get("cognito-idp:AdminRespondToAuthChallenge", 0)
    for user in users:
        assert deployment.attached_policies(deployment.identity_id(deployment.sign_in(user))) == [
            deployment.policy_name
        ]
    # Their markers are current, so the trigger attaches nothing.
    assert deployment.cloud.calls()["cognito-idp:AdminRespondToAuthChallenge"] == signed_in
    assert sweep(deployment, "--users", "--yes")["queued"] == 0


def test_running_sweep_excludes_others_and_continues_without_its_command(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(20)
    command = [sys.executable, "-m", "pubsub_client", "sweep"]
    states, machine = deployment.cloud.client("stepfunctions"), deployment.outputs[Output.SWEEP_STATE_MACHINE_ARN]
    with deployment.cloud.fault(_ATTACH, Throttle(1)):  # the sweep runs for as long as it is throttled
        started = subprocess.Popen(
            command, env=deployment.cloud.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with ended(started) as running:
            before = _attach_calls(deployment)
            wait_until(lambda: _attach_calls(deployment) > before)
            (first,) = states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
            second = _start(deployment)
            wait_until(lambda: _status(deployment, second) != "RUNNING")
            output = json.loads(states.describe_execution(executionArn=second)["output"])
            assert output["checkpoint"]["ended"] == "already-running"
            refused = deployment.pubsub("sweep", "--full")
            assert refused.returncode == 2
            assert "a sweep is already running" in refused.stderr
            running.send_signal(signal.SIGINT)
            _, errors = running.communicate(timeout=30)
        assert running.returncode == 130
        assert "to see it again: pubsub sweep" in errors
        assert _status(deployment, first["executionArn"]) == "RUNNING"
    shown = deployment.pubsub("sweep")
    assert shown.returncode == 0, shown.stderr
    assert "A sweep is already running" in shown.stdout
    assert set(seeded) <= deployment.targets()


@pytest.mark.parametrize("option", ["--users", "--resume"])
def test_sweep_dry_run_rejects_options_that_change_something(deployment: Deployment, option: str) -> None:
    refused = deployment.pubsub("sweep", "--dry-run", option)
    assert (refused.returncode, option in refused.stderr) == (2, True)


def test_sweep_attaches_nothing_while_attachment_is_paused(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(5)
    deployment.cloud.client("ssm").put_parameter(Name="/AmplifyPubSub/attachment-paused", Value="true", Overwrite=True)
    _kill_function(deployment)  # it keeps the pause flag for half a minute
    swept = sweep(deployment)
    assert swept["ended"] == "paused"
    assert "pubsub sweep --resume" in swept["failure"]["fix"]
    assert not set(seeded) & deployment.targets()
    resumed = sweep(deployment, "--resume")
    assert (resumed["ended"], resumed["full"]) == ("completed", True)
    assert set(seeded) <= deployment.targets()


def test_sweep_starts_every_day(deployment: Deployment) -> None:
    events = deployment.cloud.client("events")
    (rule,) = (each for each in events.list_rules()["Rules"] if "Sweep" in each["Name"])
    assert rule["ScheduleExpression"] == "rate(1 day)"
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"] == deployment.outputs[Output.SWEEP_STATE_MACHINE_ARN]
