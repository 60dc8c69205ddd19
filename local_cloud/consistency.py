"""Simulates the eventual consistency of AWS: changes act or are visible after the delay that was set."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam, stepfunctions
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


class Target(NamedTuple):
    """The target of an IoT policy in its account and region."""

    account_id: str
    region: str
    target: str


@dataclass(frozen=True)
class _Change:
    acts_at: float
    before: str | None


class PolicyPropagation(_Delay):
    """Delays changes of IoT policies and attachments. On AWS IoT they take 6 to 8 minutes to act.

    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
    """

    def _restart(self) -> None:
        self._changes: dict[Target, dict[str, list[_Change]]] = {}

    def changed(self, policy_name: str, before: Mapping[Target, str], after: Mapping[Target, str]) -> None:
        """Record the documents of a policy's targets before and after a change."""
        if not self._seconds:
            return
        acts_at = self._clock() + self._seconds
        for target in before.keys() | after.keys():
            if before.get(target) != after.get(target):
                changes = self._changes.setdefault(target, defaultdict(list))
                changes[policy_name].append(_Change(acts_at, before.get(target)))

    def acting(self, target: Target, attached: Mapping[str, str]) -> dict[str, str]:
        """Return the documents that act on a target by policy name, given the attached ones."""
        acting = dict(attached)
        now = self._clock()
        for policy_name, changes in self._changes.get(target, {}).items():
            changes[:] = [each for each in changes if each.acts_at > now]
            if not changes:
                continue
            acting.pop(policy_name, None)
            if changes[0].before is not None:
                acting[policy_name] = changes[0].before
        return acting


@dataclass(frozen=True)
class _Version:
    document: str
    acts_at: float


class PermissionPropagation(_Delay):
    """Delays new and changed policies of roles, as IAM does. Removed permissions end at once.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """

    def _restart(self) -> None:
        self._versions: dict[tuple[str, str], dict[str, list[_Version]]] = {}
        for account_id, name in [*iam._roles._data]:
            self.observe(account_id, name, _policies_of(iam._roles._data[account_id, name], account_id))

    def observe(self, account_id: str, role_name: str, policies: Mapping[str, str]) -> None:
        """Record a role's policy documents by name or ARN; new ones act after the delay."""
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

    def acting(self, account_id: str, role_name: str) -> list[str]:
        """Return a role's policy documents that act now."""
        now = self._clock()
        known = self._versions.get((account_id, role_name), {}).values()
        newest = (next((each for each in reversed(versions) if each.acts_at <= now), None) for versions in known)
        return [each.document for each in newest if each]


class ExecutionConsistency(_Delay):
    """Hides new executions of state machines, and shows stopped ones as running, until the delay ends.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html
    """

    def _restart(self) -> None:
        self._started: dict[str, float] = {}
        self._stopped: dict[str, float] = {}

    def started(self, execution_arn: str) -> None:
        """Record that an execution was started."""
        self._started[execution_arn] = self._clock() + self._seconds

    def stopped(self, execution_arn: str) -> None:
        """Record that an execution was stopped."""
        self._stopped.setdefault(execution_arn, self._clock() + self._seconds)

    def is_unseen(self, execution_arn: str) -> bool:
        """Return whether an execution is not visible yet."""
        return self._clock() < self._started.get(execution_arn, 0.0)

    def seems_running(self, execution_arn: str) -> bool:
        """Return whether the end of a stopped execution is not visible yet."""
        return self._clock() < self._stopped.get(execution_arn, 0.0)


POLICIES = PolicyPropagation()
PERMISSIONS = PermissionPropagation()
EXECUTIONS = ExecutionConsistency()
"""The delays of this cloud."""


def install() -> None:
    """Record changes of permissions and executions, and let ministack use those that act."""
    _delay_permissions()
    _delay_executions()


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


def _delay_permissions() -> None:
    gather, add_event = iam_evaluator._gather_role_policies, stacks._add_event

    def gather_acting_policies(role_name: str, account_id: str) -> list[list[Any]]:
        if not PERMISSIONS.seconds:
            policies: list[list[Any]] = gather(role_name, account_id)
            return policies
        PERMISSIONS.observe_all()
        documents = PERMISSIONS.acting(account_id, role_name)
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

    iam_evaluator._gather_role_policies = gather_acting_policies
    stacks._add_event = add_event_and_observe
    for operation in ("AttachRolePolicy", "CreatePolicyVersion", "CreateRole", "PutRolePolicy"):
        iam._IAM_HANDLERS[operation] = observing(iam._IAM_HANDLERS[operation])


Operation = Callable[[dict[str, Any]], Any]

_RUNNING = {"status": "RUNNING", "stopDate": None}


def _delay_executions() -> None:
    start, stop = stepfunctions._start_execution, stepfunctions._stop_execution
    describe, list_all = stepfunctions._describe_execution, stepfunctions._list_executions

    def start_execution(request: dict[str, Any]) -> Any:
        answer = start(request)
        if EXECUTIONS.seconds and answer[0] == 200:
            EXECUTIONS.started(json.loads(answer[2])["executionArn"])
        return answer

    def stop_execution(request: dict[str, Any]) -> Any:
        answer = stop(request)
        if EXECUTIONS.seconds and answer[0] == 200:
            EXECUTIONS.stopped(request["executionArn"])
        return answer

    def describe_execution(request: dict[str, Any]) -> Any:
        status, headers, body = answer = describe(request)
        if status == 200 and EXECUTIONS.seems_running(request["executionArn"]):
            return status, headers, json.dumps(json.loads(body) | _RUNNING).encode()
        return answer

    def list_executions(request: dict[str, Any]) -> Any:
        if not EXECUTIONS.seconds:
            return list_all(request)
        wanted = request.get("statusFilter")
        status, headers, body = answer = list_all({key: each for key, each in request.items() if key != "statusFilter"})
        if status != 200:
            return answer
        document = json.loads(body)
        seen = [
            each | (_RUNNING if EXECUTIONS.seems_running(each["executionArn"]) else {})
            for each in document["executions"]
            if not EXECUTIONS.is_unseen(each["executionArn"])
        ]
        executions = [each for each in seen if wanted in (None, each["status"])]
        return status, headers, json.dumps(document | {"executions": executions}).encode()

    stepfunctions._start_execution = start_execution
    stepfunctions._stop_execution = stop_execution
    stepfunctions._describe_execution = _if_seen(describe_execution)
    stepfunctions._get_execution_history = _if_seen(stepfunctions._get_execution_history)
    stepfunctions._list_executions = list_executions


def _if_seen(operation: Operation) -> Operation:
    def find(request: dict[str, Any]) -> Any:
        arn = request.get("executionArn", "")
        if EXECUTIONS.is_unseen(arn):
            message = f"Execution Does Not Exist: '{arn}'"
            return stepfunctions.error_response_json("ExecutionDoesNotExist", message, 400)
        return operation(request)

    return find
