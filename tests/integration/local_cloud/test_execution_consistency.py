from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.local_cloud.account import ALLOW_IOT, Account, unique
from tests.integration.local_cloud.state_machine import make_state_machine

AN_HOUR = 3600.0
_WAIT = {"Type": "Wait", "Seconds": 600, "End": True}


@pytest.fixture
def slow_account(account: Account) -> Iterator[Account]:
    """The account on a cloud whose new and stopped executions are seen in an hour, or when the delay is set anew."""
    account.cloud.execution_consistency_seconds = AN_HOUR
    yield account
    account.cloud.clear_faults()


def test_a_new_execution_is_found_after_the_delay_and_a_stopped_one_seems_to_run_until_then(
    slow_account: Account,
) -> None:
    states = slow_account.cloud.client("stepfunctions")
    machine = make_state_machine(slow_account.cloud, _WAIT, ALLOW_IOT)

    def running() -> list[str]:
        listed = states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
        return [each["executionArn"] for each in listed]

    execution = states.start_execution(stateMachineArn=machine, name=unique("execution"))["executionArn"]
    for look in (states.describe_execution, states.get_execution_history):
        with pytest.raises(states.exceptions.ExecutionDoesNotExist):
            look(executionArn=execution)
    assert running() == []
    slow_account.cloud.execution_consistency_seconds = AN_HOUR
    assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    assert running() == [execution]
    states.stop_execution(executionArn=execution)
    assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    assert running() == [execution]
    slow_account.cloud.execution_consistency_seconds = AN_HOUR
    assert states.describe_execution(executionArn=execution)["status"] == "ABORTED"
    assert running() == []


def test_it_is_off_unless_set(account: Account) -> None:
    account.cloud.clear_faults()
    assert account.cloud.execution_consistency_seconds == 0
    states = account.cloud.client("stepfunctions")
    machine = make_state_machine(account.cloud, _WAIT, ALLOW_IOT)
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    states.stop_execution(executionArn=execution)
    assert states.describe_execution(executionArn=execution)["status"] == "ABORTED"
