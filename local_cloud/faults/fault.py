"""Faults and their form as JSON."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass
from typing import Any

AN_HOUR = 3600.0
"""How long the credentials of identity pools live on AWS, in seconds."""

_OPERATION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_CODE = re.compile(r"[A-Za-z0-9_.]+")
_EFFECTS = ("error", "rate", "delay", "hang", "malformed")
_LONGEST_SECONDS = 86_400.0


class FaultError(ValueError):
    """The fault is not valid; the message is one line that names the key and what is allowed."""


@dataclass(frozen=True)
class Fail:
    """Answer with an AWS error, in the protocol of the service, without running the operation.

    Attributes:
        code: the error's code, by which boto3 finds the exception class: ``ThrottlingException``.
        status: the HTTP status, 400 to 599.
        message: the error's message.
    """

    code: str
    status: int = 400
    message: str = "A fault of the local cloud."


@dataclass(frozen=True)
class Throttle:
    """Allow this many calls a second, with a burst of one second's calls (a token bucket), and throttle the rest.

    A throttled call gets the throttling error of its service. The operations of one fault share the rate.
    """

    per_second: float


@dataclass(frozen=True)
class Delay:
    """Wait before running the operation. It runs even if the client has disconnected, as in a slow service."""

    seconds: float


@dataclass(frozen=True)
class Hang:
    """Do not answer until the fault is cleared; then run the operation, unless the client has disconnected."""


@dataclass(frozen=True)
class Malformed:
    """Answer 200 with a body that is neither JSON nor XML, without running the operation."""


Effect = Fail | Throttle | Delay | Hang | Malformed


@dataclass(frozen=True)
class Fault:
    """What happens to calls of some operations.

    Attributes:
        operations: for example ``iot:AttachPolicy``, the names by which the cloud counts calls.
        effect: what happens to a call.
        times: how many calls it affects; None for all until the fault is cleared.
    """

    operations: tuple[str, ...]
    effect: Effect
    times: int | None = None


@dataclass(frozen=True)
class SetFault:
    """A fault that is set on a cloud.

    Attributes:
        number: identifies it on that cloud; numbers are not reused.
        fault: the fault.
        hits: how many calls it has affected; for a rate, how many it has throttled.
    """

    number: int
    fault: Fault
    hits: int = 0


def fault_as_document(fault: Fault) -> dict[str, Any]:
    """Return a fault as :func:`parse_fault` reads it."""
    document: dict[str, Any] = {"operations": list(fault.operations)}
    match fault.effect:
        case Fail():
            document["error"] = asdict(fault.effect)
        case Throttle(per_second):
            document["rate"] = per_second
        case Delay(seconds):
            document["delay"] = seconds
        case Hang():
            document["hang"] = True
        case Malformed():
            document["malformed"] = True
    if fault.times is not None:
        document["times"] = fault.times
    return document


def parse_fault(document: object) -> Fault:
    """Read a fault such as ``{"operations": ["iot:AttachPolicy"], "rate": 15, "times": 3}``.

    Raises:
        FaultError: a key is missing, unknown or has a wrong value.
    """
    if not isinstance(document, dict):
        raise FaultError("fault: allowed is an object with operations and what happens to them")
    _refuse_unknown(document, ("operations", "times", *_EFFECTS))
    operations = document.get("operations")
    if not isinstance(operations, list) or not operations or not all(_matches(_OPERATION, each) for each in operations):
        raise FaultError("operations: allowed is a list of names such as iot:AttachPolicy")
    times = document.get("times")
    if times is not None and not _is_whole(times, 1):
        raise FaultError("times: allowed is a whole number from 1, or nothing for until it is cleared")
    return Fault(tuple(operations), _parse_effect(document), times)


def parse_seconds(key: str, value: Any) -> float:
    """Read a time of at most a day.

    Raises:
        FaultError: it is none.
    """
    if not _is_number(value) or not 0 <= value <= _LONGEST_SECONDS:
        raise FaultError(f"{key}: allowed is a number of seconds from 0 to {_LONGEST_SECONDS:.0f}")
    return float(value)


def _parse_effect(document: dict[str, Any]) -> Effect:
    given = [key for key in _EFFECTS if key in document]
    if len(given) != 1:
        raise FaultError(f"{' and '.join(given) or 'fault'}: allowed is exactly one of {', '.join(_EFFECTS)}")
    (key,), value = given, document[given[0]]
    if key == "error":
        return _parse_error(value)
    if key == "rate":
        if not _is_number(value) or value <= 0:
            raise FaultError("rate: allowed is a number of calls a second above 0")
        return Throttle(float(value))
    if key == "delay":
        return Delay(parse_seconds("delay", value))
    if value is not True:
        raise FaultError(f"{key}: allowed is true")
    return Hang() if key == "hang" else Malformed()


def _parse_error(value: object) -> Fail:
    if not isinstance(value, dict):
        raise FaultError("error: allowed is an object with code, status and message")
    _refuse_unknown(value, ("code", "status", "message"))
    if not _matches(_CODE, value.get("code")):
        raise FaultError("code: allowed is the code of an AWS error such as ThrottlingException")
    if "status" in value and not (_is_whole(value["status"], 400) and value["status"] < 600):
        raise FaultError("status: allowed is a whole number from 400 to 599")
    if not isinstance(value.get("message", ""), str):
        raise FaultError("message: allowed is text")
    return Fail(**value)


def _refuse_unknown(document: dict[str, Any], allowed: tuple[str, ...]) -> None:
    if unknown := sorted(document.keys() - set(allowed)):
        raise FaultError(f"{unknown[0]!r}: no such key; allowed are {', '.join(allowed)}")


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
