"""What is done to every identity, as the stack would be set: sweeps, detaching from everybody, a rename."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.scale.looping import Call, Done, Work, simulate
from local_cloud.faults.quotas import quota_of
from stacks.settings import AttachPerSecond, Settings

ATTACH, DETACH = "iot:AttachPolicy", "iot:DetachPolicy"
LOOK = "iot:ListAttachedPolicies"
IDENTITIES, TARGETS = "cognito-identity:ListIdentities", "iot:ListTargetsForPolicy"

# https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_ListIdentities.html
_IDENTITY_PAGE = 60
# https://docs.aws.amazon.com/iot/latest/apireference/API_ListTargetsForPolicy.html
_LARGEST_TARGET_PAGE = 250
# A page of targets is what can be worked off in this time.
_TARGET_PAGE_SECONDS = 5

# Until an attached policy acts: https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
PROPAGATION_SECONDS = 600.0
# Functions may believe for so long that attaching is still allowed.
SWITCH_SECONDS = 45.0


@dataclass(frozen=True)
class Latencies:
    """Seconds that AWS takes; assumed, for none was measured on AWS."""

    look: float = 0.05
    attach: float = 0.05
    detach: float = 0.05
    page: float = 0.1
    between_steps: float = 1.0
    settle: float = 0.0


@dataclass(frozen=True)
class Rates:
    """How the stack is set.

    Attributes:
        name: what they are called in the tables.
        attach: the setting ``attachPerSecond``.
        detach: the setting ``detachPerSecond``.
    """

    name: str
    attach: AttachPerSecond
    detach: int

    @property
    def looks(self) -> int:
        """ListAttachedPolicies calls a second of the sweep: those of the worker too, which does not look."""
        return self.attach.list_rate("sign-in")


def _attach(sign_in: int, worker: int, sweep: int) -> AttachPerSecond:
    return AttachPerSecond.model_validate({"signIn": sign_in, "retry": worker, "sweep": sweep})


DEFAULT = Rates("as deployed", AttachPerSecond(), detach=Settings().detach_per_second)
LENT = Rates("lent to the sweep", _attach(2, 3, 10), detach=Settings().detach_per_second)
RAISED = Rates("quotas x 10", _attach(20, 30, 100), detach=150)
ALL_RATES = (DEFAULT, LENT, RAISED)

CHANGED_SHARE = 0.02
"""Of the identities, how many were changed since yesterday; a quarter of them lacks the policy."""
_MISSING_SHARE = 0.25


def sweep(
    identities: int,
    rates: Rates,
    *,
    due: float = 1.0,
    missing: float = 1.0,
    latencies: Latencies | None = None,
    is_behind: Callable[[float], bool] | None = None,
) -> Done:
    """Simulate a sweep.

    Args:
        identities: how many the identity pool has.
        rates: how the stack is set.
        due: the share of them that is looked at.
        missing: the share of those looked at that lacks the policy.
        latencies: what AWS takes.
        is_behind: when the retry queue goes first; never unless given.
    """
    work = sweep_work(identities, rates.attach.sweep, rates.looks, due, missing, latencies or Latencies())
    # Nothing repeats itself when the queue comes in between, so every call is gone through.
    return simulate(work, is_behind=is_behind, one_by_one=identities) if is_behind else simulate(work)


def sweep_work(identities: int, attach: float, look: float, due: float, missing: float, latencies: Latencies) -> Work:
    """Return a sweep's work at these rates of calls a second."""
    return Work(
        identities,
        page=Call(IDENTITIES, quota_of(IDENTITIES).per_second, latencies.page),
        page_size=_IDENTITY_PAGE,
        pages_at_once=2,
        calls=(Call(LOOK, look, latencies.look, due), Call(ATTACH, attach, latencies.attach, missing)),
        between_steps=latencies.between_steps,
        settle=latencies.settle,
    )


def first_sweep(identities: int, rates: Rates) -> Done:
    """Nobody is attached yet."""
    return sweep(identities, rates)


def full_pass(identities: int, rates: Rates) -> Done:
    """Everybody is attached already."""
    return sweep(identities, rates, missing=0.0)


def daily_sweep(identities: int, rates: Rates) -> Done:
    """Only those who were changed since yesterday are looked at."""
    return sweep(identities, rates, due=CHANGED_SHARE, missing=_MISSING_SHARE)


def detach_all(identities: int, rates: Rates) -> Done:
    """``pubsub detach --all``: the policy is taken off everybody."""
    done = simulate(_targets(identities, rates.detach, Call(DETACH, rates.detach, Latencies().detach)))
    return done + Done(seconds=SWITCH_SECONDS)


def rename(identities: int, rates: Rates) -> Done:
    """A changed ``policyName``: the new policy is attached everywhere, acts, and then the old one is detached."""
    latencies = Latencies()
    slowest = min(rates.attach.sweep, rates.detach)
    look = Call(LOOK, rates.looks, latencies.look)
    attached = simulate(_targets(identities, slowest, look, Call(ATTACH, rates.attach.sweep, latencies.attach)))
    detached = simulate(_targets(identities, slowest, look, Call(DETACH, rates.detach, latencies.detach)))
    return attached + Done(seconds=PROPAGATION_SECONDS) + detached


def _targets(identities: int, slowest: float, *calls: Call) -> Work:
    latencies = Latencies()
    return Work(
        identities,
        page=Call(TARGETS, quota_of(TARGETS).per_second, latencies.page),
        page_size=min(_LARGEST_TARGET_PAGE, math.ceil(slowest * _TARGET_PAGE_SECONDS)),
        pages_at_once=1,
        calls=calls,
        between_steps=latencies.between_steps,
    )


WORKS = {
    "first sweep": first_sweep,
    "full pass": full_pass,
    "daily sweep": daily_sweep,
    "detach --all": detach_all,
    "rename": rename,
}
"""By the names of the tables."""
