"""Injects faults into calls on the server, and answers requests to ``/_local_cloud/faults``."""

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

from local_cloud.credentials_lifetime import AN_HOUR, LIFETIME
from local_cloud.faults import (
    Delay,
    Fail,
    Fault,
    Hang,
    Malformed,
    SetFault,
    Throttle,
    fault_as_document,
    invalid,
    parse_fault,
    parse_object,
    parse_seconds,
)
from local_cloud.patches.authentication_triggers import AWS_TIMEOUT_SECONDS, TRIGGER_TIMEOUT
from local_cloud.propagation import PERMISSIONS, POLICIES

Response = tuple[int, dict[str, str], bytes]

client_messages: ContextVar[Callable[[], Awaitable[dict[str, Any]]]] = ContextVar("client_messages")
"""The ASGI ``receive`` of the current request; after the body it reports only the client's disconnection."""

# The services whose throttling error is not ThrottlingException with status 400, according to the API references.
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
    """A rate limit: a call takes a token. The bucket holds one second's tokens, at least one, and starts full."""

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
    """A fault that is set, and its state."""

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
        """Return the first fault that affects a call of this operation, and count the call.

        Skip faults that have affected their number of calls, and rates that are not exceeded.
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
        """Clear one fault, those of an operation, or all; their hanging calls continue."""
        kept = []
        for active in self._faults:
            if number in (None, active.number) and (operation is None or operation in active.fault.operations):
                active.cleared.set()
            else:
                kept.append(active)
        self._faults = kept

    def listed(self) -> list[SetFault]:
        """Return the faults that are set, including those that have affected their number of calls."""
        return [SetFault(each.number, each.fault, each.hits) for each in self._faults]


ACTIVE = ActiveFaults()
"""This cloud's faults."""


async def inject_fault(service: str, operation: str, headers: dict[str, str], request_id: str) -> Response | None:
    """Return a fault's answer to a call, delayed if the fault says so; None if the service shall answer."""
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
            return 200, _with_cors(answer_headers, request_id), _NEITHER_JSON_NOR_XML
        case Delay(seconds):
            await asyncio.sleep(seconds)
            return None
        case Hang():
            disconnected = await _client_disconnects_before(active.cleared)
            return (408, {}, b"") if disconnected else None


def _error(fail: Fail, service: str, headers: dict[str, str], request_id: str) -> Response:
    # ministack's denial supports every protocol, except iot-data's codes and the legacy codes of SQS.
    if service == "iot-data":
        _, answer_headers, body = error_response_json(fail.code, fail.message, fail.status)
    elif service == "sqs" and "x-amz-target" in headers:
        _, answer_headers, body = sqs._json_err_resp(fail.code, fail.message, fail.status)
    else:
        _, answer_headers, body = access_denied_response(
            service, "", "", request_id, error_code=fail.code, message=fail.message, headers=headers
        )
    fix_error_content_type(service, fail.status, answer_headers)
    return fail.status, _with_cors(answer_headers, request_id), body


def _with_cors(headers: dict[str, str], request_id: str) -> dict[str, str]:
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


_SECONDS: dict[str, Any] = {
    "policy_propagation_seconds": POLICIES,
    "permission_propagation_seconds": PERMISSIONS,
    "credentials_lifetime_seconds": LIFETIME,
    "trigger_timeout_seconds": TRIGGER_TIMEOUT,
}
_KEYS = ("faults", *_SECONDS)


def read() -> dict[str, Any]:
    """Answer GET with the faults and the settings."""
    faults = [{"number": each.number, "hits": each.hits, **fault_as_document(each.fault)} for each in ACTIVE.listed()]
    return {"faults": faults} | {key: time.seconds for key, time in _SECONDS.items()}


def change(document: object) -> dict[str, Any]:
    """Answer POST: add faults and change settings, or change nothing if anything is invalid.

    Raises:
        FaultError: something is invalid.
    """
    fields = parse_object("body", document, _KEYS)
    given = fields.get("faults", [])
    if not isinstance(given, list):
        raise invalid("faults", given, "a list of faults")
    faults = [parse_fault(each) for each in given]
    seconds = {key: parse_seconds(key, fields[key]) for key in _SECONDS if key in fields}
    for key, value in seconds.items():
        _SECONDS[key].seconds = value
    return {"numbers": ACTIVE.set(faults)}


def clear(query: dict[str, list[str]]) -> dict[str, Any]:
    """Answer DELETE: clear one fault by number or those of an operation; without a query, all faults and settings.

    Raises:
        FaultError: the query is invalid.
    """
    parse_object("query", query, ("number", "operation"))
    number = query.get("number", [None])[0]
    if number is not None and not (number.isascii() and number.isdigit()):
        raise invalid("number", number, "the number of a fault")
    ACTIVE.clear(number=None if number is None else int(number), operation=query.get("operation", [None])[0])
    if not query:
        POLICIES.seconds = PERMISSIONS.seconds = 0.0
        LIFETIME.seconds = AN_HOUR
        TRIGGER_TIMEOUT.seconds = AWS_TIMEOUT_SECONDS
    return read()
