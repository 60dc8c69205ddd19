from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.faults import Fail, Fault, Hang, Throttle
from local_cloud.faults.quotas import AWS_QUOTAS
from local_cloud.process import LocalCloud
from local_cloud.state import State
from tests.integration.local_cloud.command_line import CommandLine


@pytest.fixture
def local_cloud(cloud: LocalCloud, tmp_path: Path) -> Iterator[CommandLine]:
    cloud.clear_faults()
    state = State(tmp_path)
    state.remember(cloud)
    yield CommandLine(state)
    cloud.clear_faults()


def test_set_list_and_clear(cloud: LocalCloud, local_cloud: CommandLine) -> None:
    set_error = local_cloud("fault", "set", "iot:AttachPolicy", "--error", "UnauthorizedException", "--status", "401")
    assert (set_error.returncode, set_error.stderr) == (0, "")
    local_cloud("fault", "set", "kms:Sign", "kms:Verify", "--rate", "2.5", "--times", "3")
    local_cloud("fault", "set", "iot:AttachPolicy", "--hang")
    assert [each.fault for each in cloud.faults()] == [
        Fault(("iot:AttachPolicy",), Fail("UnauthorizedException", 401)),
        Fault(("kms:Sign", "kms:Verify"), Throttle(2.5), times=3),
        Fault(("iot:AttachPolicy",), Hang()),
    ]
    assert local_cloud("fault", "list").stdout.splitlines() == [
        "iot:AttachPolicy  answers UnauthorizedException with status 401  (met by 0)",
        "kms:Sign kms:Verify  throttled above 2.5 a second, to 3 calls  (met by 0)",
        "iot:AttachPolicy  hangs  (met by 0)",
    ]
    assert local_cloud("fault", "clear", "iot:AttachPolicy").returncode == 0
    assert len(cloud.faults()) == 1
    local_cloud("fault", "clear")
    assert local_cloud("fault", "list").stdout == "no faults\n"


def test_the_profile_of_aws_tells_its_sources(cloud: LocalCloud, local_cloud: CommandLine) -> None:
    profile = local_cloud("fault", "profile", "aws")
    assert profile.returncode == 0
    assert len(profile.stdout.splitlines()) == len(AWS_QUOTAS)
    assert all("(https://docs.aws.amazon.com/" in line for line in profile.stdout.splitlines())
    assert [each.fault for each in cloud.faults()] == [quota.fault for quota in AWS_QUOTAS]


def test_propagation_is_set_listed_and_cleared(cloud: LocalCloud, local_cloud: CommandLine) -> None:
    assert local_cloud("fault", "propagation", ".5").stdout == "changes of IoT policies act after 0.5 s\n"
    assert cloud.policy_propagation_seconds == 0.5
    assert local_cloud("fault", "list").stdout == "changes of IoT policies act after 0.5 s\n"
    assert local_cloud("fault", "propagation", "0").stdout == "changes of IoT policies act at once\n"
    assert cloud.policy_propagation_seconds == 0


def test_the_delays_of_permissions_and_executions_are_set_listed_and_cleared(
    cloud: LocalCloud, local_cloud: CommandLine
) -> None:
    assert local_cloud("fault", "permissions", "30").stdout == "new permissions of roles act after 30 s\n"
    assert local_cloud("fault", "executions", "2").stdout == "new and stopped executions are seen after 2 s\n"
    assert (cloud.permission_propagation_seconds, cloud.execution_consistency_seconds) == (30, 2)
    assert local_cloud("fault", "list").stdout.splitlines() == [
        "new permissions of roles act after 30 s",
        "new and stopped executions are seen after 2 s",
    ]
    local_cloud("fault", "clear")
    assert (cloud.permission_propagation_seconds, cloud.execution_consistency_seconds) == (0, 0)


def test_the_lifetime_of_credentials_is_set_listed_and_cleared(cloud: LocalCloud, local_cloud: CommandLine) -> None:
    assert local_cloud("fault", "credentials", "60").stdout == "credentials of identities live 60 s\n"
    assert cloud.credentials_lifetime_seconds == 60
    assert local_cloud("fault", "list").stdout == "credentials of identities live 60 s\n"
    local_cloud("fault", "clear")
    assert local_cloud("fault", "list").stdout == "no faults\n"
    assert cloud.credentials_lifetime_seconds == 3600


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["set", "AttachPolicy", "--hang"], "operations: allowed is a list of names such as iot:AttachPolicy"),
        (["set", "iot:AttachPolicy"], "fault: allowed is exactly one of error, rate, delay, hang, malformed"),
        (
            ["set", "iot:AttachPolicy", "--hang", "--malformed"],
            "hang and malformed: allowed is exactly one of error, rate, delay, hang, malformed",
        ),
        (["set", "iot:AttachPolicy", "--rate", "fast"], "rate: allowed is a number of calls a second above 0"),
        (["set", "iot:AttachPolicy", "--delay", "1", "--status", "500"], "status: allowed with --error only"),
        (["profile", "azure"], "profile 'azure': allowed is aws"),
        (["propagation", "soon"], "seconds: allowed is a number of seconds from 0 to 86400"),
        (["permissions", "late"], "seconds: allowed is a number of seconds from 0 to 86400"),
        (["executions", "90000"], "seconds: allowed is a number of seconds from 0 to 86400"),
        (["credentials", "long"], "seconds: allowed is a number of seconds from 0 to 86400"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    cloud: LocalCloud, local_cloud: CommandLine, arguments: list[str], told: str
) -> None:
    refused = local_cloud("fault", *arguments)
    assert (refused.returncode, refused.stderr, refused.stdout) == (2, f"local_cloud: {told}\n", "")
    assert cloud.faults() == []


def test_without_a_cloud_it_is_one_line_and_exit_code_2(tmp_path: Path, local_cloud: CommandLine) -> None:
    State(tmp_path).forget()
    refused = local_cloud("fault", "list")
    assert (refused.returncode, refused.stderr) == (2, "local_cloud: no local cloud runs: start one with `up`\n")


def test_calls_are_printed_by_operation(cloud: LocalCloud, local_cloud: CommandLine) -> None:
    cloud.client("iot").list_policies()
    count = cloud.calls()["iot:ListPolicies"]
    assert f"{count:8}  iot:ListPolicies" in local_cloud("calls").stdout.splitlines()
