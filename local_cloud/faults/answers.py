"""What a call that meets a fault is answered, in the words and the form of the service that it asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ministack.core.iam_actions import access_denied_response
from ministack.core.responses import error_response_json, fix_error_content_type, fix_success_content_type
from ministack.services import sqs

from local_cloud.faults.active import ACTIVE, ActiveFault
from local_cloud.faults.fault import Delay, Fail, Hang, Malformed, Throttle

if TYPE_CHECKING:
    Response = tuple[int, dict[str, str], bytes]

client_messages: ContextVar[Callable[[], Awaitable[dict[str, Any]]]] = ContextVar("client_messages")
"""How to hear from the client of the request at hand, which says after its body only that it has gone."""

# What services answer above their rate, where it is not ThrottlingException with status 400: the API references'
# "Errors" of each operation, and "Common errors" for the query protocol.
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


async def answer_of_a_fault(service: str, operation: str, headers: dict[str, str], request_id: str) -> Response | None:
    """Return what a fault answers to a call instead of the service, None for the service's own answer; it may wait."""
    active = ACTIVE.meet(operation) if ACTIVE else None
    return await _answer(active, service, headers, request_id) if active else None


async def _answer(active: ActiveFault, service: str, headers: dict[str, str], request_id: str) -> Response | None:
    """Return the fault's answer, or None for the service's own."""
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
            gone = await _client_goes_before(active.cleared)
            return (408, {}, b"") if gone else None


def _error(fail: Fail, service: str, headers: dict[str, str], request_id: str) -> Response:
    # ministack's denial has the form of every protocol, but knows one code for iot-data and no legacy codes of sqs.
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


async def _client_goes_before(cleared: asyncio.Event) -> bool:
    gone = asyncio.create_task(_client_goes())
    ended = asyncio.create_task(cleared.wait())
    try:
        await asyncio.wait({gone, ended}, return_when=asyncio.FIRST_COMPLETED)
        return gone.done()
    finally:
        gone.cancel()
        ended.cancel()


async def _client_goes() -> None:
    receive = client_messages.get()
    while (await receive())["type"] != "http.disconnect":
        pass
