"""The tables of docs/scale.md, and its plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from benchmarks.scale import prices
from benchmarks.scale.looping import Done
from benchmarks.scale.plot import Axis, Line, svg
from benchmarks.scale.prices import AMOUNT, MILLION, PRICES, Habits
from benchmarks.scale.sign_ins import CONNECT, FIRST, PATHS, REPEAT, Path, bounds, mixed
from benchmarks.scale.works import ALL_RATES, DEFAULT, LENT, RAISED, WORKS, Rates, sweep

SIZES = {"10 k": 10_000, "1 M": 1_000_000, "10 M": 10_000_000}
HABITS = Habits()

_HOUR, _DAY = 3600, 86_400
# Of a day, as AWS reckons: https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html
_BUSY_SECONDS, _PEAK = 8 * _HOUR, 3
_BEHIND_HOURS = 4


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        name: of the markers between which it stands.
        title: what it tells.
        columns: the heads.
        rows: the cells.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def markdown(self) -> str:
        """The table as the page has it."""
        head = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1)]
        return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *self.rows])


def tables() -> list[Table]:
    """Return every table, in the order of the page."""
    return [_answer(), _bounds(), _needed(), _costs(), _hours(), _calls(), _rates(), _invocations(), _prices()]


def plots() -> dict[str, str]:
    """Return the plots as SVG, by the names of their files."""
    users = Axis("identities", [(1e4, "10 k"), (1e5, "100 k"), (1e6, "1 M"), (1e7, "10 M")])
    hours = Axis(
        "", [(1 / 120, "30 s"), (1 / 6, "10 min"), (1, "1 h"), (24, "1 day"), (24 * 7, "1 week"), (24 * 60, "60 days")]
    )
    sizes = [count for count, _ in users.ticks]
    sweeps = [
        Line(rates.name, [(size, _done("first sweep", int(size), rates).hours) for size in sizes])
        for rates in ALL_RATES
    ]
    daily = Line("daily sweep", [(size, _done("daily sweep", int(size), DEFAULT).hours) for size in sizes])
    connects = Axis(
        "connections of a user between two sign-ins", [(1, "1"), (3, "3"), (10, "10"), (30, "30"), (100, "100")]
    )
    dollars = Axis("", [(1, "$1"), (3, "$3"), (10, "$10"), (30, "$30"), (100, "$100"), (300, "$300")])
    between = [count for count, _ in connects.ticks]
    lines = [
        Line("this toolkit, first", [(count, MILLION * prices.first_usd()) for count in between]),
        Line("mixed", [(count, MILLION * prices.mixed_usd(HABITS)) for count in between]),
        Line("an API call per connect", [(count, MILLION * count * prices.connect_usd()) for count in between]),
    ]
    return {
        "first-sweep.svg": svg("The first sweep, and a daily one as deployed", users, hours, [*sweeps, daily]),
        "cost.svg": svg("US dollars for a million sign-ins and what comes of them", connects, dollars, lines),
    }


@cache
def _done(work: str, identities: int, rates: Rates) -> Done:
    return WORKS[work](identities, rates)


def _answer() -> Table:
    def by_size(title: str, cell: Callable[[int], str]) -> list[str]:
        return [title, *map(cell, SIZES.values())]

    def span(work: str, rates: Rates) -> Callable[[int], str]:
        return lambda size: _span(_done(work, size, rates).seconds)

    def sustained(path: Path) -> Callable[[int], str]:
        return lambda _: _rate(bounds(path)[0].per_second)

    def peak(times: float) -> Callable[[int], str]:
        return lambda size: _rate(_peak(size, times))

    def usd(times: float, price: float) -> Callable[[int], str]:
        return lambda size: _usd(size * times * price)

    return Table(
        "answer",
        "What to expect",
        ["users", *SIZES],
        [
            by_size("first sweep, as deployed", span("first sweep", DEFAULT)),
            by_size("first sweep, 10 of the 15 calls a second lent to it", span("first sweep", LENT)),
            by_size("first sweep, quotas of AWS IoT raised tenfold", span("first sweep", RAISED)),
            by_size("daily sweep", span("daily sweep", DEFAULT)),
            by_size("first sign-ins a second, sustained", sustained(FIRST)),
            by_size("repeat sign-ins a second, sustained", sustained(REPEAT)),
            by_size("sign-ins a second that these users ask for at peak", peak(HABITS.sign_ins)),
            by_size("30 days of sign-ins cost", usd(HABITS.sign_ins, prices.mixed_usd(HABITS))),
            by_size("an API call per connect: it costs", usd(HABITS.connects, prices.connect_usd())),
            by_size("connects a second, sustained", sustained(CONNECT)),
            by_size("connects a second at peak", peak(HABITS.connects)),
        ],
    )


def _bounds() -> Table:
    """What each quota lets through on each path; the one that binds first is bold."""
    found = {path.name: {bound.quota: bound.per_second for bound in bounds(path)} for path in PATHS}
    quotas = sorted(
        {quota for each in found.values() for quota in each},
        key=lambda quota: min(each[quota] for each in found.values() if quota in each),
    )
    return Table(
        "bounds",
        "What binds: a second, by quota",
        ["quota of", "in Service Quotas", "calls", "can be raised", *found],
        [
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
            for quota in quotas
        ],
    )


def _needed() -> Table:
    """How many calls a second users ask for at peak; what is more than the quota is bold."""
    sign_in = mixed(HABITS.first_share)
    rows = []
    for path, times in ((sign_in, HABITS.sign_ins), (CONNECT, HABITS.connects)):
        for bound in bounds(path):
            quota = bound.quota
            needed = [_peak(size, times) * path.calls_since(quota) for size in SIZES.values()]
            cells = [_bold(_rate(calls), calls > quota.per_second) for calls in needed]
            rows.append([f"{_operations(quota.operations)}, {path.name}", f"{quota.per_second:g}", *cells])
    return Table("needed", "What users ask for: calls a second, at peak", ["", "quota", *SIZES], rows)


def _costs() -> Table:
    connects = HABITS.connects_per_sign_in
    rows = [
        ["first sign-in", _usd(MILLION * prices.first_usd()), _usd(MILLION * connects * prices.connect_usd())],
        ["repeat sign-in", _usd(MILLION * prices.repeat_usd()), _usd(MILLION * connects * prices.connect_usd())],
        [
            f"mixed: {HABITS.sign_ins:g} sign-ins and {HABITS.connects:g} connects in 30 days",
            _usd(MILLION * prices.mixed_usd(HABITS)),
            _usd(MILLION * connects * prices.connect_usd()),
        ],
        [
            "one connect for each sign-in, otherwise the same",
            _usd(MILLION * prices.mixed_usd(HABITS)),
            _usd(MILLION * prices.connect_usd()),
        ],
    ]
    return Table(
        "costs", "A million sign-ins, and their connects", ["", "this toolkit", "an API call per connect"], rows
    )


def _hours() -> Table:
    rows = []
    for work in WORKS:
        for rates in ALL_RATES:
            done = [_done(work, size, rates) for size in SIZES.values()]
            rows.append([work, rates.name, *(_span(each.seconds) for each in done), _usd(prices.work_usd(done[-1]))])
    behind = sweep(SIZES["1 M"], DEFAULT, is_behind=lambda now: now % _DAY < _BEHIND_HOURS * _HOUR)
    busy = f"first sweep, the retry queue behind for {_BEHIND_HOURS} h each day"
    rows.append([busy, DEFAULT.name, "", _span(behind.seconds), "", ""])
    return Table("hours", "How long it takes", ["", "rates", *SIZES, "10 M costs"], rows)


def _calls() -> Table:
    operations = list(dict.fromkeys(name for work in WORKS for name in _done(work, SIZES["10 M"], DEFAULT).calls))
    rows = []
    for work in WORKS:
        for name, size in SIZES.items():
            calls = _done(work, size, DEFAULT).calls
            rows.append(
                [f"{work}, {name}", *(f"{calls[operation]:,}" if calls[operation] else "" for operation in operations)]
            )
    return Table("calls", "Calls", ["", *(operation.split(":")[1] for operation in operations)], rows)


def _rates() -> Table:
    rows = [
        [
            rates.name,
            f'`{{"signIn": {rates.attach.sign_in}, "retry": {rates.attach.retry}, "sweep": {rates.attach.sweep}}}`',
            f"{rates.looks}",
            f"{rates.detach}",
        ]
        for rates in ALL_RATES
    ]
    return Table("rates", "The rates", ["", "`attachPerSecond`", "looks a second", "`detachPerSecond`"], rows)


def _invocations() -> Table:
    rows = [
        [path, each.function, f"{each.gb * 1024:.0f} MB", f"{each.seconds * 1000:.0f} ms", f"{each.log_bytes} B"]
        for path, invocations in {
            "first sign-in": prices.FIRST,
            "repeat sign-in": prices.REPEAT,
            "an API call per connect": prices.CONNECT,
        }.items()
        for each in invocations
    ]
    return Table("invocations", "The functions", ["", "function", "memory", "runs for", "logs"], rows)


def _prices() -> Table:
    rows = [[f"[{each.name}]({each.source})", f"${each.usd * AMOUNT[each.per]:.10g}", each.per] for each in PRICES]
    return Table("prices", "Prices", ["", "US dollars", "per"], rows)


def _peak(users: int, times_in_30_days: float) -> float:
    """Return how often a second something happens at peak that each user does so often."""
    return users * times_in_30_days / 30 / _BUSY_SECONDS * _PEAK


def _operations(operations: Sequence[str]) -> str:
    """Return an operation, or its quota's first and how many others share it."""
    names = [operation.split(":")[1] for operation in operations]
    if len(names) <= 2:
        return ", ".join(names)
    return f"AdminUpdateUserAttributes and {len(names) - 1} others"


def _span(seconds: float) -> str:
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
