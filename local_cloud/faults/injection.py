"""Injects faults into calls on the server, and answers ``/_local_cloud/faults``."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.core.iam_actions import access_denied_response
from ministack.core.responses import error_response_json, fix_error_content_type, fix_success_content_type
from ministack.services import sqs

from local_cloud.consistency import EXECUTIONS, PERMISSIONS, POLICIES
from local_cloud.credentials_lifetime import LIFETIME
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
    fault_as_document,
    parse_fault,
    parse_seconds,
)
from local_cloud.faults.triggers import AWS_TIMEOUT_SECONDS, TRIGGERS

Response = tuple[int, dict[str, str], bytes]

client_messages: ContextVar[Callable[[], Awaitable[dict[str, Any]]]] = ContextVar("client_messages")
"""The ASGI ``receive`` of the current request, which after the body reports only that the client has disconnected."""

# The throttling errors that are not ThrottlingException with status 400: the "Errors" of each operation in the API
# references, and "Common errors" for the query protocol.
_THROTTLING = {
    "cognito-idp": Fail("TooManyRequestsException"),
    "cognito-identity": Fail("TooManyRequestsException"),
    "lambda": Fail("TooManyRequestsException", 429),
    "iot-data": Fail("ThrottlingException", 429),
    "sqs": Fail("RequestThrottled"),
    "s3": Fail("SlowDown", 503),
    **dict.fromkeys(("iam", "sts", "cloudformation", "sns"), Fail("Throttling")),
}
_RATE_EXCEEDED = "Rate exceeded"
_NEITHER_JSON_NOR_XML = b'{"cut off": '


class TokenBucket:
    """A rate limit: one token a call, at most one second's tokens (but at least one), full at the start."""

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._capacity = max(1.0, per_second)
        self._tokens = self._capacity
        self._filled_at = now

    def take(self, now: float) -> bool:
        """Take a token and return whether there was one; ``now`` is in seconds of a monotonic clock."""
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class ActiveFault:
    """A fault that is set, with its state."""

    number: int
    fault: Fault
    bucket: TokenBucket | None
    hits: int = 0
    cleared: asyncio.Event = field(default_factory=asyncio.Event)


class ActiveFaults:
    """The faults in the order in which they were set."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._faults: list[ActiveFault] = []

    def set(self, faults: Iterable[Fault]) -> list[int]:
        """Add faults and return their numbers."""
        added = []
        for fault in faults:
            effect = fault.effect
            bucket = TokenBucket(effect.per_second, self._clock()) if isinstance(effect, Throttle) else None
            added.append(ActiveFault(next(self._numbers), fault, bucket))
        self._faults += added
        return [each.number for each in added]

    def match(self, operation: str) -> ActiveFault | None:
        """Return the first fault that affects a call of this operation, and count it.

        Faults that have affected enough calls, and rates with room, are skipped.
        """
        for active in self._faults:
            fault = active.fault
            if operation not in fault.operations or active.hits == fault.times:
                continue
            if active.bucket and active.bucket.take(self._clock()):
                continue
            active.hits += 1
            return active
        return None

    def clear(self, *, number: int | None = None, operation: str | None = None) -> None:
        """Clear one fault, those of an operation, or all; calls that hang in them continue."""
        kept = []
        for active in self._faults:
            if number in (None, active.number) and (operation is None or operation in active.fault.operations):
                active.cleared.set()
            else:
                kept.append(active)
        self._faults = kept

    def listed(self) -> list[SetFault]:
        """Return the faults that are set, including those that have affected enough calls."""
        return [SetFault(each.number, each.fault, each.hits) for each in self._faults]


ACTIVE = ActiveFaults()
"""This cloud's faults."""


async def answer_of_fault(service: str, operation: str, headers: dict[str, str], request_id: str) -> Response | None:
    """Return a fault's answer to a call, after waiting if the fault delays it; None lets the service answer."""
    active = ACTIVE.match(operation)
    if active is None:
        return None
    match active.fault.effect:
        case Fail() as fail:
            return _error(fail, service, headers, request_id)
        case Throttle():
            throttling = _THROTTLING.get(service, Fail("ThrottlingException"))
            fail = Fail(throttling.code, throttling.status, _RATE_EXCEEDED)
            return _error(fail, service, headers, request_id)
        case Malformed():
            answer_headers = {"Content-Type": "application/json"}
            fix_success_content_type(service, 200, answer_headers)
            return 200, _for_browsers(answer_headers, request_id), _NEITHER_JSON_NOR_XML
        case Delay(seconds):
            await asyncio.sleep(seconds)
            return None
        case Hang():
            disconnected = await _client_disconnects_before(active.cleared)
            return (408, {}, b"") if disconnected else None


def _error(fail: Fail, service: str, headers: dict[str, str], request_id: str) -> Response:
    # ministack's denial has the form of every protocol, but only one code for iot-data and no legacy codes of SQS.
    if service == "iot-data":
        _, answer_headers, body = error_response_json(fail.code, fail.message, fail.status)
    elif service == "sqs" and "x-amz-target" in headers:
        _, answer_headers, body = sqs._json_err_resp(fail.code, fail.message, fail.status)
    else:
        _, answer_headers, body = access_denied_response(
            service, "", "", request_id, error_code=fail.code, message=fail.message, headers=headers
        )
    fix_error_content_type(service, fail.status, answer_headers)
    return fail.status, _for_browsers(answer_headers, request_id), body


def _for_browsers(headers: dict[str, str], request_id: str) -> dict[str, str]:
    shared = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*"}
    return headers | shared | {"x-amzn-requestid": request_id}


async def _client_disconnects_before(cleared: asyncio.Event) -> bool:
    disconnected = asyncio.create_task(_wait_for_disconnect())
    ended = asyncio.create_task(cleared.wait())
    try:
        await asyncio.wait({disconnected, ended}, return_when=asyncio.FIRST_COMPLETED)
        return disconnected.done()
    finally:
        disconnected.cancel()
        ended.cancel()


async def _wait_for_disconnect() -> None:
    receive = client_messages.get()
    while (await receive())["type"] != "http.disconnect":
        pass


_TIMES: dict[str, Any] = {
    "policy_propagation_seconds": POLICIES,
    "permission_propagation_seconds": PERMISSIONS,
    "execution_consistency_seconds": EXECUTIONS,
    "credentials_lifetime_seconds": LIFETIME,
    "trigger_timeout_seconds": TRIGGERS,
}
_ONLY_READABLE = "only_readable_attributes"
_KEYS = ("faults", *_TIMES, _ONLY_READABLE)
_ALLOWED = ", ".join(_KEYS)


def read() -> dict[str, Any]:
    """Answer GET: the faults and the settings."""
    faults = [{"number": each.number, "hits": each.hits, **fault_as_document(each.fault)} for each in ACTIVE.listed()]
    times = {key: time.seconds for key, time in _TIMES.items()}
    return {"faults": faults, **times, _ONLY_READABLE: TRIGGERS.only_readable_attributes}


def change(document: object) -> dict[str, Any]:
    """Answer POST: add faults and change settings; if anything is invalid, change nothing.

    Raises:
        FaultError: something is invalid.
    """
    if not isinstance(document, dict):
        raise FaultError(f"body: allowed is an object with any of {_ALLOWED}")
    if unknown := sorted(document.keys() - {*_KEYS}):
        raise FaultError(f"{unknown[0]!r}: no such key; allowed are {_ALLOWED}")
    given = document.get("faults", [])
    if not isinstance(given, list):
        raise FaultError("faults: allowed is a list of faults")
    faults = [parse_fault(each) for each in given]
    seconds = {key: parse_seconds(key, document[key]) for key in _TIMES if key in document}
    only_readable = document.get(_ONLY_READABLE, TRIGGERS.only_readable_attributes)
    if not isinstance(only_readable, bool):
        raise FaultError(f"{_ONLY_READABLE}: allowed is true or false")
    TRIGGERS.only_readable_attributes = only_readable
    for key, value in seconds.items():
        _TIMES[key].seconds = value
    return {"numbers": ACTIVE.set(faults)}


def clear(query: dict[str, list[str]]) -> dict[str, Any]:
    """Answer DELETE: clear one fault by number, those of an operation, or with neither all faults and settings.

    Raises:
        FaultError: the query is invalid.
    """
    if unknown := sorted(query.keys() - {"number", "operation"}):
        raise FaultError(f"{unknown[0]!r}: no such key; allowed are number, operation")
    number = query.get("number", [None])[0]
    if number is not None and not (number.isascii() and number.isdigit()):
        raise FaultError("number: allowed is the number of a fault")
    ACTIVE.clear(number=None if number is None else int(number), operation=query.get("operation", [None])[0])
    if not query:
        POLICIES.seconds = PERMISSIONS.seconds = EXECUTIONS.seconds = 0.0
        LIFETIME.seconds = AN_HOUR
        TRIGGERS.seconds, TRIGGERS.only_readable_attributes = AWS_TIMEOUT_SECONDS, False
    return read()
