"""``python -m local_cloud fault``: faults on the cloud that `up` started."""

from __future__ import annotations

from typing import Annotated

import typer

from local_cloud.faults.fault import (
    AN_HOUR,
    Delay,
    Fail,
    Fault,
    FaultError,
    Hang,
    Malformed,
    SetFault,
    Throttle,
    parse_fault,
    parse_seconds,
)
from local_cloud.faults.quotas import AWS_QUOTAS
from local_cloud.options import DEFAULT_STATE, StateDirectory, running

app = typer.Typer(help="Let operations fail, be throttled, late, hang or answer nonsense.", no_args_is_help=True)


@app.command(name="set")
def set_fault(
    operation: Annotated[list[str], typer.Argument(help="Such as iot:AttachPolicy; several share rate and times.")],
    error: Annotated[str | None, typer.Option(metavar="CODE", help="Answer this error of AWS.")] = None,
    status: Annotated[str | None, typer.Option(metavar="N", help="HTTP status of --error; 400 unless given.")] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="PER_SECOND", help="Let so many calls pass and throttle the rest.")
    ] = None,
    delay: Annotated[str | None, typer.Option(metavar="SECONDS", help="Wait before doing it.")] = None,
    hang: Annotated[bool, typer.Option("--hang", help="Do not answer until cleared.")] = False,
    malformed: Annotated[bool, typer.Option("--malformed", help="Answer what is neither JSON nor XML.")] = False,
    times: Annotated[
        str | None, typer.Option(metavar="N", help="Happen to so many calls; to all unless given.")
    ] = None,
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Set a fault behind those that are set; the first that a call meets decides."""
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
    running(state_dir).set_faults([fault])
    print(_described(fault))


@app.command(name="list")
def list_faults(state_dir: StateDirectory = DEFAULT_STATE) -> None:
    """Print what is set, in the order in which a call meets it, and how many calls have met it."""
    cloud = running(state_dir)
    lines = [_listed(each) for each in cloud.faults()]
    if delay := cloud.policy_propagation_seconds:
        lines.append(_propagation(delay))
    if delay := cloud.permission_propagation_seconds:
        lines.append(_permissions(delay))
    if delay := cloud.execution_consistency_seconds:
        lines.append(_executions(delay))
    if (lifetime := cloud.credentials_lifetime_seconds) != AN_HOUR:
        lines.append(_credentials(lifetime))
    print("\n".join(lines or ["no faults"]))


@app.command()
def clear(
    operation: Annotated[str | None, typer.Argument(help="Everything unless given.")] = None,
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Clear the faults of an operation, or all, delays and credentials too; calls that hang go on."""
    running(state_dir).clear_faults(operation)
    print(f"no faults on {operation}" if operation is not None else "no faults")


@app.command()
def profile(
    name: Annotated[str, typer.Argument(help="aws: the default quotas of an account.")],
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Set rates that belong together, behind what is set."""
    if name != "aws":
        raise FaultError(f"profile {name!r}: allowed is aws")
    running(state_dir).set_faults([quota.fault for quota in AWS_QUOTAS])
    for quota in AWS_QUOTAS:
        print(f"{_described(quota.fault)}  ({quota.source})")


@app.command()
def propagation(
    seconds: Annotated[str, typer.Argument(help="0 for at once.")],
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Let changes of IoT policies and their attachments act only after so many seconds; what waited acts now."""
    delay = parse_seconds("seconds", _number(seconds))
    running(state_dir).policy_propagation_seconds = delay
    print(_propagation(delay))


@app.command()
def permissions(
    seconds: Annotated[str, typer.Argument(help="0 for at once.")],
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Let new permissions of roles act only after so many seconds; what waited acts now."""
    delay = parse_seconds("seconds", _number(seconds))
    running(state_dir).permission_propagation_seconds = delay
    print(_permissions(delay))


@app.command()
def executions(
    seconds: Annotated[str, typer.Argument(help="0 for at once.")],
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Show new and stopped executions of state machines only after so many seconds; what was made is seen now."""
    delay = parse_seconds("seconds", _number(seconds))
    running(state_dir).execution_consistency_seconds = delay
    print(_executions(delay))


@app.command()
def credentials(
    seconds: Annotated[str, typer.Argument(help=f"{AN_HOUR:.0f} as on AWS.")],
    state_dir: StateDirectory = DEFAULT_STATE,
) -> None:
    """Let the credentials that identity pools give from now on end after so many seconds."""
    lifetime = parse_seconds("seconds", _number(seconds))
    running(state_dir).credentials_lifetime_seconds = lifetime
    print(_credentials(lifetime))


def _number(text: str) -> float | str:
    """Read a number; what is none is refused where all values are, in words of its own."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _listed(active: SetFault) -> str:
    return f"{_described(active.fault)}  (met by {active.taken})"


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


def _propagation(seconds: float) -> str:
    return f"changes of IoT policies act {f'after {seconds:g} s' if seconds else 'at once'}"


def _permissions(seconds: float) -> str:
    return f"new permissions of roles act {f'after {seconds:g} s' if seconds else 'at once'}"


def _executions(seconds: float) -> str:
    return f"new and stopped executions are seen {f'after {seconds:g} s' if seconds else 'at once'}"


def _credentials(seconds: float) -> str:
    return f"credentials of identities live {seconds:g} s"
