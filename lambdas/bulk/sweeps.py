"""How far a sweep has come, and what the sweeps before it have left: a start to compare with, or a rest to do.

Earlier sweeps are found among the state machine's executions, which Step Functions keeps for 90 days. So nothing else
remembers them, and nothing can disagree with what was really done.
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from types_boto3_stepfunctions import SFNClient

SWEPT = "completed"
ANOTHER_RUNS = "already-running"
ATTACHING_IS_OFF = "paused"

_SECONDS_PER_DAY = 86_400
# Cognito may note a change a little after it was made, and clocks differ.
_OVERLAP_SECONDS = 3600
_INTERRUPTED = {"FAILED", "TIMED_OUT", "ABORTED"}
_LOOK_BACK = 1000


@dataclass
class Sweep:
    """A sweep, from its first step to its last. Nothing in it tells whose identities they are."""

    started_at: float
    """Unix seconds."""
    of: str
    """Names identity pool and policy: what was swept of other_providers says nothing about these."""
    changed_since: float | None = None
    """Identities that were last changed before this time (Unix seconds) are current; None looks at every one."""
    last_full: float | None = None
    """When the last sweep began that looked at every identity and came to its end."""
    dry_run: bool = False
    users_due: bool = False
    """The users of the user pool are queued first, for some have no identity yet."""
    users_token: str | None = None
    """Cognito's token for the next page of users."""
    token: str | None = None
    """Cognito's token for the next page of identities."""
    resumed: bool = False
    """It has gone on where an interrupted one had stopped."""
    restarts: int = 0
    """How often Cognito has refused the token, so that it began at the top again."""
    listed: int = 0
    guests: int = 0
    other_providers: int = 0
    """Signed in with identity providers whose users do not get the policy."""
    unchanged: int = 0
    """Of an earlier sweep, and not changed since."""
    already_attached: int = 0
    """Looked at, and attached already."""
    attached: int = 0
    """Attached now; of a dry run those that would have been."""
    failed: dict[str, int] = field(default_factory=dict)
    """How many could not be attached, by AWS's error code."""
    queued: int = 0
    """Users whom the retry queue's worker was given."""
    ended: str | None = None
    """:data:`SWEPT`, or why it did nothing more; None while there is something to do."""

    @property
    def is_full(self) -> bool:
        """Whether it looks at every identity."""
        return self.changed_since is None

    @classmethod
    def of_progress(cls, progress: Mapping[str, Any]) -> Sweep:
        """Read what an earlier step, maybe of an older version, has returned."""
        return cls(**{each.name: progress[each.name] for each in fields(cls) if each.name in progress})

    def as_progress(self) -> dict[str, Any]:
        """Return it for the state machine."""
        return asdict(self)

    def begin_again(self) -> None:
        """Go back to the top, where those who were counted before are counted anew."""
        self.token, self.restarts = None, self.restarts + 1
        self.listed = self.guests = self.other_providers = self.unchanged = self.already_attached = 0
        self.failed = {}


class SweepsBefore:
    """The executions of the state machine before this one.

    Args:
        states: Step Functions.
        state_machine_arn: the state machine.
        execution_arn: the execution that asks.
    """

    def __init__(self, states: SFNClient, state_machine_arn: str, execution_arn: str) -> None:
        self._states = states
        self._state_machine_arn = state_machine_arn
        self._own = execution_arn

    def another_runs(self) -> bool:
        """Tell whether an execution that began earlier is under way still.

        Raises:
            botocore.exceptions.ClientError: AWS refuses.
        """
        # The newest first; one that has only just begun may not be among them yet.
        running = [each["executionArn"] for each in self._executions(status="RUNNING")]
        older = running[running.index(self._own) + 1 :] if self._own in running else running
        return bool(older)

    def plan(self, *, now: float, of: str, full: bool, dry_run: bool, full_every_days: int) -> Sweep:
        """Return what there is to do: the rest of an interrupted sweep, what has changed since the last, or all.

        Args:
            now: Unix seconds.
            of: names identity pool and policy.
            full: every identity is asked for.
            dry_run: nothing is to be attached.
            full_every_days: every identity is looked at after this many days anyway.

        Raises:
            botocore.exceptions.ClientError: AWS refuses.
        """
        for interrupted, sweep in self._sweeps():
            if sweep.of != of:
                break
            if interrupted:
                if not dry_run and (sweep.is_full or not full):
                    return replace(sweep, resumed=True, restarts=0)
                continue
            due = sweep.last_full is None or now - sweep.last_full >= full_every_days * _SECONDS_PER_DAY
            since = None if full or due else sweep.started_at - _OVERLAP_SECONDS
            return Sweep(now, of, since, sweep.last_full, dry_run)
        return Sweep(now, of, dry_run=dry_run)

    def _sweeps(self) -> Iterator[tuple[bool, Sweep]]:
        """Yield the sweeps before, the newest first, and of each whether it was interrupted; no dry runs.

        One that went on in another execution is that execution's.
        """
        for listed in self._executions():
            arn, status = listed["executionArn"], listed["status"]
            if arn == self._own or status == "RUNNING":
                continue
            interrupted = status in _INTERRUPTED
            try:
                execution = self._states.describe_execution(executionArn=arn)
                state = self._last_state(arn) if interrupted else json.loads(execution["output"])
            except self._states.exceptions.ExecutionDoesNotExist:
                continue  # listed for a while yet, although its 90 days are over
            # One that only just began to go on with another's work has that as its input.
            progress = (state or json.loads(execution["input"])).get("checkpoint") or {}
            if not progress:
                continue
            sweep = Sweep.of_progress(progress)
            if not sweep.dry_run and sweep.ended == (None if interrupted else SWEPT):
                yield interrupted, sweep

    def _executions(self, status: str | None = None) -> Iterator[Mapping[str, Any]]:
        """Yield executions, the one that began last first."""
        given: Any = {"statusFilter": status} if status else {}
        pages = self._states.get_paginator("list_executions").paginate(
            stateMachineArn=self._state_machine_arn, PaginationConfig={"MaxItems": _LOOK_BACK}, **given
        )
        executions = [each for page in pages for each in page["executions"]]
        return iter(sorted(executions, key=lambda each: each["startDate"], reverse=True))

    def _last_state(self, execution_arn: str) -> dict[str, Any]:
        """Return what the last step has returned; nothing if there was none."""
        history = self._states.get_execution_history(
            executionArn=execution_arn, reverseOrder=True, maxResults=100, includeExecutionData=True
        )
        for event in history["events"]:
            exited = event.get("stateExitedEventDetails", {})
            if exited.get("name") == "Step":
                state: dict[str, Any] = json.loads(exited["output"])
                return state
        return {}
