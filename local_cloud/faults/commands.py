"""``python -m local_cloud fault``: faults on the cloud that `up` started."""

from __future__ import annotations

from typing import Annotated

import typer

from local_cloud.faults import Delay, Fail, Fault, FaultError, Hang, Malformed, Throttle, parse_fault
from local_cloud.state_directory import DEFAULT_STATE, StateDirectory, StateDirOption

app = typer.Typer(
    help="Let operations fail, slow down, hang or answer nonsense.", no_args_is_help=True, rich_markup_mode=None
)


@app.command(
    name="set",
    epilog="Example: python -m local_cloud fault set iot:AttachPolicy --error ThrottlingException --times 3",
)
def set_fault(
    operation: Annotated[
        list[str],
        typer.Argument(
            metavar="OPERATION", help="Such as iot:AttachPolicy. Several operations share --rate and --times."
        ),
    ],
    error: Annotated[str | None, typer.Option(metavar="CODE", help="Answer with this AWS error code.")] = None,
    status: Annotated[int | None, typer.Option(metavar="N", help="HTTP status of --error, by default 400.")] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="PER_SECOND", help="Allow this many calls per second; throttle the rest.")
    ] = None,
    delay: Annotated[float | None, typer.Option(metavar="SECONDS", help="Run the operation after this time.")] = None,
    hang: Annotated[bool, typer.Option("--hang", help="Do not answer until the fault is cleared.")] = False,
    malformed: Annotated[
        bool, typer.Option("--malformed", help="Answer with a body that is neither JSON nor XML.")
    ] = False,
    times: Annotated[int | None, typer.Option(metavar="N", help="Affect this many calls, by default all.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE,
) -> None:
    """Add a fault. The first fault that matches a call takes effect."""
    if status is not None and error is None:
        raise FaultError("--status requires --error")
    fail = None if error is None else {"code": error, "status": 400 if status is None else status}
    fields = {
        "error": fail,
        "rate": rate,
        "delay": delay,
        "hang": hang or None,
        "malformed": malformed or None,
        "times": times,
    }
    given = {key: value for key, value in fields.items() if value is not None}
    fault = parse_fault({"operations": operation, **given})
    StateDirectory(state_dir).require_running().set_faults([fault])
    print(_describe(fault))


@app.command(name="list")
def list_faults(state_dir: StateDirOption = DEFAULT_STATE) -> None:
    """List the faults in the order in which they are matched, and the number of calls that each has affected."""
    faults = StateDirectory(state_dir).require_running().faults()
    print("\n".join(f"{_describe(each.fault)}  (hits: {each.hits})" for each in faults) or "no faults")


@app.command(epilog="Example: python -m local_cloud fault clear iot:AttachPolicy")
def clear(
    operation: Annotated[
        str | None, typer.Argument(metavar="OPERATION", help="By default all faults and settings are cleared.")
    ] = None,
    state_dir: StateDirOption = DEFAULT_STATE,
) -> None:
    """Clear the faults of an operation, or all faults and settings. Hanging calls continue."""
    StateDirectory(state_dir).require_running().clear_faults(operation)
    print(f"no faults on {operation}" if operation is not None else "no faults")


def _describe(fault: Fault) -> str:
    limit = "" if fault.times is None else f", for {fault.times} {'call' if fault.times == 1 else 'calls'}"
    return f"{' '.join(fault.operations)}  {_effect(fault)}{limit}"


def _effect(fault: Fault) -> str:
    match fault.effect:
        case Fail(code, status):
            return f"fails with {code}, status {status}"
        case Throttle(per_second):
            return f"throttled above {per_second:g} calls per second"
        case Delay(seconds):
            return f"delayed by {seconds:g} s"
        case Hang():
            return "hangs"
        case Malformed():
            return "answers a malformed body"
