"""What a sign-in costs with our trigger and with a naive one: ``python -m benchmarks.sign_in``.

Both are measured in one run, in turns. A ratio is the naive trigger's median by ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Annotated, TypeVar

import typer
from botocore.exceptions import ClientError
from rich.table import Table

from benchmarks.report import console, empty_directory, save
from benchmarks.trigger import Invocation, Trigger, deployed
from local_cloud.process import LocalCloud
from local_cloud.steps import Steps

# On a machine with other work to do, a cold function can outlast the seconds that Lambda and Cognito give it. Ours then
# queues, the naive one fails the sign-in.
_ATTEMPTS = 5
_FAILED_TRIGGER = {"UnexpectedLambdaException", "UserLambdaValidationException"}

_Result = TypeVar("_Result")

# What Cognito does before it answers a call of the chain.
_WITHIN = {
    "AdminInitiateAuth": "challenge function: define, create",
    "AdminRespondToAuthChallenge": "challenge function: verify, define; nested trigger",
}


@dataclass(frozen=True)
class Timing:
    """Seconds that one thing took with either trigger.

    Attributes:
        title: what it is.
        ours: of our trigger.
        naive: of the naive one.
        failed: how many sign-ins each trigger failed, which are no samples.
    """

    title: str
    ours: list[float]
    naive: list[float]
    failed: dict[str, int]

    @property
    def ratio(self) -> float:
        """The naive trigger's median by ours; not a number if either failed every sign-in."""
        return median(self.naive) / median(self.ours) if self.ours and self.naive else math.nan


@dataclass(frozen=True)
class Calls:
    """The AWS calls of one sign-in with either trigger, by operation."""

    title: str
    ours: dict[str, int]
    naive: dict[str, int]


@dataclass(frozen=True)
class Sizes:
    """How often each thing is measured, with either trigger."""

    cold_imports: int
    repeats: int
    firsts: int
    cold_firsts: int


@dataclass(frozen=True)
class Figures:
    """All that is measured.

    Attributes:
        timings: the cold import, and sign-ins of each kind.
        calls: of a first and of a repeat sign-in.
        ours_by_call: events of new users, handled by our trigger.
        naive_by_call: the same by the naive one.
    """

    timings: list[Timing]
    calls: list[Calls]
    ours_by_call: list[Invocation]
    naive_by_call: list[Invocation]


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    cold_imports: Annotated[int, typer.Option(min=1, help="How many cold imports.")] = 15,
    repeats: Annotated[int, typer.Option(min=1, help="How many repeat sign-ins.")] = 60,
    firsts: Annotated[int, typer.Option(min=1, help="How many first sign-ins.")] = 30,
    cold_firsts: Annotated[int, typer.Option(min=1, help="How many first sign-ins with all functions cold.")] = 9,
) -> None:
    """Deploy, measure each trigger as often as given, save and show."""
    sizes = Sizes(cold_imports, repeats, firsts, cold_firsts)
    directory = empty_directory("sign-in")
    steps = Steps()
    with LocalCloud.start(log_file=directory / "cloud.log") as cloud, ExitStack() as blocks:

        def deploy(name: str) -> Trigger:
            return blocks.enter_context(deployed(cloud, directory / name, naive=name == "naive"))

        ours = steps.run("deploy, ours", lambda: deploy("ours"))
        naive = steps.run("deploy, naive", lambda: deploy("naive"))
        figures = _measure(steps, ours, naive, sizes)
    for table in _tables(figures):
        console.print(table)
    save("sign-in", asdict(figures))
    print(_last_line(figures))


def _measure(steps: Steps, ours: Trigger, naive: Trigger, sizes: Sizes) -> Figures:
    known = {each.name: _until_signed_in(each.signed_in_user) for each in (ours, naive)}

    def timing(title: str, times: int, seconds: Callable[[Trigger], float]) -> Timing:
        samples: dict[str, list[float]] = {ours.name: [], naive.name: []}
        failed = {ours.name: 0, naive.name: 0}

        def in_turns() -> None:
            for number in range(times):
                for trigger in (ours, naive) if number % 2 else (naive, ours):
                    try:
                        samples[trigger.name].append(seconds(trigger))
                    except ClientError as error:
                        if not _is_the_triggers(error):
                            raise
                        failed[trigger.name] += 1

        steps.run(f"{title}, {times} times each", in_turns)
        return Timing(title, samples[ours.name], samples[naive.name], failed)

    def cold_first_sign_in(trigger: Trigger) -> float:
        user = trigger.users.make_user()
        trigger.cool()
        return trigger.sign_in_seconds(user)

    def first_calls(trigger: Trigger) -> dict[str, int]:
        return trigger.calls(trigger.users.make_user())

    return Figures(
        timings=[
            timing("cold import", sizes.cold_imports, lambda trigger: trigger.cold_import_seconds(known[trigger.name])),
            timing("repeat sign-in", sizes.repeats, lambda trigger: trigger.sign_in_seconds(known[trigger.name])),
            timing("first sign-in", sizes.firsts, lambda trigger: trigger.sign_in_seconds(trigger.users.make_user())),
            timing("first sign-in, all cold", sizes.cold_firsts, cold_first_sign_in),
        ],
        calls=[
            Calls("first", *(_until_signed_in(partial(first_calls, each)) for each in (ours, naive))),
            Calls("repeat", *(_until_signed_in(partial(each.calls, known[each.name])) for each in (ours, naive))),
        ],
        ours_by_call=steps.run("first sign-in by call, ours", lambda: ours.by_call(sizes.firsts)),
        naive_by_call=steps.run("first sign-in by call, naive", lambda: naive.by_call(sizes.firsts)),
    )


def _until_signed_in(attempt: Callable[[], _Result]) -> _Result:
    """Return what the first attempt gives that the trigger does not fail.

    Raises:
        botocore.exceptions.ClientError: Cognito refuses, or the trigger has failed every attempt.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return attempt()
        except ClientError as error:
            if not _is_the_triggers(error):
                raise
    return attempt()


def _is_the_triggers(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in _FAILED_TRIGGER


def _last_line(figures: Figures) -> str:
    ratios = ", ".join(f"{timing.title} {timing.ratio:.1f}" for timing in figures.timings)
    counts = ", ".join(f"{each.title} {sum(each.naive.values())} / {sum(each.ours.values())}" for each in figures.calls)
    return f"naive / ours: {ratios}; AWS calls: {counts}"


def _tables(figures: Figures) -> Iterable[Table]:
    yield _timings(figures.timings)
    yield _calls(figures.calls)
    yield _by_call(figures.ours_by_call, figures.naive_by_call)


def _timings(timings: list[Timing]) -> Table:
    columns = ("", "samples", "failed", "ours", "naive", "naive / ours")
    table = Table(*columns, title="medians", title_justify="left")
    for timing in timings:
        table.add_row(
            timing.title,
            f"{len(timing.ours)} + {len(timing.naive)}",
            " + ".join(map(str, timing.failed.values())),
            *(_milliseconds(median(each)) if each else "none" for each in (timing.ours, timing.naive)),
            f"{timing.ratio:.1f}",
        )
    return table


def _calls(calls: list[Calls]) -> Table:
    columns = [f"{each.title}, {name}" for each in calls for name in ("ours", "naive")]
    table = Table("", *columns, title="AWS calls of one sign-in", title_justify="left")
    counts = [side for each in calls for side in (each.ours, each.naive)]
    for operation in sorted(set().union(*counts)):
        table.add_row(operation, *(str(side.get(operation, "")) for side in counts))
    table.add_section()
    table.add_row("all", *(str(sum(side.values())) for side in counts))
    return table


def _by_call(ours: list[Invocation], naive: list[Invocation]) -> Table:
    """Show the calls in the order the trigger makes them, and what is left of its time."""
    table = Table("", "ours", "naive", "within it", title="the trigger's time at a first sign-in", title_justify="left")
    for operation in [*naive[0].calls, *(name for name in ours[0].calls if name not in naive[0].calls)]:
        table.add_row(operation, _median_call(ours, operation), _median_call(naive, operation), _WITHIN.get(operation))
    table.add_row("the trigger itself", *(_milliseconds(median(each.own for each in side)) for side in (ours, naive)))
    table.add_section()
    table.add_row("all", *(_milliseconds(median(each.total for each in side)) for side in (ours, naive)))
    return table


def _median_call(invocations: list[Invocation], operation: str) -> str:
    samples = [each.calls[operation] for each in invocations if operation in each.calls]
    return _milliseconds(median(samples)) if samples else ""


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


if __name__ == "__main__":
    app()
