"""Delays when new permissions of roles act, if a delay was set.

IAM is eventually consistent: it accepts a policy and applies it some seconds later.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency

New and changed policies, attached and inline, are delayed. Removed permissions end at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam
from ministack.services.cloudformation import stacks

_CHANGES = ("AttachRolePolicy", "CreatePolicyVersion", "CreateRole", "PutRolePolicy")


@dataclass(frozen=True)
class _Version:
    document: str
    acts_at: float


class PermissionPropagation:
    """The versions of roles' policies, and when they act.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._versions: dict[tuple[str, str], dict[str, list[_Version]]] = {}

    @property
    def seconds(self) -> float:
        """The delay; 0 for none."""
        return self._seconds

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        """Set the delay of later permissions; existing ones act now."""
        self._seconds = 0.0
        self._versions = {}
        if seconds:
            for account_id, name in [*iam._roles._data]:
                self.observe(account_id, name, policies_of(iam._roles._data[account_id, name], account_id))
        self._seconds = seconds

    def observe(self, account_id: str, role_name: str, policies: Mapping[str, str]) -> None:
        """Record a role's policy documents, by names or ARNs; new ones act after the delay."""
        known = self._versions.setdefault((account_id, role_name), {})
        for name in known.keys() - policies.keys():
            del known[name]
        for name, document in policies.items():
            versions = known.setdefault(name, [])
            if not versions or versions[-1].document != document:
                versions.append(_Version(document, self._clock() + self._seconds))

    def acting(self, account_id: str, role_name: str) -> list[str]:
        """Return a role's policy documents that act now."""
        now = self._clock()
        known = self._versions.get((account_id, role_name), {}).values()
        newest = (next((each for each in reversed(versions) if each.acts_at <= now), None) for versions in known)
        return [each.document for each in newest if each]


PERMISSIONS = PermissionPropagation()
"""This cloud's."""


def policies_of(role: Mapping[str, Any], account_id: str) -> dict[str, str]:
    """Return the documents of a role's policies by their names or ARNs."""
    attached = {
        arn: iam_evaluator._resolve_managed_policy_document(arn, account_id) for arn in role.get("AttachedPolicies", [])
    }
    documents = {**(role.get("InlinePolicies") or {}), **attached}
    return {
        name: each if isinstance(each, str) else json.dumps(each, sort_keys=True)
        for name, each in documents.items()
        if each
    }


def install() -> None:
    """Record each change of a role's policies, and let IAM evaluate those that act."""
    gather, add_event = iam_evaluator._gather_role_policies, stacks._add_event

    def gather_acting_policies(role_name: str, account_id: str) -> list[list[Any]]:
        if not PERMISSIONS.seconds:
            policies: list[list[Any]] = gather(role_name, account_id)
            return policies
        _observe()
        documents = PERMISSIONS.acting(account_id, role_name)
        return [parsed for each in documents if (parsed := iam_evaluator.parse_policy_document(each))]

    def add_event_and_observe(
        stack_id: str, stack_name: str, logical_id: str, resource_type: str, *details: Any, **more: Any
    ) -> None:
        if resource_type.startswith("AWS::IAM::"):
            _observe()
        add_event(stack_id, stack_name, logical_id, resource_type, *details, **more)

    iam_evaluator._gather_role_policies = gather_acting_policies
    stacks._add_event = add_event_and_observe
    for operation in _CHANGES:
        iam._IAM_HANDLERS[operation] = _observing(iam._IAM_HANDLERS[operation])


def _observing(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def observed(request: Any) -> Any:
        answer = change(request)
        _observe()
        return answer

    return observed


def _observe() -> None:
    """Record the policies of every role in the account."""
    if PERMISSIONS.seconds:
        for name in [*iam._roles]:
            PERMISSIONS.observe(get_account_id(), name, policies_of(iam._roles[name], get_account_id()))
