"""The sweep: every identity is looked at, whoever lacks the policy gets it, whatever breaks in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.faults import Fail, Throttle
from pubsub_client.outputs import Output
from tests.e2e.conftest import deployed
from tests.processes import ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.conftest import Deployment

_SETTINGS = {"attachPerSecond": {"signIn": 5, "worker": 8, "sweep": 60}}
_MOST_DELETED = 60
_LIST = "cognito-identity:ListIdentities"
_ATTACH = "iot:AttachPolicy"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("sweep"), _SETTINGS) as made:
        yield made


class Seeds:
    """Identities that signed in before there was any deployment, as it were."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._made: list[str] = []

    def __call__(self, count: int) -> list[str]:
        seeded = self._deployment.cloud.seed_identities(self._deployment.outputs[Output.IDENTITY_POOL_ID], count)
        self._made += seeded
        return seeded

    def remove(self) -> None:
        """Delete them, so that other tests need not look at them."""
        for first in range(0, len(self._made), _MOST_DELETED):
            self._deployment.cloud.client("cognito-identity").delete_identities(
                IdentityIdsToDelete=self._made[first : first + _MOST_DELETED]
            )


@pytest.fixture
def seed(deployment: Deployment) -> Iterator[Seeds]:
    seeds = Seeds(deployment)
    yield seeds
    seeds.remove()


def sweep(deployment: Deployment, *options: str) -> dict[str, Any]:
    """Run `pubsub sweep` and return what it came to."""
    done = deployment.pubsub("sweep", "--json", *options)
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if document["failure"] is None else 1), done.stderr
    return {**document["sweep"], "failure": document["failure"]}


def _targets(deployment: Deployment) -> set[str]:
    pages = deployment.cloud.client("iot").get_paginator("list_targets_for_policy")
    return {
        target for page in pages.paginate(policyName=deployment.policy_name, pageSize=250) for target in page["targets"]
    }


def _attach_calls(deployment: Deployment) -> int:
    return deployment.cloud.calls().get(_ATTACH, 0)


def _start(deployment: Deployment, **given: bool) -> str:
    states = deployment.cloud.client("stepfunctions")
    started = states.start_execution(
        stateMachineArn=deployment.outputs[Output.SWEEP_STATE_MACHINE_ARN], input=json.dumps(given)
    )
    return str(started["executionArn"])


def _wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come to this"
        time.sleep(0.05)


def _status(deployment: Deployment, execution_arn: str) -> str:
    described = deployment.cloud.client("stepfunctions").describe_execution(executionArn=execution_arn)
    return str(described["status"])


def test_every_identity_gets_the_policy_and_a_second_sweep_attaches_nobody(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(70)
    before = _attach_calls(deployment)
    first = sweep(deployment)
    assert first["attached"] == 70
    assert set(seeded) <= _targets(deployment)
    assert _attach_calls(deployment) - before == 70
    assert sweep(deployment)["attached"] == 0
    assert _attach_calls(deployment) - before == 70


def test_a_dry_run_tells_how_many_lack_the_policy_and_attaches_nobody(deployment: Deployment, seed: Seeds) -> None:
    seed(3)
    before = _attach_calls(deployment)
    assert sweep(deployment, "--dry-run")["attached"] == 3
    assert _attach_calls(deployment) == before
    assert sweep(deployment)["attached"] == 3


def test_a_guest_is_passed_over_and_attached_once_a_user(deployment: Deployment) -> None:
    pools, pool = deployment.cloud.client("cognito-identity"), deployment.outputs[Output.IDENTITY_POOL_ID]
    settings = pools.describe_identity_pool(IdentityPoolId=pool)
    settings = {"IdentityPoolId": pool, "IdentityPoolName": settings["IdentityPoolName"]} | {
        name: settings[name] for name in ("AllowUnauthenticatedIdentities", "CognitoIdentityProviders")
    }
    pools.update_identity_pool(**settings | {"AllowUnauthenticatedIdentities": True})
    try:
        guest = deployment.public("cognito-identity").get_id(IdentityPoolId=pool)["IdentityId"]
        assert sweep(deployment)["guests"] >= 1
        assert deployment.attached_policies(guest) == []
        tokens = _sign_in_unnoticed(deployment)
        deployment.public("cognito-identity").get_credentials_for_identity(
            IdentityId=guest, Logins=deployment.logins(tokens)
        )
        sweep(deployment)
    finally:
        pools.update_identity_pool(**settings)
    assert deployment.attached_policies(guest) == [deployment.policy_name]


def _sign_in_unnoticed(deployment: Deployment) -> dict[str, str]:
    """Sign a new user in while neither trigger nor worker can find the identity."""
    failing = deployment.cloud.fault("cognito-idp:AdminInitiateAuth", Fail("InternalErrorException", 500))
    with deployment.worker_stopped(), failing:
        tokens = deployment.sign_in(deployment.make_user())
        deployment.cloud.client("sqs").purge_queue(QueueUrl=deployment.outputs[Output.RETRY_QUEUE_URL])
    return tokens


def test_policies_detached_by_hand_are_put_back_by_a_full_sweep_which_says_how_many(
    deployment: Deployment, seed: Seeds
) -> None:
    seeded = seed(20)
    sweep(deployment)
    for identity_id in seeded[:7]:
        deployment.cloud.client("iot").detach_policy(policyName=deployment.policy_name, target=identity_id)
    healed = sweep(deployment, "--full")
    assert (healed["full"], healed["attached"]) == (True, 7)
    assert set(seeded) <= _targets(deployment)


def test_killed_in_the_middle_it_misses_nobody_and_attaches_nobody_twice(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(150)
    before = _attach_calls(deployment)
    execution_arn = _start(deployment)
    _wait(lambda: _attach_calls(deployment) - before >= 40)
    assert _kill_function(deployment) == 1
    _wait(lambda: _status(deployment, execution_arn) != "RUNNING")
    assert _status(deployment, execution_arn) == "SUCCEEDED"
    assert set(seeded) <= _targets(deployment)
    assert _attach_calls(deployment) - before == 150


def _kill_function(deployment: Deployment) -> int:
    """Kill the processes of the sweep's function, as Lambda does with one that has used up its time; tell how many.

    The next one knows nothing of what the last one has seen.
    """
    environments = {each.parent.name: _read(each) for each in Path("/proc").glob("[0-9]*/environ")}
    name = b"AWS_LAMBDA_FUNCTION_NAME=AmplifyPubSub-SweepFunction"
    endpoint = f"AWS_ENDPOINT_URL={deployment.cloud.endpoint_url}".encode()
    pids = [int(pid) for pid, environment in environments.items() if name in environment and endpoint in environment]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return len(pids)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # not ours, or gone
        return b""


def test_stopped_in_the_middle_the_next_sweep_goes_on_where_it_stopped(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(500)
    before = deployment.cloud.calls()
    execution_arn = _start(deployment)
    # The first step is over, the second not.
    _wait(lambda: deployment.cloud.calls()[_ATTACH] - before[_ATTACH] >= 430)
    deployment.cloud.client("stepfunctions").stop_execution(executionArn=execution_arn)
    _kill_function(deployment)  # or it would go on with its step
    attached, listed = (deployment.cloud.calls()[each] - before[each] for each in (_ATTACH, _LIST))
    rest = sweep(deployment)
    assert rest["resumed"]
    assert set(seeded) <= _targets(deployment)
    assert deployment.cloud.calls()[_ATTACH] - before[_ATTACH] == 500
    assert attached < 500
    # It did not begin at the top again.
    assert deployment.cloud.calls()[_LIST] - before[_LIST] - listed < listed


def test_a_rejected_token_begins_at_the_top_again(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(500)
    before = _attach_calls(deployment)
    execution_arn = _start(deployment)
    _wait(lambda: _attach_calls(deployment) - before >= 430)
    deployment.cloud.client("stepfunctions").stop_execution(executionArn=execution_arn)
    _kill_function(deployment)  # or it would go on with its step
    with deployment.cloud.fault(_LIST, Fail("InvalidParameterException"), times=1):
        rest = sweep(deployment)
    assert rest["resumed"]
    assert rest["seen"] >= 500
    assert set(seeded) <= _targets(deployment)
    assert _attach_calls(deployment) - before == 500


def test_throttled_it_slows_down_and_attaches_everybody(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(60)
    with deployment.cloud.fault(_ATTACH, Throttle(20)):
        assert sweep(deployment)["failed"] == {}
    assert set(seeded) <= _targets(deployment)


def test_an_identity_that_aws_iot_refuses_is_counted_and_holds_up_nobody(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(10)
    with deployment.cloud.fault(_ATTACH, Fail("LimitExceededException", 410), times=1):
        swept = sweep(deployment)
    assert swept["failed"] == {"LimitExceededException": 1}
    assert "AWS IoT refused 1 identities: 1 x LimitExceededException" in swept["failure"]["cause"]
    assert len(set(seeded) & _targets(deployment)) == 9
    assert sweep(deployment)["attached"] == 1


def test_what_would_meet_every_identity_ends_the_sweep_at_once_and_the_next_goes_on(
    deployment: Deployment, seed: Seeds
) -> None:
    seeded = seed(10)
    with deployment.cloud.fault(_ATTACH, Fail("UnauthorizedException", 401)):
        swept = sweep(deployment)
    assert "AttachPolicy: UnauthorizedException" in swept["failure"]["cause"]
    assert not set(seeded) & _targets(deployment)
    rest = sweep(deployment)
    assert rest["resumed"]
    assert set(seeded) <= _targets(deployment)


def test_while_the_worker_is_behind_it_waits(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(5)
    sqs, url = deployment.cloud.client("sqs"), deployment.outputs[Output.RETRY_QUEUE_URL]
    with deployment.worker_stopped():
        for _ in range(25):
            entries = [{"Id": str(number), "MessageBody": "owed"} for number in range(10)]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)
        _kill_function(deployment)
        execution_arn = _start(deployment)
        states = deployment.cloud.client("stepfunctions")
        _wait(
            lambda: (
                "WaitStateEntered"
                in [each["type"] for each in states.get_execution_history(executionArn=execution_arn)["events"]]
            )
        )
        assert not set(seeded) & _targets(deployment)
        states.stop_execution(executionArn=execution_arn)
        sqs.purge_queue(QueueUrl=url)
    _kill_function(deployment)
    sweep(deployment)
    assert set(seeded) <= _targets(deployment)


def test_users_without_an_identity_are_attached_by_the_worker_when_asked_for(deployment: Deployment) -> None:
    users = [deployment.make_user() for _ in range(3)]
    assert sweep(deployment, "--users")["queued"] >= 3
    deployment.wait_until_nothing_is_owed()
    signed_in = deployment.cloud.calls().get("cognito-idp:AdminRespondToAuthChallenge", 0)
    for user in users:
        assert deployment.attached_policies(deployment.identity_id(deployment.sign_in(user))) == [
            deployment.policy_name
        ]
    # Their markers are current: none of their sign-ins had to attach.
    assert deployment.cloud.calls()["cognito-idp:AdminRespondToAuthChallenge"] == signed_in
    assert sweep(deployment, "--users")["queued"] == 0


def test_of_two_sweeps_at_once_one_gives_way(deployment: Deployment, seed: Seeds) -> None:
    seed(240)
    first = _start(deployment)
    time.sleep(1)
    second = _start(deployment)
    states = deployment.cloud.client("stepfunctions")
    _wait(lambda: _status(deployment, second) != "RUNNING")
    assert json.loads(states.describe_execution(executionArn=second)["output"])["progress"]["ended"] == "another runs"
    _wait(lambda: _status(deployment, first) != "RUNNING")
    assert json.loads(states.describe_execution(executionArn=first)["output"])["progress"]["ended"] == "swept"


def test_the_command_that_is_interrupted_leaves_the_sweep_going_and_shows_it_again(
    deployment: Deployment, seed: Seeds
) -> None:
    seeded = seed(600)
    command = [sys.executable, "-m", "pubsub_client", "sweep"]
    started = subprocess.Popen(
        command, env=deployment.cloud.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with ended(started) as looking:
        machine = {"stateMachineArn": deployment.outputs[Output.SWEEP_STATE_MACHINE_ARN], "statusFilter": "RUNNING"}
        states = deployment.cloud.client("stepfunctions")
        _wait(lambda: bool(states.list_executions(**machine)["executions"]))
        time.sleep(0.5)
        looking.send_signal(signal.SIGINT)
        _, told = looking.communicate(timeout=20)
    assert looking.returncode == 130
    assert "`pubsub sweep` shows it again" in told
    again = deployment.pubsub("sweep")
    assert again.returncode == 0
    assert "A sweep runs already" in again.stdout
    assert set(seeded) <= _targets(deployment)


def test_what_is_asked_for_is_refused_while_another_sweep_runs(deployment: Deployment, seed: Seeds) -> None:
    seed(240)
    _start(deployment)
    refused = deployment.pubsub("sweep", "--full")
    assert refused.returncode == 2
    assert "a sweep runs already" in refused.stderr
    sweep(deployment)


def test_a_dry_run_with_what_changes_something_is_refused(deployment: Deployment) -> None:
    for option in ("--users", "--resume"):
        refused = deployment.pubsub("sweep", "--dry-run", option)
        assert refused.returncode == 2
        assert option in refused.stderr


def test_switched_off_it_attaches_nobody_until_it_is_resumed(deployment: Deployment, seed: Seeds) -> None:
    seeded = seed(5)
    deployment.cloud.client("ssm").put_parameter(Name="/AmplifyPubSub/attaching", Value="off", Overwrite=True)
    _kill_function(deployment)  # which has read the switch within half a minute
    swept = sweep(deployment)
    assert swept["ended"] == "attaching is off"
    assert "pubsub sweep --resume" in swept["failure"]["fix"]
    assert not set(seeded) & _targets(deployment)
    resumed = sweep(deployment, "--resume")
    assert (resumed["ended"], resumed["full"]) == ("swept", True)
    assert set(seeded) <= _targets(deployment)


def test_nothing_in_its_executions_or_its_log_tells_whose_identities_they_are(
    deployment: Deployment, seed: Seeds
) -> None:
    seeded = seed(5)
    sweep(deployment, "--full")
    states = deployment.cloud.client("stepfunctions")
    machine = deployment.outputs[Output.SWEEP_STATE_MACHINE_ARN]
    newest = states.list_executions(stateMachineArn=machine)["executions"][0]["executionArn"]
    history = json.dumps(states.get_execution_history(executionArn=newest)["events"], default=str)
    assert "attached" in history
    assert not [each for each in seeded if each in history]


def test_every_identity_is_looked_at_again_after_the_days_of_the_settings(deployment: Deployment) -> None:
    described = deployment.cloud.client("events").list_rules()["Rules"]
    (rule,) = (each for each in described if "Sweep" in each["Name"])
    assert rule["ScheduleExpression"] == "rate(1 day)"
    (target,) = deployment.cloud.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"] == deployment.outputs[Output.SWEEP_STATE_MACHINE_ARN]
