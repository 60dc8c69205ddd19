from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.faults import Fail, Fault, Hang, Throttle
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


def test_fault_commands_set_list_and_clear(cloud: LocalCloud, local_cloud: CommandLine) -> None:
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
        "iot:AttachPolicy  answers UnauthorizedException with status 401  (hits: 0)",
        "kms:Sign kms:Verify  throttled above 2.5 a second, to 3 calls  (hits: 0)",
        "iot:AttachPolicy  hangs  (hits: 0)",
    ]
    assert local_cloud("fault", "clear", "iot:AttachPolicy").returncode == 0
    assert len(cloud.faults()) == 1
    local_cloud("fault", "clear")
    assert local_cloud("fault", "list").stdout == "no faults\n"


def test_clear_resets_delays_and_lifetimes(cloud: LocalCloud, local_cloud: CommandLine) -> None:
    cloud.policy_propagation_seconds, cloud.permission_propagation_seconds = 30, 30
    cloud.execution_consistency_seconds, cloud.credentials_lifetime_seconds = 30, 30
    local_cloud("fault", "clear")
    assert (cloud.policy_propagation_seconds, cloud.permission_propagation_seconds) == (0, 0)
    assert (cloud.execution_consistency_seconds, cloud.credentials_lifetime_seconds) == (0, 3600)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["set", "AttachPolicy", "--hang"], "operations: allowed is a list of names such as iot:AttachPolicy"),
        (["set", "iot:AttachPolicy"], "fault: allowed is exactly one of error, rate, delay, hang, malformed"),
        (
            ["set", "iot:AttachPolicy", "--hang", "--malformed"],
            "hang and malformed: allowed is exactly one of error, rate, delay, hang, malformed",
        ),
        (["set", "iot:AttachPolicy", "--rate", "fast"], "rate: allowed is a number of calls a second above 0"),
        (["set", "iot:AttachPolicy", "--delay", "1", "--status", "500"], "status: allowed with --error only"),
    ],
)
def test_fault_set_rejects_invalid_options(
    cloud: LocalCloud, local_cloud: CommandLine, arguments: list[str], error: str
) -> None:
    refused = local_cloud("fault", *arguments)
    assert (refused.returncode, refused.stderr, refused.stdout) == (2, f"local_cloud: {error}\n", "")
    assert cloud.faults() == []


def test_fault_list_without_cloud_exits_with_2(tmp_path: Path, local_cloud: CommandLine) -> None:
    State(tmp_path).forget()
    refused = local_cloud("fault", "list")
    assert (refused.returncode, refused.stderr) == (2, "local_cloud: no local cloud runs: start one with `up`\n")
