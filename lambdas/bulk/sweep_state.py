"""The progress of a sweep, and what it continues from earlier sweeps: their start time, or their remaining work.

Earlier sweeps are executions of the state machine, which Step Functions keeps for 90 days. There is no other record of
them that could differ.
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

COMPLETED = "completed"
ALREADY_RUNNING = "already-running"
PAUSED = "paused"

_SECONDS_PER_DAY = 86_400
# Cognito might record changes with a delay, and clocks differ.
_OVERLAP_SECONDS = 3600
_INTERRUPTED = {"FAILED", "TIMED_OUT", "ABORTED"}
_MAX_EXECUTIONS = 1000


@dataclass
class SweepState:
    """The state of a sweep. It never identifies users."""

    started_at: float
    """Unix seconds."""
    scope: str
    """Names identity pool and policy. Only earlier sweeps of the same scope count."""
    changed_since: float | None = None
    """Unix seconds. Identities whose last change is older are skipped; None checks every identity."""
    last_full: float | None = None
    """When the last completed full sweep started, in Unix seconds."""
    dry_run: bool = False
    queue_users: bool = False
    """Queue the users of the user pool first, because some have no identity yet."""
    users_token: str | None = None
    """Cognito's token of the next page of users."""
    token: str | None = None
    """Cognito's token of the next page of identities."""
    resumed: bool = False
    """Whether it continues an interrupted sweep."""
    restarts: int = 0
    """How often it started again at the first page, because Cognito rejected the token."""
    listed: int = 0
    guests: int = 0
    other_providers: int = 0
    """Identities of providers whose users do not get the policy."""
    unchanged: int = 0
    """Skipped, because they have not changed since an earlier sweep."""
    already_attached: int = 0
    attached: int = 0
    """Identities that this sweep attached; in a dry run, those that it would attach."""
    failed: dict[str, int] = field(default_factory=dict)
    """Identities that AWS IoT refused, by error code."""
    queued: int = 0
    """Users that were queued for the worker."""
    ended: str | None = None
    """:data:`COMPLETED`, :data:`ALREADY_RUNNING` or :data:`PAUSED`; None while there is work left."""

    @property
    def is_full(self) -> bool:
        """Whether it checks every identity."""
        return self.changed_since is None

    @classmethod
    def from_checkpoint(cls, checkpoint: Mapping[str, Any]) -> SweepState:
        """Read the state of an earlier step, which may be of another version of this code."""
        return cls(**{each.name: checkpoint[each.name] for each in fields(cls) if each.name in checkpoint})

    def to_checkpoint(self) -> dict[str, Any]:
        """Return the state for the state machine."""
        return asdict(self)

    def restart(self) -> None:
        """Start again at the first page; identities that are attached stay counted."""
        self.token, self.restarts = None, self.restarts + 1
        self.listed = self.guests = self.other_providers = self.unchanged = self.already_attached = 0
        self.failed = {}


class SweepHistory:
    """The earlier executions of the state machine.

    Args:
        states: the client of Step Functions.
        state_machine_arn: the state machine.
        execution_arn: the current execution.
    """

    def __init__(self, states: SFNClient, state_machine_arn: str, execution_arn: str) -> None:
        self._states = states
        self._state_machine_arn = state_machine_arn
        self._current = execution_arn

    def another_runs(self) -> bool:
        """Return whether an execution that started earlier is still running."""
        # Newest first; the current one might not be listed yet.
        running = [each["executionArn"] for each in self._executions(status="RUNNING")]
        older = running[running.index(self._current) + 1 :] if self._current in running else running
        return bool(older)

    def plan(self, *, now: float, scope: str, full: bool, dry_run: bool, full_every_days: int) -> SweepState:
        """Return the next sweep: the rest of an interrupted one, the changes since the last one, or every identity.

        Args:
            now: Unix seconds.
            scope: names identity pool and policy.
            full: check every identity.
            dry_run: attach nothing.
            full_every_days: check every identity if the last full sweep is at least this old.
        """
        for interrupted, sweep in self._sweeps():
            if sweep.scope != scope:
                break
            if interrupted:
                if not dry_run and (sweep.is_full or not full):
                    return replace(sweep, resumed=True, restarts=0)
                continue
            due = sweep.last_full is None or now - sweep.last_full >= full_every_days * _SECONDS_PER_DAY
            changed_since = None if full or due else sweep.started_at - _OVERLAP_SECONDS
            return SweepState(now, scope, changed_since, sweep.last_full, dry_run)
        return SweepState(now, scope, dry_run=dry_run)

    def _sweeps(self) -> Iterator[tuple[bool, SweepState]]:
        """Yield the earlier sweeps, newest first, without dry runs: whether each was interrupted, and its state.

        If a sweep was continued in a new execution, only that execution counts.
        """
        for listed in self._executions():
            arn, status = listed["executionArn"], listed["status"]
            if arn == self._current or status == "RUNNING":
                continue
            interrupted = status in _INTERRUPTED
            try:
                execution = self._states.describe_execution(executionArn=arn)
                state = self._last_state(arn) if interrupted else json.loads(execution["output"])
            except self._states.exceptions.ExecutionDoesNotExist:
                continue  # an execution can be listed for a while after its 90 days
            # If an execution continues another one and was interrupted before its first step, its input has the state.
            checkpoint = (state or json.loads(execution["input"])).get("checkpoint") or {}
            if not checkpoint:
                continue
            sweep = SweepState.from_checkpoint(checkpoint)
            if not sweep.dry_run and sweep.ended == (None if interrupted else COMPLETED):
                yield interrupted, sweep

    def _executions(self, status: str | None = None) -> list[Mapping[str, Any]]:
        """Return the executions, newest first."""
        status_filter: Any = {"statusFilter": status} if status else {}
        pages = self._states.get_paginator("list_executions").paginate(
            stateMachineArn=self._state_machine_arn, PaginationConfig={"MaxItems": _MAX_EXECUTIONS}, **status_filter
        )
        executions = [each for page in pages for each in page["executions"]]
        return sorted(executions, key=lambda each: each["startDate"], reverse=True)

    def _last_state(self, execution_arn: str) -> dict[str, Any]:
        """Return the state of the last step; empty if no step has ended."""
        history = self._states.get_execution_history(
            executionArn=execution_arn, reverseOrder=True, maxResults=100, includeExecutionData=True
        )
        for event in history["events"]:
            exited = event.get("stateExitedEventDetails", {})
            if exited.get("name") == "Step":
                state: dict[str, Any] = json.loads(exited["output"])
                return state
        return {}
