"""Faults on demand, and their JSON form: an operation fails, is throttled, is delayed, hangs, or answers nonsense."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass
from typing import Any

_OPERATION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_CODE = re.compile(r"[A-Za-z0-9_.]+")
_EFFECTS = ("error", "rate", "delay", "hang", "malformed")
_MAX_SECONDS = 86_400.0


class FaultError(ValueError):
    """A fault is not valid; the message is one line: the key, the given value, what is allowed."""


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
    """Allow this many calls per second, with a burst of one second's calls (a token bucket), and throttle the rest.

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
    """An effect on calls of some operations.

    Attributes:
        operations: for example ``iot:AttachPolicy``, named as :meth:`LocalCloud.calls` names them.
        effect: what happens to a call.
        times: the number of calls that it affects; None for all until the fault is cleared.
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
        hits: the number of calls that it has affected, or throttled.
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
        FaultError: a key is missing or unknown, or has a wrong value.
    """
    fields = parse_object("fault", document, ("operations", "times", *_EFFECTS))
    operations = fields.get("operations")
    if not isinstance(operations, list) or not operations or not all(_matches(_OPERATION, each) for each in operations):
        raise invalid("operations", operations, "a list of names such as iot:AttachPolicy")
    times = fields.get("times")
    if times is not None and not _is_whole(times, 1):
        raise invalid("times", times, "a whole number from 1, or nothing to affect all calls")
    return Fault(tuple(operations), _parse_effect(fields), times)


def parse_seconds(key: str, value: Any) -> float:
    """Read a time of at most a day.

    Raises:
        FaultError: the value is not such a time.
    """
    if not _is_number(value) or not 0 <= value <= _MAX_SECONDS:
        raise invalid(key, value, f"a number of seconds from 0 to {_MAX_SECONDS:.0f}")
    return float(value)


def parse_object(key: str, value: object, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return an object that has only known keys.

    Raises:
        FaultError: the value is not an object, or it has an unknown key.
    """
    if not isinstance(value, dict):
        raise invalid(key, value, f"an object with {', '.join(keys)}")
    if unknown := sorted(value.keys() - set(keys)):
        raise FaultError(f"{unknown[0]!r}: unknown key; allowed: {', '.join(keys)}")
    return value


def invalid(key: str, value: object, allowed: str) -> FaultError:
    """Return the error for a wrong value."""
    return FaultError(f"{key}: {value!r} given; allowed: {allowed}")


def _parse_effect(fields: dict[str, Any]) -> Effect:
    given = [key for key in _EFFECTS if key in fields]
    if len(given) != 1:
        raise FaultError(f"fault: {' and '.join(given) or 'no effect'} given; allowed: one of {', '.join(_EFFECTS)}")
    (key,), value = given, fields[given[0]]
    if key == "error":
        return _parse_error(value)
    if key == "rate":
        if not _is_number(value) or value <= 0:
            raise invalid("rate", value, "a number of calls per second above 0")
        return Throttle(float(value))
    if key == "delay":
        return Delay(parse_seconds("delay", value))
    if value is not True:
        raise invalid(key, value, "true")
    return Hang() if key == "hang" else Malformed()


def _parse_error(value: object) -> Fail:
    fields = parse_object("error", value, ("code", "status", "message"))
    if not _matches(_CODE, fields.get("code")):
        raise invalid("code", fields.get("code"), "the code of an AWS error such as ThrottlingException")
    if "status" in fields and not (_is_whole(fields["status"], 400) and fields["status"] < 600):
        raise invalid("status", fields["status"], "a whole number from 400 to 599")
    if not isinstance(fields.get("message", ""), str):
        raise invalid("message", fields["message"], "text")
    return Fail(**fields)


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
