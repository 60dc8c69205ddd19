"""The sweep: looks at every identity of the identity pool, and attaches the IoT policy where it is missing.

It finds whom sign-ins do not: users from before the deployment, guests who have become users, identities that somebody
has detached by hand. ListIdentities knows neither dates nor an order, so each sweep pages through all identities; but
only those that were changed since the last sweep began are looked at, and now and then every one.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from attachment.errors import AttachmentPausedError
from attachment.iot import has_policy, iot_client
from attachment.limits import limits
from attachment.login_providers import LoginProviders
from attachment.pace import Pace
from attachment.passing import passes
from attachment.report import cause, report_counts
from attachment.switch import AttachingSwitch
from bulk.calls import THREADS, paced, settle, worker_threads
from bulk.identities import Identity, IdentityPages, Page, RejectedTokenError
from bulk.retry_queue import RetryQueue
from bulk.step import Step
from bulk.sweeps import ANOTHER_RUNS, ATTACHING_IS_OFF, SWEPT, Sweep, SweepsBefore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future, ThreadPoolExecutor

_POLICY_NAME = os.environ["POLICY_NAME"]
_IDENTITY_POOL_ID = os.environ["IDENTITY_POOL_ID"]
_ATTACH_PER_SECOND = float(os.environ["ATTACH_PER_SECOND"])
_LOOK_PER_SECOND = float(os.environ["LIST_PER_SECOND"])
_FULL_EVERY_DAYS = int(os.environ["FULL_EVERY_DAYS"])
_STACK = os.environ["STACK_NAME"]
_LOGIN_PROVIDERS = os.environ.get("LOGIN_PROVIDERS", "")
_login_providers = LoginProviders(_LOGIN_PROVIDERS)
# With other providers it is another sweep: identities that were left out before are looked at again.
_OF = "/".join(filter(None, (_IDENTITY_POOL_ID, _POLICY_NAME, os.environ["POLICY_GENERATION"], _LOGIN_PROVIDERS)))

# One is worked on while the next is read.
_PAGES_AT_ONCE = 2
_PAGES_PER_SECOND = 5.0
_WAIT_SECONDS = 30
_MOST_RESTARTS = 10
_ATTACHED, _CURRENT = "attached", "current"

_ssm = boto3.client("ssm", config=limits(attempts=5))
_states = boto3.client("stepfunctions", config=limits(attempts=5))
_iot = iot_client(attempts=1, threads=THREADS)
_switch = AttachingSwitch(os.environ["PAUSE_PARAMETER"])
_attach_pace = Pace.at(_ATTACH_PER_SECOND)
_look_pace = Pace.at(_LOOK_PER_SECOND)
_RETRY_QUEUE = RetryQueue() if "RETRY_QUEUE_URL" in os.environ else None
_pages = IdentityPages(
    boto3.client("cognito-identity", config=limits(attempts=5)),
    _IDENTITY_POOL_ID,
    Pace.at(_PAGES_PER_SECOND),
)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Make a step of a sweep, and return how far it has come.

    The state machine is started with ``{"full": look at every identity, "dryRun": attach nothing, "users": queue the
    user pool's users first, "resume": turn attaching on again}``; each is false unless given.

    Raises:
        botocore.exceptions.BotoCoreError: no answer from AWS.
        botocore.exceptions.ClientError: AWS throttles or fails; the state machine makes the step again later.
    """
    started, step = time.monotonic(), Step.begin(event, context)
    sweep = Sweep.of_progress(step.progress) if step.progress else _plan(step)
    before = _counts(sweep)
    reason: str | None = None
    try:
        state = _go_on(step, sweep)
    except ClientError as error:
        if passes(error):
            raise
        reason = cause(error)
        state = step.failed(reason, sweep.as_progress())
    report_counts(
        {outcome: max(0, count - before[outcome]) for outcome, count in _counts(sweep).items()},
        source="sweep",
        stack=_STACK,
        request_id=context.aws_request_id,
        seconds=time.monotonic() - started,
        reason=reason,
    )
    return state


def _plan(step: Step) -> Sweep:
    """Return the sweep that this execution makes."""
    if step.given.get("resume"):
        _switch.turn_on(_ssm)
    before = SweepsBefore(_states, step.state_machine_arn, step.execution_arn)
    if before.another_runs():
        return Sweep(time.time(), _OF, ended=ANOTHER_RUNS)
    sweep = before.plan(
        now=time.time(),
        of=_OF,
        full=bool(step.given.get("full") or step.given.get("resume")),
        dry_run=bool(step.given.get("dryRun")),
        full_every_days=_FULL_EVERY_DAYS,
    )
    sweep.users_due = sweep.users_due or bool(step.given.get("users"))
    return sweep


def _go_on(step: Step, sweep: Sweep) -> dict[str, Any]:
    """Sweep until the step is over; return its state."""
    if not sweep.dry_run:
        try:
            _switch.check(_ssm)
        except AttachmentPausedError:
            sweep.ended = ATTACHING_IS_OFF
    if sweep.restarts > _MOST_RESTARTS:
        return step.failed("ListIdentities refuses its own tokens", sweep.as_progress())
    if _others_go_first():
        return step.wait(_WAIT_SECONDS, sweep.as_progress())
    while _RETRY_QUEUE and sweep.users_due and not step.is_over and not _RETRY_QUEUE.is_behind():
        queued, sweep.users_token = _RETRY_QUEUE.fill(sweep.users_token)
        sweep.queued += queued
        sweep.users_due = sweep.users_token is not None
    if not sweep.users_due and not sweep.ended:
        with worker_threads() as threads:
            _sweep(step, sweep, threads)
    return (step.done if sweep.ended else step.again)(sweep.as_progress())


def _sweep(step: Step, sweep: Sweep, threads: ThreadPoolExecutor) -> None:
    """Work through the pages until the step is over; what is left begins behind the last page that is done whole."""
    under_way: deque[tuple[Page, list[Future[str]]]] = deque()
    unread: str | None = sweep.token
    all_read = False
    while True:
        if not all_read and len(under_way) < _PAGES_AT_ONCE and not step.is_over and not _others_go_first():
            try:
                page = _pages.read(unread)
            except RejectedTokenError:
                for read, outcomes in under_way:
                    _take_note(read, outcomes, sweep)
                sweep.begin_again()
                return
            due = [each for each in page.identities if _is_due(each, sweep)]
            under_way.append((page, [threads.submit(_settle, each.identity_id, sweep.dry_run) for each in due]))
            unread, all_read = page.next_token, page.next_token is None
        elif under_way:
            _take_note(*under_way.popleft(), sweep)
        else:
            return


def _is_due(identity: Identity, sweep: Sweep) -> bool:
    if identity.is_guest or not _login_providers.include(identity.providers):
        return False
    return sweep.changed_since is None or identity.changed_at >= sweep.changed_since


def _take_note(page: Page, outcomes: list[Future[str]], sweep: Sweep) -> None:
    """Count what a page has come to, once all of it is done; the sweep goes on behind it."""
    settled = Counter(each.result() for each in outcomes)
    sweep.listed += len(page.identities)
    guests = sum(each.is_guest for each in page.identities)
    others = sum(not each.is_guest and not _login_providers.include(each.providers) for each in page.identities)
    sweep.guests += guests
    sweep.other_providers += others
    sweep.unchanged += len(page.identities) - guests - others - len(outcomes)
    sweep.attached += settled.pop(_ATTACHED, 0)
    sweep.already_attached += settled.pop(_CURRENT, 0)
    sweep.failed = dict(Counter(sweep.failed) + settled)
    sweep.token = page.next_token
    if page.next_token is None:
        sweep.ended = SWEPT
        if sweep.is_full:
            sweep.last_full = sweep.started_at


def _settle(identity_id: str, dry_run: bool) -> str:
    """Attach the policy to an identity that has not got it; return the outcome, or AWS's error code for this one."""
    return settle(lambda: _attach_if_missing(identity_id, dry_run))


def _attach_if_missing(identity_id: str, dry_run: bool) -> str:
    with paced(_look_pace):
        is_attached = has_policy(_iot, _POLICY_NAME, identity_id)
    if is_attached:
        return _CURRENT
    if not dry_run:
        with paced(_attach_pace):
            _iot.attach_policy(policyName=_POLICY_NAME, target=identity_id)
    return _ATTACHED


def _others_go_first() -> bool:
    return _RETRY_QUEUE is not None and _RETRY_QUEUE.is_behind()


def _counts(sweep: Sweep) -> dict[str, int]:
    """Return a sweep's counts as the outcomes that are reported; of a dry run nothing was attached."""
    attached = 0 if sweep.dry_run else sweep.attached
    return {
        "Attached": attached,
        "Queued": sweep.queued,
        "Skipped": sweep.already_attached + sweep.unchanged + sweep.guests + sweep.other_providers,
        "Failed": sum(sweep.failed.values()),
    }
