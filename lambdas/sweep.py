"""One step of a sweep: checks the identities of the identity pool, and attaches the IoT policy where it is missing.

A sweep finds identities that sign-ins miss: of users from before the deployment, of guests who became users, and
manually detached ones. ListIdentities has no date filter and no order, so each sweep reads all pages. It checks only
identities that changed since the last sweep started. Every few weeks it checks every identity.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import boto3
from botocore.exceptions import ClientError

from attachment.clients import has_policy, iot_client, limits
from attachment.errors import AttachmentPausedError, error_label
from attachment.login_providers import LoginProviders
from attachment.metrics import emit_metrics
from attachment.parameters import PauseFlag
from attachment.retries import RateLimiter, is_retryable
from bulk.pages import Identity, IdentityPages, InvalidPageTokenError, Page
from bulk.retry_backlog import RetryBacklog
from bulk.step import THREADS, BatchStep, process_with_retries, rate_limited, worker_threads
from bulk.sweep_state import ALREADY_RUNNING, COMPLETED, PAUSED, SweepHistory, SweepState

_POLICY_NAME = os.environ["POLICY_NAME"]
_IDENTITY_POOL_ID = os.environ["IDENTITY_POOL_ID"]
_FULL_EVERY_DAYS = int(os.environ["FULL_EVERY_DAYS"])
_PROVIDER_NAMES = os.environ.get("LOGIN_PROVIDERS", "")
_login_providers = LoginProviders(_PROVIDER_NAMES)
# Other providers make another scope, so that the next sweep checks the identities that were skipped before.
_SCOPE = "/".join(filter(None, (_IDENTITY_POOL_ID, _POLICY_NAME, os.environ["POLICY_GENERATION"], _PROVIDER_NAMES)))

# One page is processed while the next is read.
_PAGES_IN_FLIGHT = 2
_WAIT_SECONDS = 30
_MAX_RESTARTS = 10
_ATTACHED, _CURRENT = "attached", "current"

_ssm = boto3.client("ssm", config=limits(attempts=5))
_states = boto3.client("stepfunctions", config=limits(attempts=5))
_iot = iot_client(attempts=1, threads=THREADS)
_pages = IdentityPages(boto3.client("cognito-identity", config=limits(attempts=5)), _IDENTITY_POOL_ID)
_pause_flag = PauseFlag(os.environ["PAUSE_PARAMETER"])
_attach_limiter = RateLimiter(float(os.environ["ATTACH_PER_SECOND"]))
_list_limiter = RateLimiter(float(os.environ["LIST_PER_SECOND"]))
_backlog = RetryBacklog() if "RETRY_QUEUE_URL" in os.environ else None


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Make one step of a sweep, and return its state.

    The input of an execution is ``{"full": check every identity, "dryRun": attach nothing, "users": queue the users of
    the user pool first, "resume": resume attachment}``. Each is false by default.

    Raises:
        botocore.exceptions.ClientError: AWS throttled or failed; the state machine retries the step.
    """
    started, step = time.monotonic(), BatchStep.begin(event, context)
    sweep = SweepState.from_checkpoint(step.checkpoint) if step.checkpoint else _plan(step)
    before = _counts(sweep)
    reason: str | None = None
    try:
        state = _run(step, sweep)
    except ClientError as error:
        if is_retryable(error):
            raise
        reason = error_label(error)
        state = step.failed(reason, sweep.to_checkpoint())
    emit_metrics(
        {outcome: max(0, count - before[outcome]) for outcome, count in _counts(sweep).items()},
        source="sweep",
        request_id=context.aws_request_id,
        seconds=time.monotonic() - started,
        reason=reason,
    )
    return state


def _plan(step: BatchStep) -> SweepState:
    """Return the initial state of this execution's sweep."""
    if step.input.get("resume"):
        _pause_flag.resume(_ssm)
    history = SweepHistory(_states, step.state_machine_arn, step.execution_arn)
    if history.another_runs():
        return SweepState(time.time(), _SCOPE, ended=ALREADY_RUNNING)
    sweep = history.plan(
        now=time.time(),
        scope=_SCOPE,
        full=bool(step.input.get("full") or step.input.get("resume")),
        dry_run=bool(step.input.get("dryRun")),
        full_every_days=_FULL_EVERY_DAYS,
    )
    sweep.queue_users = sweep.queue_users or bool(step.input.get("users"))
    return sweep


def _run(step: BatchStep, sweep: SweepState) -> dict[str, Any]:
    """Sweep until the step must end; return its state."""
    if sweep.restarts > _MAX_RESTARTS:
        return step.failed("ListIdentities rejects its own tokens", sweep.to_checkpoint())
    try:
        if not sweep.dry_run:
            _pause_flag.check(_ssm)
        if _worker_is_behind():
            return step.wait(_WAIT_SECONDS, sweep.to_checkpoint())
        while _backlog and sweep.queue_users and not step.is_over and not _backlog.is_behind():
            queued, sweep.users_token = _backlog.queue_users(sweep.users_token)
            sweep.queued += queued
            sweep.queue_users = sweep.users_token is not None
        if not sweep.queue_users and not sweep.ended:
            with worker_threads() as threads:
                _process_pages(step, sweep, threads)
    except AttachmentPausedError:
        sweep.ended = PAUSED
    return (step.done if sweep.ended else step.continue_)(sweep.to_checkpoint())


def _process_pages(step: BatchStep, sweep: SweepState, threads: ThreadPoolExecutor) -> None:
    """Process pages until the step must end. The next step starts after the last page that was completely processed."""
    in_flight: deque[tuple[Page[Identity], list[Future[str]]]] = deque()
    next_token: str | None = sweep.token
    all_read = False
    while True:
        if not all_read and len(in_flight) < _PAGES_IN_FLIGHT and not step.is_over and not _worker_is_behind():
            try:
                page = _pages.read(next_token)
            except InvalidPageTokenError:
                for each, outcomes in in_flight:
                    _record(each, outcomes, sweep)
                sweep.restart()
                return
            due = [each for each in page.items if _is_due(each, sweep)]
            in_flight.append((page, [threads.submit(_process, each.identity_id, sweep.dry_run) for each in due]))
            next_token, all_read = page.next_token, page.next_token is None
        elif in_flight:
            _record(*in_flight.popleft(), sweep)
        else:
            return


def _is_due(identity: Identity, sweep: SweepState) -> bool:
    if identity.is_guest or not _login_providers.include(identity.providers):
        return False
    return sweep.changed_since is None or identity.changed_at >= sweep.changed_since


def _record(page: Page[Identity], outcomes: list[Future[str]], sweep: SweepState) -> None:
    """Wait for a page, and count its outcomes; the sweep continues with the next page."""
    counts = Counter(each.result() for each in outcomes)
    guests = sum(each.is_guest for each in page.items)
    others = sum(not each.is_guest and not _login_providers.include(each.providers) for each in page.items)
    sweep.listed += len(page.items)
    sweep.guests += guests
    sweep.other_providers += others
    sweep.unchanged += len(page.items) - guests - others - len(outcomes)
    sweep.attached += counts.pop(_ATTACHED, 0)
    sweep.already_attached += counts.pop(_CURRENT, 0)
    sweep.failed = dict(Counter(sweep.failed) + counts)
    sweep.token = page.next_token
    if page.next_token is None:
        sweep.ended = COMPLETED
        if sweep.is_full:
            sweep.last_full = sweep.started_at


def _process(identity_id: str, dry_run: bool) -> str:
    """Attach the policy if it is missing; return the outcome, or AWS IoT's error code for this identity."""
    return process_with_retries(lambda: _attach_if_missing(identity_id, dry_run))


def _attach_if_missing(identity_id: str, dry_run: bool) -> str:
    with rate_limited(_list_limiter):
        is_attached = has_policy(_iot, _POLICY_NAME, identity_id)
    if is_attached:
        return _CURRENT
    if not dry_run:
        with rate_limited(_attach_limiter):
            _pause_flag.check(_ssm)  # a step takes minutes
            _iot.attach_policy(policyName=_POLICY_NAME, target=identity_id)
    return _ATTACHED


def _worker_is_behind() -> bool:
    return _backlog is not None and _backlog.is_behind()


def _counts(sweep: SweepState) -> dict[str, int]:
    """Return the counts by outcome; a dry run attaches nothing."""
    return {
        "Attached": 0 if sweep.dry_run else sweep.attached,
        "Queued": sweep.queued,
        "Skipped": sweep.already_attached + sweep.unchanged + sweep.guests + sweep.other_providers,
        "Failed": sum(sweep.failed.values()),
    }
