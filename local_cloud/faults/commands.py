"""``python -m local_cloud fault``: faults on the cloud that `up` started. Delays and lifetimes are Python API only."""

from __future__ import annotations

from typing import Annotated

import typer

from local_cloud.faults.fault import Delay, Fail, Fault, FaultError, Hang, Malformed, SetFault, Throttle, parse_fault
from local_cloud.state import DEFAULT_STATE, State, StateDirectory

app = typer.Typer(help="Make operations fail, slow down, hang or answer nonsense.", no_args_is_help=True)


@app.command(name="set")
def set_fault(
    operation: Annotated[list[str], typer.Argument(help="Such as iot:AttachPolicy; several share rate and times.")],
    error: Annotated[str | None, typer.Option(metavar="CODE", help="Answer with this AWS error.")] = None,
    status: Annotated[str | None, typer.Option(metavar="N", help="HTTP status of --error; by default 400.")] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="PER_SECOND", help="Allow so many calls a second and throttle the rest.")
    ] = None,
    delay: Annotated[str | None, typer.Option(metavar="SECONDS", help="Wait before running the operation.")] = None,
    hang: Annotated[bool, typer.Option("--hang", help="Do not answer until cleared.")] = False,
    malformed: Annotated[bool, typer.Option("--malformed", help="Answer neither JSON nor XML.")] = False,
    times: Annotated[str | None, typer.Option(metavar="N", help="Affect so many calls; by default all.")] = None,
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Add a fault; the first fault that matches a call decides."""
    if status is not None and error is None:
        raise FaultError("status: allowed with --error only")
    document: dict[str, object] = {"operations": operation}
    if error is not None:
        document["error"] = {"code": error} | ({} if status is None else {"status": _number(status)})
    for key, text in (("rate", rate), ("delay", delay), ("times", times)):
        if text is not None:
            document[key] = _number(text)
    document |= {key: True for key, given in (("hang", hang), ("malformed", malformed)) if given}
    fault = parse_fault(document)
    State(state_dir).require_running().set_faults([fault])
    print(_described(fault))


@app.command(name="list")
def list_faults(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Print the faults in the order in which they are tried, and how many calls each has affected."""
    print("\n".join(map(_listed, State(state_dir).require_running().faults())) or "no faults")


@app.command()
def clear(
    operation: Annotated[str | None, typer.Argument(help="By default all operations.")] = None,
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Clear the faults of an operation, or all faults, delays and lifetimes; calls that hang continue."""
    State(state_dir).require_running().clear_faults(operation)
    print(f"no faults on {operation}" if operation is not None else "no faults")


def _number(text: str) -> float | str:
    """Read a number; return other text as it is, for :func:`parse_fault` to reject."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _listed(active: SetFault) -> str:
    return f"{_described(active.fault)}  (hits: {active.hits})"


def _described(fault: Fault) -> str:
    limit = "" if fault.times is None else f", to {fault.times} {'call' if fault.times == 1 else 'calls'}"
    return f"{' '.join(fault.operations)}  {_effect(fault)}{limit}"


def _effect(fault: Fault) -> str:
    match fault.effect:
        case Fail(code, status):
            return f"answers {code} with status {status}"
        case Throttle(per_second):
            return f"throttled above {per_second:g} a second"
        case Delay(seconds):
            return f"takes {seconds:g} s longer"
        case Hang():
            return "hangs"
        case Malformed():
            return "answers a malformed body"
