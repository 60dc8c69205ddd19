from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from local_cloud.process import LocalCloud, LocalCloudError, listen
from tests.integration.local_cloud.account import (
    ALLOW_IOT,
    client_with,
    document,
    make_function,
    make_iam_user,
    unique,
    wait_until,
)


def open_files(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in between
            yield str(descriptor.readlink())


class CloudWithCheckedPort(LocalCloud):
    """A cloud that checks at each request that its port is in use."""

    def answers(self) -> bool:
        with pytest.raises(LocalCloudError, match="is in use"):
            listen(self.port)
        return super().answers()


_AWS_SETTINGS = {"AWS_PROFILE": "production", "AWS_CONFIG_FILE": "/production", "HTTP_PROXY": "http://127.0.0.1:9"}
_MINISTACK_SETTINGS = {"AUTH": "false", "SERVICES": "s3", "MINISTACK_ACCOUNT_ID": "123456789012"}


@pytest.fixture(scope="module")
def other() -> Iterator[LocalCloud]:
    """A cloud in another region, started from a shell with other AWS and ministack settings."""
    with pytest.MonkeyPatch.context() as shell:
        for name, value in (_AWS_SETTINGS | _MINISTACK_SETTINGS | {"LAMBDA_ACCOUNT_CONCURRENCY": "10"}).items():
            shell.setenv(name, value)
        started = CloudWithCheckedPort.start(region="eu-west-1")
    with started:
        yield started


def test_two_clouds_share_nothing(cloud: LocalCloud, other: LocalCloud) -> None:
    assert other.port != cloud.port
    name = unique("policy")
    other.client("iot").create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    assert name not in [policy["policyName"] for policy in cloud.client("iot").list_policies()["policies"]]


def test_cloud_has_its_own_region_and_account(other: LocalCloud) -> None:
    pool = other.client("cognito-idp").create_user_pool(PoolName="users")["UserPool"]
    assert pool["Id"].startswith("eu-west-1_")
    assert other.client("sts").get_caller_identity()["Account"] == other.account_id


def test_aws_settings_of_the_shell_reach_neither_clients_nor_functions(
    other: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _AWS_SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(other, "_clients", {})
    source = "import os\ndef handler(event, context): return dict(os.environ)"
    answer = other.client("lambda").invoke(FunctionName=make_function(other, source))
    environment = json.load(answer["Payload"])
    assert environment["AWS_ENDPOINT_URL"].endswith(f":{other.port}")
    assert {name for name, value in _AWS_SETTINGS.items() if environment.get(name) == value} == set()


def test_quota_of_concurrent_executions_is_that_of_aws_unless_set(cloud: LocalCloud, other: LocalCloud) -> None:
    limits = [each.client("lambda").get_account_settings()["AccountLimit"] for each in (cloud, other)]
    assert [each["ConcurrentExecutions"] for each in limits] == [1000, 10]


def test_cloud_ends_running_functions_and_removes_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # do not repeat the interrupted call
    scratch, started = tmp_path / "scratch", tmp_path / "started"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    source = f"""
import os, time
def handler(event, context):
    with open({str(started)!r}, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)
"""
    with ThreadPoolExecutor() as background, LocalCloud.start() as cloud:
        function_arn = make_function(cloud, source, timeout=120)
        background.submit(cloud.client("lambda").invoke, FunctionName=function_arn)
        wait_until(lambda: started.exists() and started.read_text() != "")
        assert list(scratch.iterdir())
        begun = time.monotonic()
        cloud.end()
        assert time.monotonic() - begun < 30  # without waiting for the invocation
    assert list(scratch.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_end_sends_no_signal_to_an_ended_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process can have the same id by then."""
    with LocalCloud.start() as cloud:
        cloud.end()
        monkeypatch.delattr(os, "kill")
        cloud.end()


def test_cloud_that_cannot_start_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(LocalCloudError, match=f"did not start .* its log is {log}"):
        LocalCloud.start(without=["weather"], log_file=log)
    assert "no such patch: weather" in log.read_text()


def test_permissions_that_a_user_needs_are_recorded(cloud: LocalCloud) -> None:
    keys = make_iam_user(cloud)
    iot, arn = client_with(cloud, "iot", keys), client_with(cloud, "sts", keys).get_caller_identity()["Arn"]
    with pytest.raises(iot.exceptions.ClientError, match="not authorized"):
        iot.list_policies()
    assert cloud.permissions_of(arn) == {"iot:ListPolicies"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_server_listens_only_on_one_loopback_port(cloud: LocalCloud) -> None:
    ours = set(open_files(cloud.pid))
    listening = [
        fields[1]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/{cloud.pid}/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in ours
    ]
    assert listening == [f"{socket.inet_aton('127.0.0.1')[::-1].hex().upper()}:{cloud.port:04X}"]


_SLOW = """
import json, time, urllib.request
def handler(event, context):
    time.sleep(0.5)
    answer = {"Status": "SUCCESS", "PhysicalResourceId": "slow"}
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT"))
"""


def test_cdk_cli_receives_the_answer_when_the_stack_is_complete(cloud: LocalCloud) -> None:
    name = unique("stack")
    slow = {"Type": "Custom::Slow", "Properties": {"ServiceToken": make_function(cloud, _SLOW)}}
    formation = cloud.client("cloudformation")
    formation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Slow": slow}}))
    assert formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    cli = boto3.client(
        "cloudformation",
        region_name=cloud.region,
        endpoint_url=cloud.endpoint_url,
        config=Config(user_agent_extra="aws-cdk/2.0.0"),
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    assert cli.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
