"""Managed policies of adopted roles; tests/e2e/test_adoption.py attaches and detaches them in a stack."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.lambdas.conftest import Load
from tests.unit.lambdas.fake_aws import AwsError, FakeRole, FakeSsm, FakeStack

_ROLE = "amplify-shop-dev-authRole"
_DATA = "arn:aws:iam::aws:policy/AWSIoTDataAccess"
_CONFIG = "arn:aws:iam::aws:policy/AWSIoTConfigAccess"
_RECORD = "/AmplifyPubSub/role-policies/0123abcd/Config"
_DENY = "arn:aws:iam::123456789012:policy/ControlPlaneDeny"


class Policy:
    """The custom resource, and the role."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.role, self.stack, self.ssm = FakeRole(module._iam), FakeStack(module._stacks), FakeSsm(module._ssm)

    def run(
        self, request_type: str, physical_id: str | None = None, policy_arn: str = _CONFIG, **properties: Any
    ) -> str:
        event: dict[str, Any] = {
            "RequestType": request_type,
            "StackId": "stack-id",
            "ResourceProperties": {
                "RoleName": _ROLE,
                "PolicyArn": policy_arn,
                "RecordParameter": _RECORD,
                **properties,
            },
        }
        answer = self.module.on_event(event | ({"PhysicalResourceId": physical_id} if physical_id else {}), None)
        return str(answer["PhysicalResourceId"])


@pytest.fixture
def policy(load: Load) -> Policy:
    return Policy(load("role_policies"))


@pytest.mark.parametrize("held", [{_DATA}, {_CONFIG, _DATA}], ids=["attached here", "held before"])
def test_only_a_policy_that_was_attached_here_is_detached(policy: Policy, held: set[str]) -> None:
    policy.role.policies = {*held}
    physical_id = policy.run("Create")
    assert policy.role.policies == {_CONFIG, _DATA}
    assert policy.run("Update", physical_id) == physical_id
    assert policy.run("Delete", physical_id) == physical_id
    assert (policy.role.policies, policy.ssm.values) == (held, {})


def test_update_attaches_our_policy_again(policy: Policy) -> None:
    physical_id = policy.run("Create")
    policy.role.policies.clear()
    assert policy.run("Update", physical_id) == physical_id
    assert policy.role.policies == {_CONFIG}


@pytest.mark.parametrize("held", [set(), {_DATA}], ids=["not held before", "held before"])
def test_changed_policy_replaces_the_old_one(policy: Policy, held: set[str]) -> None:
    policy.role.policies = {*held}
    old = policy.run("Create")
    new = policy.run("Update", old, _DATA)
    assert new != old  # so CloudFormation deletes the old one next, with the properties that it had
    policy.run("Delete", old)
    assert policy.role.policies == {_DATA}
    policy.run("Delete", new, _DATA)
    assert policy.role.policies == held


@pytest.mark.parametrize("operation", ["list_attached_role_policies", "attach_role_policy"])
def test_new_role_or_policy_is_waited_for(policy: Policy, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    pauses = iter([True, True])
    monkeypatch.setattr(policy.module._wait, "pause", lambda: next(pauses))
    policy.role.failures[operation] = [AwsError("NoSuchEntity")] * 2
    policy.run("Create")
    assert policy.role.policies == {_CONFIG}


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        ("list_attached_role_policies", "NoSuchEntity", f"role {_ROLE} does not exist: check adopt.authRoleArn"),
        ("attach_role_policy", "NoSuchEntity", f"policy {_CONFIG} or role {_ROLE} does not exist"),
        ("attach_role_policy", "LimitExceeded", f"role {_ROLE} has the maximum number of managed policies"),
    ],
)
def test_policy_that_cannot_be_attached_is_reported(
    policy: Policy, monkeypatch: pytest.MonkeyPatch, operation: str, code: str, message: str
) -> None:
    monkeypatch.setattr(policy.module._wait, "pause", lambda: False)
    policy.role.failures[operation] = [AwsError(code)]
    with pytest.raises(policy.module.NotAttachedError, match=message):
        policy.run("Create")
    assert policy.ssm.values == {}


def test_repeated_request_returns_the_same_physical_id(policy: Policy) -> None:
    """Lambda can make an asynchronous invocation twice, and repeats one that was interrupted."""
    physical_id = policy.run("Create")
    assert policy.run("Create") == physical_id
    policy.run("Delete", physical_id)
    assert policy.role.policies == set()
    policy.role.policies = {_CONFIG}  # attached by another person
    policy.run("Delete", policy.run("Create"))
    assert policy.role.policies == {_CONFIG}


def test_failed_creation_detaches_the_policy(policy: Policy) -> None:
    """CloudFormation sends no Delete request after a failed Create."""
    policy.role.failures["attach_role_policy"] = [AwsError("ServiceFailure", is_late=True)]
    with pytest.raises(ClientError, match="ServiceFailure"):
        policy.run("Create")
    assert (policy.role.policies, policy.ssm.values) == (set(), {})


def test_deletion_after_the_role_succeeds(policy: Policy) -> None:
    policy.role.failures["detach_role_policy"] = [AwsError("NoSuchEntity")]
    policy.run("Delete", f"{_ROLE}|{_CONFIG}")


class TestDeny:
    """It is detached after the policies that it guards, or not at all."""

    def _delete(self, policy: Policy, **statuses: str | None) -> None:
        policy.role.policies = {_DENY}
        policy.stack.resources = {name: status for name, status in statuses.items() if status}
        policy.run("Delete", f"{_ROLE}|{_DENY}", _DENY, Guarded=["Data", "Config"])

    @pytest.mark.parametrize("config", ["DELETE_COMPLETE", None, "UPDATE_COMPLETE"])
    def test_deny_is_detached_if_the_others_are_gone_or_stay(self, policy: Policy, config: str | None) -> None:
        """They stay in another access mode."""
        self._delete(policy, Data="DELETE_COMPLETE", Config=config)
        assert policy.role.policies == set()

    @pytest.mark.parametrize("data", ["DELETE_COMPLETE", None])
    @pytest.mark.parametrize("config", ["DELETE_FAILED", "DELETE_IN_PROGRESS", "DELETE_SKIPPED"])
    def test_deny_stays_if_another_could_not_be_detached(self, policy: Policy, data: str | None, config: str) -> None:
        message = f"the deny stays on role {_ROLE}, because resource Config was not deleted"
        with pytest.raises(policy.module.StillGuardingError, match=message):
            self._delete(policy, Data=data, Config=config)
        assert policy.role.policies == {_DENY}

    def test_deny_stays_if_cloudformation_fails(self, policy: Policy) -> None:
        policy.stack.failures["describe_stack_resource"] = [AwsError("InternalFailure")]
        with pytest.raises(ClientError, match="InternalFailure"):
            self._delete(policy)
        assert policy.role.policies == {_DENY}
