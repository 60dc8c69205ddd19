from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

if TYPE_CHECKING:
    from tests.unit.lambdas.conftest import Load

_ROLE = "amplify-shop-dev-authRole"
_DATA = "arn:aws:iam::aws:policy/AWSIoTDataAccess"
_CONFIG = "arn:aws:iam::aws:policy/AWSIoTConfigAccess"


class Role:
    def __init__(self, module: Any) -> None:
        self.module = module
        self.iam = Stubber(module._iam)
        self.iam.activate()

    def holds(self, *policy_arns: str) -> None:
        attached = [{"PolicyName": each.rpartition("/")[2], "PolicyArn": each} for each in policy_arns]
        self.iam.add_response(
            "list_attached_role_policies", {"AttachedPolicies": attached, "IsTruncated": False}, {"RoleName": _ROLE}
        )

    def gets(self, policy_arn: str) -> None:
        self.iam.add_response("attach_role_policy", {}, {"RoleName": _ROLE, "PolicyArn": policy_arn})

    def loses(self, policy_arn: str) -> None:
        self.iam.add_response("detach_role_policy", {}, {"RoleName": _ROLE, "PolicyArn": policy_arn})

    def run(self, request_type: str, physical_id: str | None = None) -> str:
        event: dict[str, Any] = {
            "RequestType": request_type,
            "ResourceProperties": {"RoleName": _ROLE, "PolicyArns": [_DATA, _CONFIG]},
        }
        answer = self.module.on_event(event | ({"PhysicalResourceId": physical_id} if physical_id else {}), None)
        self.iam.assert_no_pending_responses()
        return str(answer["PhysicalResourceId"])


@pytest.fixture
def role(load: Load) -> Role:
    return Role(load("role_policies"))


def test_what_the_role_holds_already_is_neither_attached_nor_ever_taken_away(role: Role) -> None:
    role.holds(_DATA)
    role.gets(_CONFIG)
    physical_id = role.run("Create")
    role.loses(_CONFIG)
    assert role.run("Delete", physical_id) == physical_id


def test_a_role_that_holds_both_is_left_alone(role: Role) -> None:
    role.holds(_CONFIG, _DATA)
    physical_id = role.run("Create")
    assert role.run("Delete", physical_id) == physical_id


def test_an_update_puts_back_what_somebody_has_detached_of_ours(role: Role) -> None:
    role.holds()
    role.gets(_DATA)
    role.gets(_CONFIG)
    physical_id = role.run("Create")
    role.holds(_CONFIG)
    role.gets(_DATA)
    assert role.run("Update", physical_id) == physical_id


def test_a_role_without_room_is_left_as_it_was_and_the_failure_says_why(role: Role) -> None:
    role.holds()
    role.gets(_DATA)
    role.iam.add_client_error("attach_role_policy", "LimitExceeded")
    role.loses(_DATA)
    with pytest.raises(role.module.NotAttachedError, match=f"role {_ROLE} holds as many managed policies as it may"):
        role.run("Create")
    role.iam.assert_no_pending_responses()


def test_a_role_that_is_not_there_is_named_with_the_setting(role: Role) -> None:
    role.iam.add_client_error("list_attached_role_policies", "NoSuchEntity")
    with pytest.raises(role.module.NotAttachedError, match=f"there is no role {_ROLE}: look at adopt.authRoleArn"):
        role.run("Create")


def test_a_role_that_has_gone_needs_nothing(role: Role) -> None:
    role.iam.add_client_error("detach_role_policy", "NoSuchEntity")
    role.run("Delete", f"{_ROLE}|{_DATA}")
