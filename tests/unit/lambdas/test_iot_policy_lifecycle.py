from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

if TYPE_CHECKING:
    from tests.unit.lambdas.conftest import Load

_NAME = {"policyName": "myIoTPolicy"}
_PAGE = {**_NAME, "pageSize": 250}


class Context:
    """An invocation with so many milliseconds left at each question."""

    def __init__(self, *milliseconds: int) -> None:
        self._left = list(milliseconds)

    def get_remaining_time_in_millis(self) -> int:
        return self._left.pop(0) if self._left else 900_000


class Lifecycle:
    def __init__(self, module: Any) -> None:
        self.module = module
        self.iot = Stubber(module._iot)
        self.iot.activate()

    def event(self, request_type: str, physical_id: str = "", policy_name: str = "myIoTPolicy") -> dict[str, Any]:
        event: dict[str, Any] = {"RequestType": request_type, "ResourceProperties": {"PolicyName": policy_name}}
        return event | ({"PhysicalResourceId": physical_id} if physical_id else {})

    def on_event(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.module.on_event(self.event(*arguments), None)
        return answer

    def is_complete(self, request_type: str = "Delete", context: Context | None = None) -> bool:
        event = self.event(request_type, "myIoTPolicy/epoch")
        answer: dict[str, bool] = self.module.is_complete(event, context or Context())
        self.iot.assert_no_pending_responses()
        return answer["IsComplete"]

    def lists(self, *targets: str) -> None:
        self.iot.add_response("list_targets_for_policy", {"targets": list(targets)}, _PAGE)

    def detaches(self, *targets: str) -> None:
        for target in targets:
            self.iot.add_response("detach_policy", {}, {**_NAME, "target": target})

    def deletes(self) -> None:
        versions = [{"versionId": "1", "isDefaultVersion": False}, {"versionId": "2", "isDefaultVersion": True}]
        self.iot.add_response("list_policy_versions", {"policyVersions": versions}, _NAME)
        self.iot.add_response("delete_policy_version", {}, {**_NAME, "policyVersionId": "1"})


@pytest.fixture
def lifecycle(load: Load) -> Lifecycle:
    return Lifecycle(load("iot_policy_lifecycle"))


def test_each_policy_made_gets_an_epoch_of_its_own(lifecycle: Lifecycle) -> None:
    first, second = lifecycle.on_event("Create"), lifecycle.on_event("Create")
    assert first["Data"]["Epoch"] != second["Data"]["Epoch"]
    assert first["PhysicalResourceId"] == f"myIoTPolicy/{first['Data']['Epoch']}"


def test_an_update_keeps_the_epoch(lifecycle: Lifecycle) -> None:
    kept = {"PhysicalResourceId": "myIoTPolicy/abc", "Data": {"Epoch": "abc"}}
    assert lifecycle.on_event("Update", "myIoTPolicy/abc") == kept


def test_another_name_is_refused_before_anything_is_detached(lifecycle: Lifecycle) -> None:
    with pytest.raises(lifecycle.module.RenamedError, match="cannot change from myIoTPolicy to other"):
        lifecycle.on_event("Update", "myIoTPolicy/abc", "other")


def test_creating_and_updating_wait_for_nothing(lifecycle: Lifecycle) -> None:
    assert lifecycle.is_complete("Create")
    assert lifecycle.is_complete("Update")


def test_deleting_detaches_page_by_page_and_then_deletes(lifecycle: Lifecycle) -> None:
    lifecycle.lists("a", "b")
    lifecycle.detaches("a", "b")
    lifecycle.lists("c")
    lifecycle.detaches("c")
    lifecycle.lists()
    lifecycle.deletes()
    lifecycle.iot.add_response("delete_policy", {}, _NAME)
    assert lifecycle.is_complete()


def test_when_the_invocations_time_runs_out_it_asks_to_be_called_again(lifecycle: Lifecycle) -> None:
    lifecycle.lists("a", "b")
    lifecycle.detaches("a")
    assert not lifecycle.is_complete(context=Context(900_000, 59_999))


def test_while_aws_still_counts_an_attachment_it_asks_to_be_called_again(lifecycle: Lifecycle) -> None:
    lifecycle.lists()
    lifecycle.deletes()
    lifecycle.iot.add_client_error("delete_policy", "DeleteConflictException")
    assert not lifecycle.is_complete()


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailureException", "ServiceUnavailableException"])
def test_a_passing_failure_asks_to_be_called_again(lifecycle: Lifecycle, code: str) -> None:
    lifecycle.iot.add_client_error("list_targets_for_policy", code)
    assert not lifecycle.is_complete()


def test_a_policy_that_is_gone_already_needs_nothing_more(lifecycle: Lifecycle) -> None:
    lifecycle.iot.add_client_error("list_targets_for_policy", "ResourceNotFoundException")
    assert lifecycle.is_complete()


def test_any_other_failure_fails_the_deletion(lifecycle: Lifecycle) -> None:
    lifecycle.iot.add_client_error("list_targets_for_policy", "UnauthorizedException")
    with pytest.raises(lifecycle.module._iot.exceptions.UnauthorizedException):
        lifecycle.is_complete()


def test_the_endpoint_is_always_the_ats_one(load: Load) -> None:
    module = load("iot_endpoint")
    with Stubber(module._iot) as iot:
        iot.add_response("describe_endpoint", {"endpointAddress": "abc-ats.iot"}, {"endpointType": "iot:Data-ATS"})
        created = module.on_event({"RequestType": "Create"}, None)
        deleted = module.on_event({"RequestType": "Delete"}, None)
    assert created == {"PhysicalResourceId": "iot-data-ats-endpoint", "Data": {"Address": "abc-ats.iot"}}
    assert deleted == {"PhysicalResourceId": "iot-data-ats-endpoint"}
