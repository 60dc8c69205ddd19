"""The deployed sweep compared with the estimates of docs/explanation/scale.md: ``python -m benchmarks.sweep``.

Each case is a fresh local cloud with the deployed stack and identities that lack the policy. The estimate is given how
long an empty sweep takes there, and how long calls take during the sweep, and must predict its duration.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Any, Self

import typer
from rich.table import Table

from benchmarks.report import console, deploy, empty_directory, save
from benchmarks.scale import ATTACH, IDENTITIES, LIST_ATTACHED, Latencies, sweep
from local_cloud.faults import Delay
from local_cloud.process import LocalCloud
from local_cloud.steps import Steps
from pubsub_client.outputs import Output

_WITHIN = 0.10
_HELD = 0.95
_PROBE_EVERY_SECONDS = 0.2
_POLL_SECONDS = 0.05
# Faster than any local cloud: memory does not depend on the pace.
_UNPACED = "10000"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """What is swept.

    Attributes:
        identities: how many lack the policy.
        rate: attachments a second that the stack is set to.
        delay: seconds that AWS IoT takes longer for each attachment.
    """

    identities: int
    rate: int
    delay: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``IDENTITIES@RATE``, as ``--case`` gives it.

        Raises:
            ValueError: it is not of this form.
        """
        match = re.fullmatch(r"([1-9]\d*)@([1-9]\d*)", text, re.ASCII)
        if match is None:
            raise ValueError(f"{text!r}: allowed is IDENTITIES@RATE, such as 300@20")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        """Return it in words."""
        slow = f", each {self.delay:g} s late" if self.delay else ""
        return f"{self.identities:,} at {self.rate}/s{slow}"


# In the second AWS IoT is so slow that not the rate but the threads set the pace. The last two tell the memory.
_CASES = (Case(300, 20), Case(1_000, 100, delay=0.5), Case(1_000, 100), Case(3_000, 50))


@dataclass(frozen=True)
class Swept:
    """How a sweep went, and the estimate.

    Attributes:
        case: what was swept.
        attached: how many have it now.
        seconds: of the execution, from its start to its end.
        estimated_seconds: the estimate.
        calls: those counted, by operation.
        estimated_calls: the estimate.
        latencies: the latencies of the estimate.
        peak_kib: memory of the handler in a process of its own, at its peak, for as many identities.
    """

    case: Case
    attached: int
    seconds: float
    estimated_seconds: float
    calls: Mapping[str, int]
    estimated_calls: Mapping[str, int]
    latencies: Latencies
    peak_kib: int

    @property
    def difference(self) -> float:
        """How far the estimate is off, as a share of what was measured."""
        return self.estimated_seconds / self.seconds - 1

    @property
    def held(self) -> float:
        """The share of the rate that was held, from start to end."""
        return self.attached / self.seconds / self.case.rate

    def broken_bounds(self) -> list[str]:
        """Return the bounds that this sweep breaks."""
        bounds = {
            f"{self.case}: {self.attached} attached": self.attached == self.case.identities,
            f"{self.case}: estimated {self.estimated_seconds:.1f} s, measured {self.seconds:.1f} s": _are_close(
                self.estimated_seconds, self.seconds
            ),
        }
        for operation, count in self.calls.items():
            estimated = self.estimated_calls[operation]
            bounds[f"{self.case}: {operation} estimated {estimated} times, counted {count}"] = _are_close(
                estimated, count
            )
        return [words for words, kept in bounds.items() if not kept]


def _are_close(estimated: float, measured: float) -> bool:
    return abs(estimated - measured) <= _WITHIN * measured


def broken_bounds(sweeps: Sequence[Swept]) -> list[str]:
    """Return what is wrong with the sweeps, in words; the last has the most identities, and the one before it fewer."""
    smaller, largest = sweeps[-2:][0], sweeps[-1]
    broken = [words for swept in sweeps for words in swept.broken_bounds()]
    if largest.held < _HELD:
        broken.append(f"{largest.case}: {largest.held:.1%} of the rate held, bound {_HELD:.0%}")
    if largest.peak_kib > (1 + _WITHIN) * smaller.peak_kib:
        broken.append(f"{largest.case}: {largest.peak_kib} KiB of memory, and {smaller.case}: {smaller.peak_kib} KiB")
    return broken


def _sweep(steps: Steps, directory: Path, case: Case) -> Swept:
    """Deploy, seed, sweep and estimate."""
    steps.title(str(case))
    # The looks have the worker's part too.
    settings = {"attachPerSecond": {"signIn": 1, "retry": 1, "sweep": case.rate}}
    with LocalCloud.start(log_file=directory / "cloud.log") as cloud:
        outputs = steps.run("deploy", lambda: deploy(cloud, directory, settings))
        machine = _Machine(cloud, outputs)
        empty_seconds = steps.run("empty sweeps", lambda: _empty_seconds(machine))
        targets = cloud.seed_identities(outputs[Output.IDENTITY_POOL_ID], case.identities)
        with cloud.fault(ATTACH, Delay(case.delay)):
            before = Counter(cloud.calls())
            with _Probe(cloud, outputs[Output.IDENTITY_POOL_ID]) as probe:
                seconds = steps.run("sweep", machine.sweep)
            calls = Counter(cloud.calls()) - before - probe.calls
        latencies = Latencies(
            list_attached=probe.seconds(LIST_ATTACHED),
            attach=probe.seconds(ATTACH),
            page=probe.seconds(IDENTITIES),
            between_steps=empty_seconds,
        )
        peak_kib = steps.run("the same in a process of its own, unpaced", machine.peak_kib)
        attached = len(machine.targets().intersection(targets))
    estimate = sweep(case.identities, case.rate, case.rate + 1, latencies=latencies)
    return Swept(
        case=case,
        attached=attached,
        seconds=seconds,
        estimated_seconds=estimate.seconds + empty_seconds,
        calls={operation: calls[operation] for operation in (IDENTITIES, LIST_ATTACHED, ATTACH)},
        estimated_calls=dict(estimate.calls),
        latencies=latencies,
        peak_kib=peak_kib,
    )


def _empty_seconds(machine: _Machine) -> float:
    """Return how long a sweep takes while there is nobody; the first, which starts the function, does not count."""
    machine.sweep()
    return median(machine.sweep() for _ in range(3))


class _Probe:
    """Makes the calls of a sweep now and then while the sweep is under way, and measures how long they take."""

    def __init__(self, cloud: LocalCloud, identity_pool_id: str) -> None:
        iot, pools = cloud.client("iot"), cloud.client("cognito-identity")
        iot.create_policy(policyName="bench-probe", policyDocument="{}")
        target = f"{cloud.region}:00000000-0000-4000-8000-000000000000"
        self._made: dict[str, Callable[[], object]] = {
            LIST_ATTACHED: lambda: iot.list_attached_policies(target=target),
            ATTACH: lambda: iot.attach_policy(policyName="bench-probe", target=target),
            IDENTITIES: lambda: pools.list_identities(IdentityPoolId=identity_pool_id, MaxResults=60),
        }
        self._seconds: dict[str, list[float]] = {operation: [] for operation in self._made}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def calls(self) -> Counter[str]:
        """How many calls were made, by operation."""
        return Counter({operation: len(samples) for operation, samples in self._seconds.items()})

    def seconds(self, operation: str) -> float:
        """Return how long a call takes on average."""
        return fmean(self._seconds[operation])

    def _run(self) -> None:
        while not self._over.wait(_PROBE_EVERY_SECONDS):
            for operation, call in self._made.items():
                begun = time.perf_counter()
                call()
                self._seconds[operation].append(time.perf_counter() - begun)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class _Machine:
    """The deployed state machine, and its function's code apart from it."""

    def __init__(self, cloud: LocalCloud, outputs: Mapping[str, str]) -> None:
        self.cloud, self.outputs = cloud, outputs
        self._arn = outputs[Output.SWEEP_STATE_MACHINE_ARN]
        self._states, self._functions, self._iot = (
            cloud.client(service) for service in ("stepfunctions", "lambda", "iot")
        )

    def sweep(self) -> float:
        """Sweep over every identity, and return how many seconds the execution took."""
        begun = time.perf_counter()
        execution = self._states.start_execution(stateMachineArn=self._arn, input=json.dumps({"full": True}))
        while (found := self._states.describe_execution(executionArn=execution["executionArn"]))["status"] == "RUNNING":
            time.sleep(_POLL_SECONDS)
        if found["status"] != "SUCCEEDED":
            raise SystemExit(f"the sweep {found['status']}: {found.get('cause')}")
        return time.perf_counter() - begun

    def targets(self) -> set[str]:
        """Return who has the stack's policy."""
        pages = self._iot.get_paginator("list_targets_for_policy").paginate(policyName=self.outputs[Output.POLICY_NAME])
        return {target for page in pages for target in page["targets"]}

    def peak_kib(self) -> int:
        """Let a fresh process sweep in the function's place, with a policy of its own, and return its peak memory."""
        self._iot.create_policy(policyName="bench-memory", policyDocument="{}")
        variables = self._function()["Environment"]["Variables"] | {
            "ATTACH_PER_SECOND": _UNPACED,
            "LIST_PER_SECOND": _UNPACED,
            "POLICY_NAME": "bench-memory",
        }
        python = {"PYTHONPATH": str(_FOLDER.parent / "lambdas"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            # -P: this folder has a module of the handler's name.
            [sys.executable, "-P", str(_FOLDER / "sweep_process.py"), self._arn],
            env=self.cloud.environment() | variables | python,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return int(done.stdout.splitlines()[-1])

    def _function(self) -> Any:
        definition = json.loads(self._states.describe_state_machine(stateMachineArn=self._arn)["definition"])
        return self._functions.get_function_configuration(
            FunctionName=definition["States"]["Step"]["Parameters"]["FunctionName"]
        )


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    case: Annotated[
        list[Case] | None,
        typer.Option(parser=Case.parse, metavar="IDENTITIES@RATE", help="Sweep only this; may be repeated."),
    ] = None,
) -> None:
    """Sweep, estimate, show and save; exit code 1 when a bound is broken."""
    directory = empty_directory("sweep")
    steps = Steps()
    sweeps = []
    for number, each in enumerate(case or _CASES, start=1):
        own = directory / str(number)
        own.mkdir()
        sweeps.append(_sweep(steps, own, each))
    console.print(_table(sweeps))
    broken = broken_bounds(sweeps)
    save("sweep", {"sweeps": [asdict(swept) for swept in sweeps], "broken_bounds": broken})
    if broken:
        print(f"sweep failed: {'; '.join(broken)}")
        raise typer.Exit(1)
    smaller, largest = sweeps[-2:][0], sweeps[-1]
    print(
        f"sweep passed: estimated within {max(abs(swept.difference) for swept in sweeps):.1%}, "
        f"{largest.held:.1%} of the rate held at {largest.case.identities:,}, "
        f"memory {largest.peak_kib / smaller.peak_kib:.2f} times that at {smaller.case.identities:,}"
    )


def _table(sweeps: Sequence[Swept]) -> Table:
    table = Table("identities", title="sweep", title_justify="left")
    for column in ("measured", "estimated", "difference", "rate held", "calls", "peak memory"):
        table.add_column(column, justify="right")
    for swept in sweeps:
        table.add_row(
            str(swept.case),
            f"{swept.seconds:.2f} s",
            f"{swept.estimated_seconds:.2f} s",
            f"{swept.difference:+.1%}",
            f"{swept.held:.1%}",
            "as estimated" if swept.calls == swept.estimated_calls else "differ",
            f"{swept.peak_kib / 1024:.1f} MiB",
        )
    return table


if __name__ == "__main__":
    app()
