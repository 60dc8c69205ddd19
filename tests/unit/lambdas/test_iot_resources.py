"""The custom resources of AWS IoT; tests/e2e/test_lifecycle.py renames, replaces and deletes them in a stack."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.lambdas.conftest import ENVIRONMENT, Load
from tests.unit.lambdas.fake_aws import AwsError, FakeIot, FakeStack, FakeStates

_MACHINE = ENVIRONMENT["DETACH_ALL_STATE_MACHINE_ARN"]
_OWN, _ANOTHER = "myIoTPolicy", "another"
_REQUEST = "11111111-2222-3333-4444-555555555555"
_EXECUTIONS = "arn:aws:states:eu-west-1:123456789012:execution:AmplifyPubSub-detach-all:"
_EXECUTION, _EARLIER = _EXECUTIONS + _REQUEST, _EXECUTIONS + "0"
_POOL = "eu-west-1:pool"
_RUNNING, _SUCCEEDED = {"status": "RUNNING"}, {"status": "SUCCEEDED"}
_DETACH_OWN, _RENAME = {"policy": _OWN}, {"policy": _ANOTHER, "replace": True}


class Resources:
    """The custom resources with AWS IoT, the state machine of bulk detachment, and the stack."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.iot, self.states = FakeIot(module._iot), FakeStates(module._states)
        self.stack = FakeStack(module._stacks)

    def request(self, request_type: str, resource_type: str, **properties: Any) -> dict[str, Any]:
        """Handle a request; return it, updated with the response as for ``is_complete``."""
        event = {
            "RequestType": request_type,
            "RequestId": _REQUEST,
            "ResourceType": f"Custom::{resource_type}",
            "ResourceProperties": properties,
            "StackId": "stack-id",
        }
        if request_type != "Create":
            event["PhysicalResourceId"] = f"{properties.get('PolicyName')}/abc"
        response: dict[str, Any] = self.module.on_event(event, None)
        return event | response

    def delete_policy(self, policy_name: str = _OWN) -> dict[str, Any]:
        return self.request("Delete", "IotPolicyLifecycle", PolicyName=policy_name)

    def is_complete(self, event: dict[str, Any]) -> bool:
        done: bool = self.module.is_complete(event, None)
        return done

    def started(self) -> list[tuple[str, Any]]:
        """Return name and input of each execution that was started."""
        requests = self.states.requests("start_execution")
        assert {each["stateMachineArn"] for each in requests} <= {_MACHINE}
        return [(each["name"], json.loads(each["input"])) for each in requests]


@pytest.fixture
def resources(load: Load, monkeypatch: pytest.MonkeyPatch) -> Resources:
    module = load("iot_resources")
    monkeypatch.setattr(module, "_POLLS", 1)
    monkeypatch.setattr(module, "_POLL_SECONDS", 0)
    return Resources(module)


def _targets(count: int, policy_name: str) -> dict[str, set[str]]:
    return {f"target-{each:03}": {policy_name} for each in range(count)}


def test_policy_gets_a_generation_that_updates_keep(resources: Resources) -> None:
    first, second = (resources.request("Create", "IotPolicyLifecycle", PolicyName=_OWN) for _ in range(2))
    assert first["Data"]["Generation"] != second["Data"]["Generation"]
    assert first["PhysicalResourceId"] == f"{_OWN}/{first['Data']['Generation']}"
    updated = resources.request("Update", "IotPolicyLifecycle", PolicyName=_OWN)
    assert (updated["PhysicalResourceId"], updated["Data"]) == (f"{_OWN}/abc", {"Generation": "abc"})
    assert resources.is_complete(first)
    assert resources.is_complete(updated)


class TestDeletionOfTheStack:
    @pytest.mark.parametrize("code", [None, "ExecutionDoesNotExist", "ValidationException"])
    def test_other_executions_are_stopped(self, resources: Resources, code: str | None) -> None:
        """An execution of an earlier attempt could be listed as running although it was stopped."""
        resources.states.running = [_EARLIER]
        resources.states.failures["stop_execution"] = [code and AwsError(code)]  # type: ignore[list-item]
        assert resources.delete_policy()["ExecutionArn"] == _EXECUTION
        assert [each["executionArn"] for each in resources.states.requests("stop_execution")] == [_EARLIER]
        assert resources.started() == [(_REQUEST, _DETACH_OWN)]

    def test_repeated_request_keeps_its_execution(self, resources: Resources) -> None:
        resources.states.running = [_EXECUTION]
        resources.states.failures["start_execution"] = [AwsError("ExecutionAlreadyExists")]
        assert resources.delete_policy()["ExecutionArn"] == _EXECUTION
        assert resources.states.requests("stop_execution") == []

    def test_guard_stops_only_a_deletion_of_too_many_attachments(self, resources: Resources) -> None:
        properties = {"MaxIdentities": "3", "DetachPerSecond": "15"}
        resources.iot.policies = _targets(3, _OWN)
        event = resources.request("Delete", "DeletionGuard", **properties)
        assert event["PhysicalResourceId"] == "AmplifyPubSub/deletion-guard"
        resources.iot.policies = _targets(4, _OWN)
        resources.request("Update", "DeletionGuard", **properties)
        too_many = resources.module.TooManyAttachedError
        with pytest.raises(too_many, match=r"attached to 4 identities.* pubsub detach --all --stack AmplifyPubSub"):
            resources.request("Delete", "DeletionGuard", **properties)


class TestRename:
    """The deletion of a policy that is not the stack's current one."""

    @pytest.mark.parametrize(("attached", "waits"), [(2, True), (3, False)])
    def test_policy_is_replaced_and_waited_for_if_it_fits(
        self, resources: Resources, attached: int, waits: bool
    ) -> None:
        resources.iot.policies = _targets(attached, _ANOTHER)
        event = resources.delete_policy(_ANOTHER)
        assert resources.started() == [(_REQUEST, _RENAME)]
        assert event["ExecutionArn"] == (_EXECUTION if waits else None)
        assert resources.is_complete(event) is not waits

    def test_running_execution_is_followed(self, resources: Resources) -> None:
        resources.states.running = [_EARLIER]
        resources.states.executions[_EARLIER] = [_RUNNING | {"input": json.dumps(_RENAME)}]
        assert resources.delete_policy(_ANOTHER)["ExecutionArn"] == _EARLIER
        assert resources.started() == []

    def test_ended_execution_that_is_listed_as_running_is_not_followed(self, resources: Resources) -> None:
        resources.states.running = [_EARLIER, _EARLIER]
        resources.states.executions[_EARLIER] = [{"status": "ABORTED", "input": json.dumps(_RENAME)}, None]
        assert resources.delete_policy(_ANOTHER)["ExecutionArn"] == _EXECUTION


class TestCompletion:
    @pytest.mark.parametrize(("polls", "calls"), [(1, 3), (3, 1)], ids=["in a later call", "in one call"])
    def test_policy_is_deleted_after_the_execution(
        self, resources: Resources, monkeypatch: pytest.MonkeyPatch, polls: int, calls: int
    ) -> None:
        monkeypatch.setattr(resources.module, "_POLLS", polls)
        event = resources.delete_policy()
        resources.states.executions[_EXECUTION] = [None, _RUNNING, _SUCCEEDED]
        assert [resources.is_complete(event) for _ in range(calls)] == [False] * (calls - 1) + [True]
        assert resources.iot.changes == ["delete_policy_version", "delete_policy"]

    def test_failed_execution_is_reported_with_its_cause(self, resources: Resources) -> None:
        failed = {"status": "FAILED", "cause": "2 x LimitExceededException"}
        event = resources.delete_policy()
        resources.states.executions[_EXECUTION] = [failed]
        with pytest.raises(resources.module.DetachIncompleteError, match="still attached: 2 x LimitExceeded"):
            resources.is_complete(event)

    @pytest.mark.parametrize(("policy_name", "options"), [(_OWN, _DETACH_OWN), (_ANOTHER, _RENAME)])
    @pytest.mark.parametrize("late", [0, 1], ids=["not yet detached for AWS", "attached meanwhile"])
    def test_policy_in_conflict_is_detached_again(
        self,
        resources: Resources,
        monkeypatch: pytest.MonkeyPatch,
        policy_name: str,
        options: dict[str, Any],
        late: int,
    ) -> None:
        event = resources.delete_policy(policy_name)
        monkeypatch.setattr(resources.module.time, "time", lambda: 30_000_000 * 60.0)
        resources.states.executions[_EXECUTION] = [_SUCCEEDED]
        resources.iot.policies = _targets(late, policy_name)
        resources.iot.failures["delete_policy"] = [AwsError("DeleteConflictException")]
        assert not resources.is_complete(event)
        assert resources.started()[1:] == [(f"{_REQUEST}-30000000", options)] * late

    @pytest.mark.parametrize(
        ("code", "done"), [("ThrottlingException", False), ("ResourceNotFoundException", True), ("Unauthorized", None)]
    )
    def test_only_lasting_errors_fail_the_deletion(self, resources: Resources, code: str, done: bool | None) -> None:
        event = resources.delete_policy()
        resources.states.executions[_EXECUTION] = [_SUCCEEDED]
        resources.iot.failures["list_policy_versions"] = [AwsError(code)]
        if done is None:
            with pytest.raises(ClientError, match=code):
                resources.is_complete(event)
        else:
            assert resources.is_complete(event) is done


class TestIdentityPool:
    @pytest.mark.parametrize(
        "status", ["UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"]
    )
    def test_identities_of_a_replaced_pool_are_detached(self, resources: Resources, status: str) -> None:
        resources.stack.status = status
        resources.iot.policies = _targets(1, _OWN)
        event = resources.request("Delete", "IotPolicyOfIdentityPool", IdentityPoolId=_POOL)
        assert resources.started() == [(_REQUEST, {"policy": _OWN, "identityPool": _POOL})]
        resources.states.executions[_EXECUTION] = [_RUNNING, _SUCCEEDED]
        assert [resources.is_complete(event) for _ in range(2)] == [False, True]
        assert resources.iot.changes == []  # the policy stays

    def test_cloudformation_waits_forty_minutes_for_a_large_pool(
        self, resources: Resources, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The execution continues."""
        now = 1_000_000.0
        monkeypatch.setattr(resources.module.time, "time", lambda: now)
        resources.stack.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        resources.iot.policies = _targets(1, _OWN)
        event = resources.request("Delete", "IotPolicyOfIdentityPool", IdentityPoolId=_POOL)
        resources.states.executions[_EXECUTION] = [_RUNNING]
        now += 2399
        assert not resources.is_complete(event)
        now += 2
        assert resources.is_complete(event)

    @pytest.mark.parametrize(
        ("request_type", "status", "attached"),
        [
            ("Create", "CREATE_IN_PROGRESS", 1),
            ("Update", "UPDATE_IN_PROGRESS", 1),
            ("Delete", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", 0),
            # The whole stack is deleted, and the policy is detached from all targets.
            *(("Delete", each, 1) for each in ("DELETE_IN_PROGRESS", "DELETE_FAILED", "ROLLBACK_IN_PROGRESS")),
        ],
    )
    def test_nothing_is_detached_otherwise(
        self, resources: Resources, request_type: str, status: str, attached: int
    ) -> None:
        resources.stack.status = status
        resources.iot.policies = _targets(attached, _OWN)
        event = resources.request(request_type, "IotPolicyOfIdentityPool", IdentityPoolId=_POOL)
        assert resources.started() == []
        assert resources.is_complete(event)


@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_old_versions_are_deleted_before_the_document_changes(resources: Resources, request_type: str) -> None:
    event = resources.request(request_type, "IotPolicyVersions", PolicyName=_OWN)
    assert event["PhysicalResourceId"] == f"{_OWN}/versions"
    assert resources.is_complete(event)
    assert resources.iot.changes == (["delete_policy_version"] if request_type == "Update" else [])


def test_endpoint_is_the_ats_endpoint(resources: Resources) -> None:
    created, deleted = (resources.request(each, "IotEndpoint") for each in ("Create", "Delete"))
    assert created["PhysicalResourceId"] == deleted["PhysicalResourceId"] == "iot-data-ats-endpoint"
    assert (created["Data"], "Data" in deleted) == ({"Address": "iot:Data-ATS.iot"}, False)
