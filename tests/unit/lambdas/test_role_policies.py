from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from tests.unit.lambdas.conftest import Load

_ROLE = "amplify-shop-dev-authRole"
_DATA = "arn:aws:iam::aws:policy/AWSIoTDataAccess"
_CONFIG = "arn:aws:iam::aws:policy/AWSIoTConfigAccess"


class Role:
    def __init__(self, module: Any) -> None:
        self.module = module
        self.iam, self.stacks = Stubber(module._iam), Stubber(module._stacks)
        self.iam.activate()
        self.stacks.activate()

    def holds(self, *policy_arns: str) -> None:
        attached = [{"PolicyName": each.rpartition("/")[2], "PolicyArn": each} for each in policy_arns]
        self.iam.add_response(
            "list_attached_role_policies", {"AttachedPolicies": attached, "IsTruncated": False}, {"RoleName": _ROLE}
        )

    def gets(self, policy_arn: str) -> None:
        self.iam.add_response("attach_role_policy", {}, {"RoleName": _ROLE, "PolicyArn": policy_arn})

    def loses(self, policy_arn: str) -> None:
        self.iam.add_response("detach_role_policy", {}, {"RoleName": _ROLE, "PolicyArn": policy_arn})

    def run(
        self,
        request_type: str,
        physical_id: str | None = None,
        policy_arn: str = _CONFIG,
        *,
        request_id: str | None = None,
        **properties: Any,
    ) -> str:
        event: dict[str, Any] = {
            "RequestType": request_type,
            "RequestId": request_id or str(uuid.uuid4()),
            "StackId": "stack-id",
            "ResourceProperties": {"RoleName": _ROLE, "PolicyArn": policy_arn, **properties},
        }
        answer = self.module.on_event(event | ({"PhysicalResourceId": physical_id} if physical_id else {}), None)
        self.iam.assert_no_pending_responses()
        self.stacks.assert_no_pending_responses()
        return str(answer["PhysicalResourceId"])


@pytest.fixture
def role(load: Load) -> Role:
    return Role(load("role_policies"))


def test_a_policy_that_was_attached_here_is_detached_afterwards(role: Role) -> None:
    role.holds(_DATA)
    role.gets(_CONFIG)
    physical_id = role.run("Create")
    role.loses(_CONFIG)
    assert role.run("Delete", physical_id) == physical_id


def test_policy_that_the_role_had_is_neither_attached_nor_detached(role: Role) -> None:
    role.holds(_CONFIG, _DATA)
    physical_id = role.run("Create")
    assert role.run("Update", physical_id) == physical_id
    assert role.run("Delete", physical_id) == physical_id


def test_an_update_attaches_again_what_somebody_has_detached_of_ours(role: Role) -> None:
    role.holds()
    role.gets(_CONFIG)
    physical_id = role.run("Create")
    role.holds()
    role.gets(_CONFIG)
    assert role.run("Update", physical_id) == physical_id


def test_a_changed_policy_takes_the_place_of_the_old_one(role: Role) -> None:
    role.holds()
    role.gets(_CONFIG)
    old = role.run("Create")
    role.holds(_CONFIG)
    role.gets(_DATA)
    new = role.run("Update", old, _DATA)
    assert new != old  # so CloudFormation deletes the old one next, with the properties that it had
    role.loses(_CONFIG)
    role.run("Delete", old)
    role.loses(_DATA)
    role.run("Delete", new, _DATA)


def test_a_changed_policy_that_the_role_held_before_stays_afterwards(role: Role) -> None:
    role.holds()
    role.gets(_CONFIG)
    old = role.run("Create")
    role.holds(_CONFIG, _DATA)
    new = role.run("Update", old, _DATA)
    assert new != old
    role.run("Delete", new, _DATA)


def test_a_role_without_room_is_named_with_what_to_do(role: Role) -> None:
    role.holds()
    role.iam.add_client_error("attach_role_policy", "LimitExceeded")
    with pytest.raises(role.module.NotAttachedError, match=f"role {_ROLE} has the maximum number of managed policies"):
        role.run("Create")


def test_a_role_that_was_only_just_made_is_waited_for(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = iter([True, True])
    monkeypatch.setattr(role.module._wait, "pause", lambda: next(pauses))
    for _ in range(2):
        role.iam.add_client_error("list_attached_role_policies", "NoSuchEntity")
    role.holds()
    role.gets(_CONFIG)
    role.run("Create")


def test_a_policy_that_was_only_just_made_is_waited_for(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = iter([True, True, False])
    monkeypatch.setattr(role.module._wait, "pause", lambda: next(pauses))
    role.holds()
    for _ in range(2):
        role.iam.add_client_error("attach_role_policy", "NoSuchEntity")
    role.gets(_CONFIG)
    assert role.run("Create") == f"{_ROLE}|{_CONFIG}"
    role.holds()
    role.iam.add_client_error("attach_role_policy", "NoSuchEntity")
    with pytest.raises(role.module.NotAttachedError, match=f"policy {_CONFIG}"):
        role.run("Create")


def test_repeated_request_returns_the_same_physical_id(role: Role) -> None:
    """CDK's provider framework invokes the function again when it gets no answer."""
    role.holds()
    role.gets(_CONFIG)
    physical_id = role.run("Create", request_id="the same")
    assert role.run("Create", request_id="the same") == physical_id
    role.loses(_CONFIG)
    role.run("Delete", physical_id)


def test_failed_creation_detaches_the_policy(role: Role) -> None:
    """CloudFormation deletes nothing that it failed to create."""
    role.holds(_DATA)
    role.iam.add_client_error("attach_role_policy", "ServiceFailure", http_status_code=500)
    role.loses(_CONFIG)
    with pytest.raises(ClientError, match="ServiceFailure"):
        role.run("Create")
    role.iam.assert_no_pending_responses()


def test_a_role_that_is_not_there_is_named_with_the_setting(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role.module._wait, "pause", lambda: False)
    role.iam.add_client_error("list_attached_role_policies", "NoSuchEntity")
    with pytest.raises(role.module.NotAttachedError, match=f"role {_ROLE} does not exist: check adopt.authRoleArn"):
        role.run("Create")


def test_a_role_that_has_gone_needs_nothing(role: Role) -> None:
    role.iam.add_client_error("detach_role_policy", "NoSuchEntity")
    role.run("Delete", f"{_ROLE}|{_CONFIG}")


class TestADeny:
    """It goes after the policies that it guards, or not at all."""

    ARN = "arn:aws:iam::123456789012:policy/ControlPlaneDeny"
    GUARDED = ("Data", "Config")

    def _deletes(self, role: Role, *statuses: str | None) -> None:
        for logical_id, status in zip(self.GUARDED, statuses, strict=False):
            request = {"StackName": "stack-id", "LogicalResourceId": logical_id}
            if status is None:
                role.stacks.add_client_error("describe_stack_resource", "ValidationError", expected_params=request)
                continue
            detail = {
                "LogicalResourceId": logical_id,
                "ResourceType": "Custom::RolePolicy",
                "LastUpdatedTimestamp": datetime.now(UTC),
                "ResourceStatus": status,
            }
            role.stacks.add_response("describe_stack_resource", {"StackResourceDetail": detail}, request)
        role.run("Delete", f"{_ROLE}|{self.ARN}", self.ARN, Guarded=[*self.GUARDED])

    @pytest.mark.parametrize("config", ["DELETE_COMPLETE", None, "UPDATE_COMPLETE"])
    def test_is_detached_if_they_are_or_are_meant_to_stay(self, role: Role, config: str | None) -> None:
        """They stay in another access mode."""
        role.loses(self.ARN)
        self._deletes(role, "DELETE_COMPLETE", config)

    @pytest.mark.parametrize("data", ["DELETE_COMPLETE", None])
    @pytest.mark.parametrize("config", ["DELETE_FAILED", "DELETE_IN_PROGRESS", "DELETE_SKIPPED"])
    def test_stays_if_one_of_them_could_not_be_detached(self, role: Role, data: str | None, config: str) -> None:
        told = f"the deny stays on role {_ROLE}, because resource Config was not deleted"
        with pytest.raises(role.module.StillGuardingError, match=told):
            self._deletes(role, data, config)

    def test_stays_if_cloudformation_does_not_tell(self, role: Role) -> None:
        role.stacks.add_client_error("describe_stack_resource", "InternalFailure")
        with pytest.raises(ClientError, match="InternalFailure"):
            role.run("Delete", f"{_ROLE}|{self.ARN}", self.ARN, Guarded=["Config"])
