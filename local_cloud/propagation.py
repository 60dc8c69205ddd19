"""Simulates the eventual consistency of AWS: changes of policies take effect after a delay."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam
from ministack.services.cloudformation import stacks


class _Delay:
    """A delay of changes in seconds, 0 for none. Setting it ends the delay of earlier changes.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.seconds = 0.0

    @property
    def seconds(self) -> float:
        return self._seconds

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self._seconds = 0.0
        self._restart()
        self._seconds = seconds

    def _restart(self) -> None:
        raise NotImplementedError


class PolicyTarget(NamedTuple):
    """The target of an IoT policy in its account and region."""

    account_id: str
    region: str
    target: str


@dataclass(frozen=True)
class _Change:
    effective_at: float
    before: str | None


class PolicyPropagation(_Delay):
    """Delays changes of IoT policies and attachments. On AWS IoT they take 6 to 8 minutes.

    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
    """

    def _restart(self) -> None:
        self._changes: dict[PolicyTarget, dict[str, list[_Change]]] = {}

    def changed(self, policy_name: str, before: Mapping[PolicyTarget, str], after: Mapping[PolicyTarget, str]) -> None:
        """Record the documents of a policy's targets before and after a change."""
        if not self._seconds:
            return
        effective_at = self._clock() + self._seconds
        for target in before.keys() | after.keys():
            if before.get(target) != after.get(target):
                changes = self._changes.setdefault(target, defaultdict(list))
                changes[policy_name].append(_Change(effective_at, before.get(target)))

    def effective(self, target: PolicyTarget, attached: Mapping[str, str]) -> dict[str, str]:
        """Return the documents in effect for a target by policy name, given the attached ones."""
        effective = dict(attached)
        now = self._clock()
        for policy_name, changes in self._changes.get(target, {}).items():
            changes[:] = [each for each in changes if each.effective_at > now]
            if not changes:
                continue
            effective.pop(policy_name, None)
            if changes[0].before is not None:
                effective[policy_name] = changes[0].before
        return effective


@dataclass(frozen=True)
class _Version:
    document: str
    effective_at: float


class PermissionPropagation(_Delay):
    """Delays new and changed policies of roles, as IAM does. Removed permissions end at once.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """

    def _restart(self) -> None:
        self._versions: dict[tuple[str, str], dict[str, list[_Version]]] = {}
        for account_id, name in [*iam._roles._data]:
            self.observe(account_id, name, _policies_of(iam._roles._data[account_id, name], account_id))

    def observe(self, account_id: str, role_name: str, policies: Mapping[str, str]) -> None:
        """Record a role's policy documents by name or ARN; new ones take effect after the delay."""
        known = self._versions.setdefault((account_id, role_name), {})
        for name in known.keys() - policies.keys():
            del known[name]
        for name, document in policies.items():
            versions = known.setdefault(name, [])
            if not versions or versions[-1].document != document:
                versions.append(_Version(document, self._clock() + self._seconds))

    def observe_all(self) -> None:
        """Record the policies of every role in the account of the request."""
        if self._seconds:
            for name in [*iam._roles]:
                self.observe(get_account_id(), name, _policies_of(iam._roles[name], get_account_id()))

    def effective(self, account_id: str, role_name: str) -> list[str]:
        """Return a role's policy documents in effect."""
        now = self._clock()
        known = self._versions.get((account_id, role_name), {}).values()
        newest = (next((each for each in reversed(versions) if each.effective_at <= now), None) for versions in known)
        return [each.document for each in newest if each]


POLICIES = PolicyPropagation()
PERMISSIONS = PermissionPropagation()
"""The delays of this cloud."""


def install() -> None:
    """Record changes of permissions, and let ministack use those in effect."""
    gather, add_event = iam_evaluator._gather_role_policies, stacks._add_event

    def gather_effective_policies(role_name: str, account_id: str) -> list[list[Any]]:
        if not PERMISSIONS.seconds:
            policies: list[list[Any]] = gather(role_name, account_id)
            return policies
        PERMISSIONS.observe_all()
        documents = PERMISSIONS.effective(account_id, role_name)
        return [parsed for each in documents if (parsed := iam_evaluator.parse_policy_document(each))]

    def add_event_and_observe(
        stack_id: str, stack_name: str, logical_id: str, resource_type: str, *details: Any, **more: Any
    ) -> None:
        if resource_type.startswith("AWS::IAM::"):
            PERMISSIONS.observe_all()
        add_event(stack_id, stack_name, logical_id, resource_type, *details, **more)

    def observing(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def observed(request: Any) -> Any:
            answer = change(request)
            PERMISSIONS.observe_all()
            return answer

        return observed

    iam_evaluator._gather_role_policies = gather_effective_policies
    stacks._add_event = add_event_and_observe
    for operation in ("AttachRolePolicy", "CreatePolicyVersion", "CreateRole", "PutRolePolicy"):
        iam._IAM_HANDLERS[operation] = observing(iam._IAM_HANDLERS[operation])


def _policies_of(role: Mapping[str, Any], account_id: str) -> dict[str, str]:
    """Return a role's policy documents by name or ARN."""
    attached = {
        arn: iam_evaluator._resolve_managed_policy_document(arn, account_id) for arn in role.get("AttachedPolicies", [])
    }
    documents = {**(role.get("InlinePolicies") or {}), **attached}
    return {
        name: each if isinstance(each, str) else json.dumps(each, sort_keys=True)
        for name, each in documents.items()
        if each
    }
