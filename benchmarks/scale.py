"""Write the tables of docs/explanation/scale.md: durations and costs for up to ten million users.

Run ``python -m benchmarks.scale``. All figures are estimates. ``python -m benchmarks.attachment`` compares the duration
of sweeps with measurements on the local cloud.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.quotas import AWS_QUOTAS, Quota, quota_of
from benchmarks.report import REPOSITORY
from stacks.settings import AttachPerSecond, Settings

PAGE = REPOSITORY / "docs" / "explanation" / "scale.md"

# Copies of constants in lambdas/bulk, which this package must not import. A unit test compares them.
THREADS = 16
STEP_SECONDS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0)

ATTACH, DETACH = "iot:AttachPolicy", "iot:DetachPolicy"
LIST_ATTACHED = "iot:ListAttachedPolicies"
IDENTITIES, TARGETS = "cognito-identity:ListIdentities", "iot:ListTargetsForPolicy"

# https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_ListIdentities.html
_IDENTITY_PAGE = 60
# https://docs.aws.amazon.com/iot/latest/apireference/API_ListTargetsForPolicy.html
_MAX_TARGET_PAGE = 250
# A page of targets has at most as many as can be processed in this time.
_TARGET_PAGE_SECONDS = 5
# Until an attached policy takes effect: https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
_PROPAGATION_SECONDS = 600.0
# How long functions cache the pause flag.
_PAUSE_SECONDS = 45.0

_HOUR, _DAY = 3600, 86_400
# Peak rates as AWS estimates them: https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html
_BUSY_SECONDS, _PEAK = 8 * _HOUR, 3
_BEHIND_HOURS = 4

SIZES = {"10 k": 10_000, "1 M": 1_000_000, "10 M": 10_000_000}
SIGN_INS = 4
"""Sign-ins of a user in 30 days."""
CONNECTS = 60
"""Connections of a user in 30 days: at least one each time the app is opened."""
_MILLION = 1_000_000


@dataclass(frozen=True)
class Table:
    """A table of the page, between markers of its name."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def markdown(self) -> str:
        """The table in Markdown."""
        head = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1)]
        return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *self.rows])


# Bulk work: sweeps, bulk detachment, a renamed policy.


@dataclass(frozen=True)
class Call:
    """A call for each page or identity.

    Attributes:
        operation: such as ``iot:AttachPolicy``.
        per_second: the rate limit.
        seconds: the response time.
        share: how many of the identities of the previous call need this call.
    """

    operation: str
    per_second: float
    seconds: float
    share: float = 1.0


@dataclass(frozen=True)
class Latencies:
    """Assumed response times in seconds. They have not been measured on AWS."""

    list_attached: float = 0.05
    attach: float = 0.05
    detach: float = 0.05
    page: float = 0.1
    between_steps: float = 1.0


@dataclass(frozen=True)
class Estimate:
    """The duration of bulk work, the steps of its state machine, and the calls by operation."""

    seconds: float
    steps: int
    calls: Mapping[str, int]

    def __add__(self, other: Estimate) -> Estimate:
        """Return the estimate for both, one after the other."""
        calls = Counter(self.calls) + Counter(other.calls)
        return Estimate(self.seconds + other.seconds, self.steps + other.steps, calls)

    @property
    def usd(self) -> float:
        """The cost: the function runs all the time, and a step takes two state transitions."""
        return self.steps * (2 * _TRANSITION_USD + _REQUEST_USD) + self.seconds * 0.5 * _GB_SECOND_USD


def estimate(
    identities: int, page: Call, page_size: int, calls: Sequence[Call], *, prefetch: bool, between_steps: float
) -> Estimate:
    """Estimate work on every identity. The slowest stage determines the duration.

    Args:
        identities: the number of identities.
        page: the call that lists them.
        page_size: identities per page.
        calls: the calls for each identity, which 16 threads make one after another.
        prefetch: whether the next page is read while a page is processed.
        between_steps: seconds between two steps of the state machine.
    """
    share, busy_seconds, slowest, counts = 1.0, 0.0, 0.0, {}
    for call in calls:
        share *= call.share
        busy_seconds += share * call.seconds
        slowest = max(slowest, share / call.per_second)
        counts[call.operation] = round(share * identities)
    pages = math.ceil(identities / page_size)
    counts[page.operation] = pages
    reading = pages * max(1 / page.per_second, page.seconds)
    processing = identities * max(slowest, busy_seconds / THREADS)
    if prefetch:
        seconds = max(reading, processing) + page.seconds + busy_seconds
    else:  # a page is read after the previous one, which takes extra time only if it is slower than the rate
        seconds = max(reading, processing + pages * max(0, page.seconds + busy_seconds - slowest))
    steps, left = 0, seconds
    while left > 0:
        left -= STEP_SECONDS[min(steps, len(STEP_SECONDS) - 1)]
        steps += 1
    return Estimate(seconds + max(0, steps - 1) * between_steps, steps, counts)


def sweep(
    identities: int,
    attach_rate: float,
    list_rate: float,
    *,
    due: float = 1.0,
    missing: float = 1.0,
    latencies: Latencies | None = None,
) -> Estimate:
    """Estimate a sweep.

    Args:
        identities: the identities of the identity pool.
        attach_rate: AttachPolicy calls a second.
        list_rate: ListAttachedPolicies calls a second.
        due: the share of identities to check.
        missing: the share of checked identities without the policy.
        latencies: AWS's response times.
    """
    times = latencies or Latencies()
    return estimate(
        identities,
        Call(IDENTITIES, quota_of(IDENTITIES).per_second, times.page),
        _IDENTITY_PAGE,
        [
            Call(LIST_ATTACHED, list_rate, times.list_attached, due),
            Call(ATTACH, attach_rate, times.attach, missing),
        ],
        prefetch=True,
        between_steps=times.between_steps,
    )


@dataclass(frozen=True)
class Rates:
    """The stack's settings ``attachPerSecond`` and ``detachPerSecond``, and their name in the tables."""

    name: str
    attach: AttachPerSecond
    detach: int

    @property
    def list_rate(self) -> int:
        """ListAttachedPolicies calls a second of the sweep."""
        return self.attach.list_rate("sign-in")


def _attach(sign_in: int, retry: int, sweep: int) -> AttachPerSecond:
    return AttachPerSecond.model_validate({"signIn": sign_in, "retry": retry, "sweep": sweep})


DEFAULT = Rates("as deployed", AttachPerSecond(), detach=Settings().detach_per_second)
LENT = Rates("lent to the sweep", _attach(2, 3, 10), detach=Settings().detach_per_second)
RAISED = Rates("quotas x 10", _attach(20, 30, 100), detach=150)
ALL_RATES = (DEFAULT, LENT, RAISED)


def first_sweep(identities: int, rates: Rates) -> Estimate:
    """Estimate a sweep before any identity is attached."""
    return sweep(identities, rates.attach.sweep, rates.list_rate)


def full_pass(identities: int, rates: Rates) -> Estimate:
    """Estimate a sweep after all identities were attached."""
    return sweep(identities, rates.attach.sweep, rates.list_rate, missing=0.0)


def daily_sweep(identities: int, rates: Rates) -> Estimate:
    """Estimate a sweep with 2 % of the identities changed since yesterday, a quarter of them without the policy."""
    return sweep(identities, rates.attach.sweep, rates.list_rate, due=0.02, missing=0.25)


def detach_all(identities: int, rates: Rates) -> Estimate:
    """Estimate ``pubsub detach --all``, which detaches the policy from every identity."""
    detached = _process_targets(identities, rates.detach, Call(DETACH, rates.detach, Latencies().detach))
    return detached + Estimate(_PAUSE_SECONDS, 0, {})


def rename(identities: int, rates: Rates) -> Estimate:
    """Estimate a change of ``policyName``: attach the new policy, wait until it takes effect, detach the old one."""
    slowest = min(rates.attach.sweep, rates.detach)
    check = Call(LIST_ATTACHED, rates.list_rate, Latencies().list_attached)
    attach = Call(ATTACH, rates.attach.sweep, Latencies().attach)
    detach = Call(DETACH, rates.detach, Latencies().detach)
    attached = _process_targets(identities, slowest, check, attach)
    return attached + Estimate(_PROPAGATION_SECONDS, 0, {}) + _process_targets(identities, slowest, check, detach)


def _process_targets(identities: int, slowest: float, *calls: Call) -> Estimate:
    page = Call(TARGETS, quota_of(TARGETS).per_second, Latencies().page)
    size = min(_MAX_TARGET_PAGE, math.ceil(slowest * _TARGET_PAGE_SECONDS))
    return estimate(identities, page, size, calls, prefetch=False, between_steps=Latencies().between_steps)


WORKS: dict[str, Callable[[int, Rates], Estimate]] = {
    "first sweep": first_sweep,
    "full pass": full_pass,
    "daily sweep": daily_sweep,
    "detach --all": detach_all,
    "rename": rename,
}


# Sign-ins.


@dataclass(frozen=True)
class Path:
    """An action of a user, and how many calls of each operation with a quota it makes."""

    name: str
    calls: Mapping[str, float]

    def calls_against(self, quota: Quota) -> float:
        """Return how many of the calls count against a quota."""
        return sum(self.calls.get(operation, 0) for operation in quota.operations)

    def limits(self) -> dict[Quota, float]:
        """Return how often a second each quota allows the action, the lowest first."""
        found = {quota: quota.per_second / calls for quota in AWS_QUOTAS if (calls := self.calls_against(quota))}
        return dict(sorted(found.items(), key=lambda item: item[1]))

    @property
    def sustained(self) -> float:
        """How often a second the action is possible."""
        return min(self.limits().values())


# Amplify signs in with SRP, and requests the identity and credentials itself.
_FRONT_END = {
    "cognito-idp:InitiateAuth": 1,
    "cognito-idp:RespondToAuthChallenge": 1,
    "cognito-identity:GetId": 1,
    "cognito-identity:GetCredentialsForIdentity": 1,
}
# lambdas/attachment/chain.py
_CHAIN = {
    "cognito-idp:AdminInitiateAuth": 1,
    "cognito-idp:AdminRespondToAuthChallenge": 1,
    "cognito-identity:GetId": 1,
    "iot:AttachPolicy": 1,
    "cognito-idp:AdminUpdateUserAttributes": 1,
}
FIRST = Path("first sign-in", Counter(_FRONT_END) + Counter(_CHAIN))
REPEAT = Path("repeat sign-in", _FRONT_END)
CONNECT = Path("connect, one API call each", {ATTACH: 1})
# A marker is valid for 30 days.
MIXED = Path("sign-in", Counter(_FRONT_END) + Counter({name: count / SIGN_INS for name, count in _CHAIN.items()}))


# Prices in US East (N. Virginia) in US dollars, from AWS's pages or stored copies of them in November 2026, without
# free tiers and without discounts for volume.

# https://aws.amazon.com/lambda/pricing/
_REQUEST_USD = 0.20e-6
_GB_SECOND_USD = 0.0000133334  # Arm
# https://aws.amazon.com/kms/pricing/
_MAC_USD = 0.03e-4
# https://aws.amazon.com/cloudwatch/pricing/
_LOG_BYTE_USD = 0.50e-9
# HTTP API: https://aws.amazon.com/api-gateway/pricing/
_API_REQUEST_USD = 1e-6
# Standard workflows: https://aws.amazon.com/step-functions/pricing/
_TRANSITION_USD = 0.025e-3


@dataclass(frozen=True)
class Invocation:
    """A warm invocation: its memory in MB, its duration and its log in bytes, both assumed."""

    path: str
    function: str
    megabytes: int
    seconds: float
    log_bytes: int

    @property
    def usd(self) -> float:
        """The cost of an invocation."""
        gb_seconds = self.megabytes / 1024 * self.seconds
        return _REQUEST_USD + gb_seconds * _GB_SECOND_USD + self.log_bytes * _LOG_BYTE_USD


_API_CALL = "an API call per connect"
INVOCATIONS = (
    Invocation(FIRST.name, "trigger, the whole chain", 1769, 0.4, 1000),
    Invocation(FIRST.name, "trigger, internal sign-in", 1769, 0.003, 400),
    Invocation(FIRST.name, "challenge, define", 1769, 0.003, 400),
    Invocation(FIRST.name, "challenge, create", 1769, 0.003, 400),
    Invocation(FIRST.name, "challenge, verify", 1769, 0.03, 400),
    Invocation(FIRST.name, "challenge, define again", 1769, 0.003, 400),
    Invocation(REPEAT.name, "trigger, marker current", 1769, 0.003, 1000),
    Invocation(_API_CALL, "function behind the API", 256, 0.1, 600),
)


def _invocations_usd(path: str) -> float:
    return sum(each.usd for each in INVOCATIONS if each.path == path)


FIRST_USD = _invocations_usd(FIRST.name) + 2 * _MAC_USD  # GenerateMac and VerifyMac
REPEAT_USD = _invocations_usd(REPEAT.name)
MIXED_USD = FIRST_USD / SIGN_INS + REPEAT_USD * (1 - 1 / SIGN_INS)
CONNECT_USD = _invocations_usd(_API_CALL) + _API_REQUEST_USD


# The tables.


def tables() -> list[Table]:
    """Return every table, in the order of the page."""
    return [_answer(), _limits(), _needed(), _costs(), _hours(), _rates()]


def _answer() -> Table:
    def row(title: str, cell: Callable[[int], str]) -> list[str]:
        return [title, *map(cell, SIZES.values())]

    def duration(work: str, rates: Rates) -> Callable[[int], str]:
        return lambda size: _duration(WORKS[work](size, rates).seconds)

    rows = [
        row("first sweep, as deployed", duration("first sweep", DEFAULT)),
        row("first sweep, 10 of the 15 calls a second lent to it", duration("first sweep", LENT)),
        row("first sweep, quotas of AWS IoT raised tenfold", duration("first sweep", RAISED)),
        row("daily sweep", duration("daily sweep", DEFAULT)),
        row("first sign-ins a second, sustained", lambda _: _rate(FIRST.sustained)),
        row("repeat sign-ins a second, sustained", lambda _: _rate(REPEAT.sustained)),
        row("sign-ins a second that these users need at peak", lambda size: _rate(_peak(size, SIGN_INS))),
        row("30 days of sign-ins cost", lambda size: _usd(size * SIGN_INS * MIXED_USD)),
        row("an API call per connect costs", lambda size: _usd(size * CONNECTS * CONNECT_USD)),
    ]
    return Table("answer", ["users", *SIZES], rows)


def _limits() -> Table:
    """Return how often a second each quota allows each path; the limiting quota of a path is bold."""
    found = {path.name: path.limits() for path in (FIRST, REPEAT, CONNECT)}
    lowest = {quota: min(each.get(quota, math.inf) for each in found.values()) for quota in AWS_QUOTAS}
    rows = [
        [
            _operations(quota.operations),
            quota.name,
            f"{quota.per_second:g}",
            "yes" if quota.is_adjustable else "no",
            *(
                _bold(_rate(each[quota]), each[quota] == min(each.values())) if quota in each else ""
                for each in found.values()
            ),
        ]
        for quota in sorted(lowest, key=lambda quota: lowest[quota])
        if lowest[quota] < math.inf
    ]
    return Table("bounds", ["quota of", "in Service Quotas", "calls", "can be raised", *found], rows)


def _needed() -> Table:
    """Return how many calls a second users need at peak, if a quota does not allow all; rates above it are bold."""
    rows = []
    for path, times in ((MIXED, SIGN_INS), (CONNECT, CONNECTS)):
        for quota in path.limits():
            needed = [_peak(size, times) * path.calls_against(quota) for size in SIZES.values()]
            if max(needed) <= quota.per_second:
                continue
            cells = [_bold(_rate(calls), calls > quota.per_second) for calls in needed]
            rows.append([f"{_operations(quota.operations)}, {path.name}", f"{quota.per_second:g}", *cells])
    return Table("needed", ["", "quota", *SIZES], rows)


def _costs() -> Table:
    between = CONNECTS / SIGN_INS
    rows = [
        [title, _usd(_MILLION * usd), _usd(_MILLION * connects * CONNECT_USD)]
        for title, usd, connects in [
            (FIRST.name, FIRST_USD, between),
            (REPEAT.name, REPEAT_USD, between),
            (f"mixed: {SIGN_INS} sign-ins and {CONNECTS} connects in 30 days", MIXED_USD, between),
            ("one connect for each sign-in, otherwise the same", MIXED_USD, 1),
        ]
    ]
    return Table("costs", ["", "this toolkit", _API_CALL], rows)


def _hours() -> Table:
    rows = []
    for name, work in WORKS.items():
        names: dict[tuple[str, ...], list[str]] = {}  # of the rates with the same durations and costs
        for rates in ALL_RATES:
            found = [work(size, rates) for size in SIZES.values()]
            cells = (*(_duration(each.seconds) for each in found), _usd(found[-1].usd))
            names.setdefault(cells, []).append(rates.name)
        for cells, same in names.items():
            rows.append([name, "all" if len(same) == len(ALL_RATES) else ", ".join(same), *cells])
    # The sweep waits while the retry queue is behind, here in the first hours of each day.
    undisturbed = first_sweep(SIZES["1 M"], DEFAULT).seconds
    waits = math.ceil(undisturbed / (_DAY - _BEHIND_HOURS * _HOUR)) * _BEHIND_HOURS * _HOUR
    behind = f"first sweep, the retry queue behind for {_BEHIND_HOURS} h each day"
    rows.append([behind, DEFAULT.name, "", _duration(undisturbed + waits), "", ""])
    return Table("hours", ["", "rates", *SIZES, "10 M costs"], rows)


def _rates() -> Table:
    rows = [
        [
            rates.name,
            f'`{{"signIn": {rates.attach.sign_in}, "retry": {rates.attach.retry}, "sweep": {rates.attach.sweep}}}`',
            f"{rates.list_rate}",
            f"{rates.detach}",
        ]
        for rates in ALL_RATES
    ]
    return Table("rates", ["", "`attachPerSecond`", "checks a second", "`detachPerSecond`"], rows)


def with_tables(text: str, found: Iterable[Table]) -> str:
    """Return the page's text with these tables between their markers.

    Raises:
        ValueError: a table has no pair of markers.
    """
    for table in found:
        begin, end = f"<!-- {table.name} -->\n", f"<!-- /{table.name} -->\n"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{PAGE}: write {begin.strip()} and {end.strip()} once, each on its own line")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}{table.markdown}\n{end}{rest.partition(end)[2]}"
    return text


def _peak(users: int, times_in_30_days: float) -> float:
    """Return the peak rate a second of an action that each user takes this often in 30 days."""
    return users * times_in_30_days / 30 / _BUSY_SECONDS * _PEAK


def _operations(operations: Sequence[str]) -> str:
    return ", ".join(operation.split(":")[1] for operation in operations)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / 60:.0f} min"
    if seconds < 3 * _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.1f} days"


def _rate(per_second: float) -> str:
    return f"{per_second:.2g}" if per_second < 10 else f"{per_second:,.1f}".removesuffix(".0")


def _bold(cell: str, is_bold: bool) -> str:
    return f"**{cell}**" if is_bold else cell


def _usd(dollars: float) -> str:
    return f"${dollars:,.2f}" if dollars < 100 else f"${dollars:,.0f}"


def main() -> None:
    """Write the tables to the page."""
    PAGE.write_text(with_tables(PAGE.read_text(), tables()))
    print(f"scale: wrote the tables of {PAGE}")


if __name__ == "__main__":
    main()
