from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.stub import Stubber

from tests.unit.lambdas.conftest import ENVIRONMENT, Load

_MACHINE = ENVIRONMENT["DETACH_ALL_STATE_MACHINE_ARN"]
_OWN, _ANOTHER = "myIoTPolicy", "another"
_REQUEST = "11111111-2222-3333-4444-555555555555"
_EXECUTION = f"arn:aws:states:eu-west-1:123456789012:execution:AmplifyPubSub-detach-all:{_REQUEST}"
_MINUTE = 30_000_000
_RUNNING_ALREADY = "arn:aws:states:eu-west-1:123456789012:execution:AmplifyPubSub-detach-all:0"
_TIMES: dict[str, Any] = {"startDate": 0, "stateMachineArn": _MACHINE}


class Lifecycle:
    def __init__(self, module: Any) -> None:
        self.module = module
        self.iot, self.states = Stubber(module._iot), Stubber(module._states)
        self.iot.activate()
        self.states.activate()

    def event(self, request_type: str, physical_id: str = "", policy_name: str = _OWN) -> dict[str, Any]:
        event: dict[str, Any] = {
            "RequestType": request_type,
            "RequestId": _REQUEST,
            "ResourceType": "Custom::IotPolicyLifecycle",
            "ResourceProperties": {"PolicyName": policy_name},
        }
        return event | ({"PhysicalResourceId": physical_id} if physical_id else {})

    def on_event(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.module.on_event(self.event(*arguments), None)
        self.states.assert_no_pending_responses()
        return answer

    def is_complete(self, policy_name: str = _OWN) -> bool:
        event = self.event("Delete", f"{policy_name}/generation", policy_name) | {"ExecutionArn": _EXECUTION}
        answer: bool = self.module.is_complete(event, None)
        self.iot.assert_no_pending_responses()
        self.states.assert_no_pending_responses()
        return answer

    def runs(self, *execution_arns: str) -> None:
        executions = [{"executionArn": each, "name": "n", "status": "RUNNING", **_TIMES} for each in execution_arns]
        asked = {"stateMachineArn": _MACHINE, "statusFilter": "RUNNING"}
        self.states.add_response("list_executions", {"executions": executions}, asked)

    def describes(self, execution_arn: str, status: str, given: Any = None, cause: str | None = None) -> None:
        answer = {"executionArn": execution_arn, "status": status, "input": json.dumps(given), **_TIMES}
        told = {} if cause is None else {"cause": cause}
        self.states.add_response("describe_execution", answer | told, {"executionArn": execution_arn})

    def starts(self, given: Any, name: str = _REQUEST) -> None:
        asked = {"stateMachineArn": _MACHINE, "name": name, "input": json.dumps(given)}
        self.states.add_response("start_execution", {"executionArn": _EXECUTION, "startDate": 0}, asked)

    def counts(self, targets: int) -> None:
        answer = {"targets": [str(each) for each in range(targets)]}
        self.iot.add_response("list_targets_for_policy", answer, {"policyName": _ANOTHER, "pageSize": 250})

    def deletes_versions(self, policy_name: str = _OWN) -> None:
        versions = [{"versionId": "1", "isDefaultVersion": False}, {"versionId": "2", "isDefaultVersion": True}]
        name = {"policyName": policy_name}
        self.iot.add_response("list_policy_versions", {"policyVersions": versions}, name)
        self.iot.add_response("delete_policy_version", {}, {**name, "policyVersionId": "1"})


@pytest.fixture
def lifecycle(load: Load, monkeypatch: pytest.MonkeyPatch) -> Lifecycle:
    module = load("iot_resources")
    monkeypatch.setattr(module, "_POLLS", 1)
    monkeypatch.setattr(module, "_POLL_SECONDS", 0)
    return Lifecycle(module)


def test_new_policy_gets_a_new_generation(lifecycle: Lifecycle) -> None:
    first, second = lifecycle.on_event("Create"), lifecycle.on_event("Create")
    assert first["Data"]["Generation"] != second["Data"]["Generation"]
    assert first["PhysicalResourceId"] == f"myIoTPolicy/{first['Data']['Generation']}"


def test_update_keeps_the_generation(lifecycle: Lifecycle) -> None:
    kept = {"PhysicalResourceId": "myIoTPolicy/abc", "Data": {"Generation": "abc"}}
    assert lifecycle.on_event("Update", "myIoTPolicy/abc") == kept


def test_creating_and_updating_wait_for_nothing(lifecycle: Lifecycle) -> None:
    for request_type in ("Create", "Update"):
        assert lifecycle.module.is_complete(lifecycle.event(request_type), None) is True


def test_end_of_the_stack_stops_other_executions(lifecycle: Lifecycle) -> None:
    """The one of an earlier attempt too: it may be listed as running, and described so, although it was stopped."""
    lifecycle.runs(_RUNNING_ALREADY)
    stopped = {"executionArn": _RUNNING_ALREADY, "cause": "The stack is being destroyed"}
    lifecycle.states.add_response("stop_execution", {"stopDate": 0}, stopped)
    lifecycle.starts({"policy": _OWN})
    assert lifecycle.on_event("Delete", f"{_OWN}/abc")["ExecutionArn"] == _EXECUTION


@pytest.mark.parametrize("code", ["ExecutionDoesNotExist", "ValidationException"])
def test_ended_execution_needs_no_stop(lifecycle: Lifecycle, code: str) -> None:
    lifecycle.runs(_RUNNING_ALREADY)
    lifecycle.states.add_client_error("stop_execution", code)
    lifecycle.starts({"policy": _OWN})
    assert lifecycle.on_event("Delete", f"{_OWN}/abc")["ExecutionArn"] == _EXECUTION


def test_the_same_request_made_again_keeps_its_own_execution(lifecycle: Lifecycle) -> None:
    lifecycle.runs(_EXECUTION)
    lifecycle.states.add_client_error("start_execution", "ExecutionAlreadyExists")
    assert lifecycle.on_event("Delete", f"{_OWN}/abc")["ExecutionArn"] == _EXECUTION


def test_an_execution_that_was_only_just_started_is_waited_for(lifecycle: Lifecycle) -> None:
    lifecycle.states.add_client_error("describe_execution", "ExecutionDoesNotExist")
    assert not lifecycle.is_complete()


def test_the_policy_of_another_name_is_succeeded_by_the_stacks_own(lifecycle: Lifecycle) -> None:
    lifecycle.runs()
    lifecycle.starts({"policy": _ANOTHER, "replace": True})
    lifecycle.counts(2)
    assert lifecycle.on_event("Delete", f"{_ANOTHER}/abc", _ANOTHER)["ExecutionArn"] == _EXECUTION


def test_a_deletion_that_is_tried_again_starts_nothing_twice(lifecycle: Lifecycle) -> None:
    lifecycle.runs(_RUNNING_ALREADY)
    lifecycle.describes(_RUNNING_ALREADY, "RUNNING", {"policy": _ANOTHER, "replace": True})
    lifecycle.counts(0)
    assert lifecycle.on_event("Delete", f"{_ANOTHER}/abc", _ANOTHER)["ExecutionArn"] == _RUNNING_ALREADY


def test_ended_execution_that_is_listed_as_running_is_not_followed(lifecycle: Lifecycle) -> None:
    lifecycle.runs(_RUNNING_ALREADY, _RUNNING_ALREADY)
    lifecycle.describes(_RUNNING_ALREADY, "ABORTED", {"policy": _ANOTHER, "replace": True})
    lifecycle.states.add_client_error("describe_execution", "ExecutionDoesNotExist")
    lifecycle.starts({"policy": _ANOTHER, "replace": True})
    lifecycle.counts(0)
    assert lifecycle.on_event("Delete", f"{_ANOTHER}/abc", _ANOTHER)["ExecutionArn"] == _EXECUTION


def test_a_rename_of_more_than_fit_is_not_waited_for(lifecycle: Lifecycle) -> None:
    lifecycle.runs()
    lifecycle.starts({"policy": _ANOTHER, "replace": True})
    lifecycle.counts(3)
    answer = lifecycle.on_event("Delete", f"{_ANOTHER}/abc", _ANOTHER)
    assert answer["ExecutionArn"] is None
    event = lifecycle.event("Delete", f"{_ANOTHER}/abc", _ANOTHER) | answer
    assert lifecycle.module.is_complete(event, None) is True


class TestIdentityPool:
    _POOL = "eu-west-1:pool"
    _STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/AmplifyPubSub/1"

    def _event(self, request_type: str) -> dict[str, Any]:
        return {
            "RequestType": request_type,
            "RequestId": _REQUEST,
            "ResourceType": "Custom::IotPolicyOfIdentityPool",
            "ResourceProperties": {"IdentityPoolId": self._POOL},
            "StackId": self._STACK,
        }

    def _on_event(self, lifecycle: Lifecycle, request_type: str, status: str) -> dict[str, Any]:
        stack = {"StackName": "AmplifyPubSub", "CreationTime": 0, "StackStatus": status}
        with Stubber(lifecycle.module._stacks) as stacks:
            stacks.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": self._STACK})
            answer: dict[str, Any] = lifecycle.module.on_event(self._event(request_type), None)
        return answer

    @pytest.mark.parametrize("request_type", ["Create", "Update"])
    def test_while_it_is_there_nothing_leaves(self, lifecycle: Lifecycle, request_type: str) -> None:
        answer = lifecycle.module.on_event(self._event(request_type), None)
        assert "ExecutionArn" not in answer
        assert lifecycle.module.is_complete(self._event(request_type) | answer, None) is True

    @staticmethod
    def _is_attached_to(lifecycle: Lifecycle, *targets: str) -> None:
        asked = {"policyName": _OWN, "pageSize": 1}
        lifecycle.iot.add_response("list_targets_for_policy", {"targets": [*targets]}, asked)

    def test_its_identities_are_left_before_it_goes_and_the_policy_stays(self, lifecycle: Lifecycle) -> None:
        self._is_attached_to(lifecycle, "somebody")
        lifecycle.runs()
        lifecycle.starts({"policy": _OWN, "identityPool": self._POOL})
        event = self._event("Delete") | self._on_event(lifecycle, "Delete", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        lifecycle.describes(_EXECUTION, "RUNNING")
        assert lifecycle.module.is_complete(event, None) is False
        lifecycle.describes(_EXECUTION, "SUCCEEDED")
        assert lifecycle.module.is_complete(event, None) is True

    @pytest.mark.parametrize(
        "status", ["DELETE_IN_PROGRESS", "DELETE_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED"]
    )
    def test_when_the_whole_stack_goes_the_policy_leaves_everybody_anyway(
        self, lifecycle: Lifecycle, status: str
    ) -> None:
        assert "ExecutionArn" not in self._on_event(lifecycle, "Delete", status)

    def test_rollback_does_not_detach_from_the_other_pool(self, lifecycle: Lifecycle) -> None:
        self._is_attached_to(lifecycle, "somebody")
        lifecycle.runs()
        lifecycle.starts({"policy": _OWN, "identityPool": self._POOL})
        answer = self._on_event(lifecycle, "Delete", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        assert answer["ExecutionArn"] == _EXECUTION

    def test_a_policy_that_nobody_has_leaves_no_identities(self, lifecycle: Lifecycle) -> None:
        self._is_attached_to(lifecycle)
        answer = self._on_event(lifecycle, "Delete", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        assert "ExecutionArn" not in answer


def test_it_waits_for_the_execution_and_then_deletes_the_policy(lifecycle: Lifecycle) -> None:
    lifecycle.describes(_EXECUTION, "RUNNING")
    assert not lifecycle.is_complete()
    lifecycle.describes(_EXECUTION, "SUCCEEDED")
    lifecycle.deletes_versions()
    lifecycle.iot.add_response("delete_policy", {}, {"policyName": _OWN})
    assert lifecycle.is_complete()


def test_an_execution_that_ends_soon_needs_no_second_call(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle.module, "_POLLS", 3)
    lifecycle.states.add_client_error("describe_execution", "ExecutionDoesNotExist")
    lifecycle.describes(_EXECUTION, "RUNNING")
    lifecycle.describes(_EXECUTION, "SUCCEEDED")
    lifecycle.deletes_versions()
    lifecycle.iot.add_response("delete_policy", {}, {"policyName": _OWN})
    assert lifecycle.is_complete()


def test_an_execution_that_failed_is_told_with_its_cause(lifecycle: Lifecycle) -> None:
    lifecycle.describes(_EXECUTION, "FAILED", cause="2 x LimitExceededException")
    with pytest.raises(lifecycle.module.DetachIncompleteError, match="still attached: 2 x LimitExceededException"):
        lifecycle.is_complete()


@pytest.mark.parametrize(
    ("policy_name", "given"), [(_OWN, {"policy": _OWN}), (_ANOTHER, {"policy": _ANOTHER, "replace": True})]
)
def test_what_was_attached_behind_its_back_leaves_too(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, policy_name: str, given: dict[str, Any]
) -> None:
    monkeypatch.setattr(lifecycle.module.time, "time", lambda: _MINUTE * 60.0)
    lifecycle.describes(_EXECUTION, "SUCCEEDED")
    lifecycle.deletes_versions(policy_name)
    lifecycle.iot.add_client_error("delete_policy", "DeleteConflictException")
    asked = {"policyName": policy_name, "pageSize": 1}
    lifecycle.iot.add_response("list_targets_for_policy", {"targets": ["late"]}, asked)
    lifecycle.runs()
    lifecycle.starts(given, name=f"{_REQUEST}-{_MINUTE}")
    assert not lifecycle.is_complete(policy_name)


def test_policy_that_is_still_attached_is_not_complete(lifecycle: Lifecycle) -> None:
    lifecycle.describes(_EXECUTION, "SUCCEEDED")
    lifecycle.deletes_versions()
    lifecycle.iot.add_client_error("delete_policy", "DeleteConflictException")
    asked = {"policyName": _OWN, "pageSize": 1}
    lifecycle.iot.add_response("list_targets_for_policy", {"targets": []}, asked)
    assert not lifecycle.is_complete()


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailureException", "ServiceUnavailableException"])
def test_a_passing_failure_asks_to_be_called_again(lifecycle: Lifecycle, code: str) -> None:
    lifecycle.describes(_EXECUTION, "SUCCEEDED")
    lifecycle.iot.add_client_error("list_policy_versions", code)
    assert not lifecycle.is_complete()


def test_a_policy_that_is_gone_already_needs_nothing_more(lifecycle: Lifecycle) -> None:
    lifecycle.describes(_EXECUTION, "SUCCEEDED")
    lifecycle.iot.add_client_error("list_policy_versions", "ResourceNotFoundException")
    assert lifecycle.is_complete()


def test_any_other_failure_fails_the_deletion(lifecycle: Lifecycle) -> None:
    lifecycle.describes(_EXECUTION, "SUCCEEDED")
    lifecycle.iot.add_client_error("list_policy_versions", "UnauthorizedException")
    with pytest.raises(lifecycle.module._iot.exceptions.UnauthorizedException):
        lifecycle.is_complete()


def _guard(request_type: str) -> dict[str, Any]:
    properties = {"MaxIdentities": "3", "DetachPerSecond": "15"}
    return {"RequestType": request_type, "ResourceType": "Custom::DeletionGuard", "ResourceProperties": properties}


def _delete_guard(lifecycle: Lifecycle, attached: int) -> Any:
    response = {"targets": [str(each) for each in range(attached)]}
    lifecycle.iot.add_response("list_targets_for_policy", response, {"policyName": _OWN, "pageSize": 250})
    return lifecycle.module.on_event(_guard("Delete"), None)


@pytest.mark.parametrize("attached", [0, 3])
def test_guard_allows_the_deletion_that_fits(lifecycle: Lifecycle, attached: int) -> None:
    assert _delete_guard(lifecycle, attached) == {"PhysicalResourceId": "AmplifyPubSub/deletion-guard"}


def test_guard_stops_a_larger_deletion_and_names_the_command(lifecycle: Lifecycle) -> None:
    with pytest.raises(lifecycle.module.TooManyAttachedError) as raised:
        _delete_guard(lifecycle, 4)
    for words in ("is attached to 4 identities", "pubsub detach --all --stack AmplifyPubSub --region eu-west-1"):
        assert words in str(raised.value)


def test_guard_counts_only_before_a_deletion(lifecycle: Lifecycle) -> None:
    for request_type in ("Create", "Update"):
        lifecycle.module.on_event(_guard(request_type), None)


@pytest.mark.parametrize(("request_type", "deletes"), [("Create", False), ("Update", True), ("Delete", False)])
def test_before_a_changed_document_the_old_versions_go(lifecycle: Lifecycle, request_type: str, deletes: bool) -> None:
    event = lifecycle.event(request_type, "myIoTPolicy/versions") | {"ResourceType": "Custom::IotPolicyVersions"}
    if deletes:
        lifecycle.deletes_versions()
    assert lifecycle.module.on_event(event, None) == {"PhysicalResourceId": "myIoTPolicy/versions"}
    assert lifecycle.module.is_complete(event, None) is True
    lifecycle.iot.assert_no_pending_responses()


def test_endpoint_is_the_ats_endpoint(lifecycle: Lifecycle) -> None:
    response = {"endpointAddress": "abc-ats.iot"}
    lifecycle.iot.add_response("describe_endpoint", response, {"endpointType": "iot:Data-ATS"})
    created, deleted = (
        lifecycle.module.on_event({"RequestType": each, "ResourceType": "Custom::IotEndpoint"}, None)
        for each in ("Create", "Delete")
    )
    assert created == {"PhysicalResourceId": "iot-data-ats-endpoint", "Data": {"Address": "abc-ats.iot"}}
    assert deleted == {"PhysicalResourceId": "iot-data-ats-endpoint"}
