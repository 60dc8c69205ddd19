from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_cloud.process import LocalCloud, LocalCloudError, listen
from tests.integration.local_cloud.account import make_function, unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[3]


def eventually(happened: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happened()


def open_files(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in between
            yield str(descriptor.readlink())


def test_two_clouds_run_side_by_side_and_share_nothing(cloud: LocalCloud) -> None:
    name = unique("policy")
    with LocalCloud.start() as other:
        assert other.port != cloud.port
        document = '{"Version": "2012-10-17", "Statement": []}'
        other.client("iot").create_policy(policyName=name, policyDocument=document)
        policies = cloud.client("iot").list_policies()["policies"]
        assert name not in [policy["policyName"] for policy in policies]
    assert not other.answers()
    assert cloud.answers()


def test_a_given_region_is_the_region_of_what_is_made() -> None:
    with LocalCloud.start(region="eu-west-1") as european:
        pool = european.client("cognito-idp").create_user_pool(PoolName="users")["UserPool"]
        assert pool["Id"].startswith("eu-west-1_")


def test_a_taken_port_is_refused(cloud: LocalCloud) -> None:
    with pytest.raises(LocalCloudError, match=f"port {cloud.port} is taken"):
        LocalCloud.start(cloud.port)


def test_nobody_can_take_the_port_of_a_cloud_that_is_starting() -> None:
    class Watched(LocalCloud):
        def answers(self) -> bool:  # asked from the first moment of the process on
            with pytest.raises(LocalCloudError, match="is taken"):
                listen(self.port)
            return super().answers()

    Watched.start().end()


def test_a_cloud_that_cannot_start_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(LocalCloudError, match=f"did not start .* its log is {log}"):
        LocalCloud.start(without=["weather"], log_file=log)
    assert "no such behaviour: weather" in log.read_text()


def test_calls_are_counted_by_operation(cloud: LocalCloud) -> None:
    before = cloud.calls().get("iot:ListPolicies", 0)
    cloud.client("iot").list_policies()
    assert cloud.calls()["iot:ListPolicies"] == before + 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_listens_on_one_loopback_port_alone(cloud: LocalCloud) -> None:
    ours = set(open_files(cloud.pid))
    listening = [
        fields[1]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/{cloud.pid}/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in ours
    ]
    assert listening == [f"{socket.inet_aton('127.0.0.1')[::-1].hex().upper()}:{cloud.port:04X}"]


def test_nothing_is_left_in_the_temporary_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with LocalCloud.start() as cloud:
        function_arn = make_function(cloud, "def handler(event, context): return event")
        cloud.client("lambda").invoke(FunctionName=function_arn, Payload=b"{}")
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_settings_for_another_ministack_do_not_reach_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH", "false")
    monkeypatch.setenv("SERVICES", "s3")
    monkeypatch.setenv("MINISTACK_ACCOUNT_ID", "123456789012")
    with LocalCloud.start() as cloud:
        assert cloud.client("sts").get_caller_identity()["Account"] == cloud.account_id
        cloud.client("iot").list_policies()


def test_the_shells_aws_settings_reach_neither_clients_nor_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    poison = {"AWS_PROFILE": "production", "AWS_CONFIG_FILE": "/production", "HTTP_PROXY": "http://127.0.0.1:9"}
    for name, value in poison.items():
        monkeypatch.setenv(name, value)
    with LocalCloud.start() as cloud:
        source = "import os\ndef handler(event, context): return dict(os.environ)"
        answer = cloud.client("lambda").invoke(FunctionName=make_function(cloud, source))
        environment = json.load(answer["Payload"])
    assert environment["AWS_ENDPOINT_URL"].endswith(f":{cloud.port}")
    assert {name for name, value in poison.items() if environment.get(name) == value} == set()


def test_a_cloud_ends_while_a_function_runs_and_ends_the_function_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # the call that is cut off is not made again
    started = tmp_path / "started"
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
        assert eventually(lambda: started.exists() and started.read_text() != "")
        begun = time.monotonic()
        cloud.end()
        assert time.monotonic() - begun < 6
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_cloud_ends_with_the_process_that_started_it_even_if_that_is_killed() -> None:
    script = (
        "from local_cloud.process import LocalCloud; import time;"
        "cloud = LocalCloud.start(); print(cloud.port, cloud.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        port, pid = map(int, parent.stdout.readline().split())
        orphan = LocalCloud(port=port, pid=pid)
        assert orphan.answers()
        parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: not orphan.answers())
