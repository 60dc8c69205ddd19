"""Sets the lifetime of the credentials of identity pools, which is an hour by default, as on AWS.

https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html

If the lifetime is set, a connection closes when the credentials that signed it expire. AWS IoT documents only that a
WebSocket closes after 24 hours. As on AWS, expired credentials cannot sign requests and upgrades.
https://docs.aws.amazon.com/general/latest/gr/iot-core.html#iot-protocol-limits
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ministack.services import cognito, iot, sts

AN_HOUR = 3600.0
"""The lifetime on AWS, in seconds."""


@dataclass
class CredentialsLifetime:
    """The lifetime of new credentials, in seconds."""

    seconds: float = AN_HOUR


LIFETIME = CredentialsLifetime()
"""The setting of this cloud."""


class _ExpiredError(Exception):
    """The credentials expired while a packet was processed."""


_session: ContextVar[Any] = ContextVar("session", default=None)
"""The session whose packet is processed."""


def install() -> None:
    """Let credentials, and connections that they signed, expire after the lifetime that was set."""
    get_credentials = cognito._get_credentials_for_identity
    dispatch = iot._WSSession._dispatch_packet
    policy_allows = iot._WSSession._policy_allows

    def get_credentials_for_identity(data: dict[str, Any]) -> Any:
        status, headers, body = answer = get_credentials(data)
        if status != 200 or LIFETIME.seconds == AN_HOUR:
            return answer
        document = json.loads(body)
        credentials, end = document["Credentials"], time.time() + LIFETIME.seconds
        credentials["Expiration"] = end
        sts._sessions[credentials["AccessKeyId"]] |= {"Expiration": end, "_connections_end": end}
        return status, headers, json.dumps(document).encode()

    async def dispatch_packet(session: Any, packet_type: int, flags: int, body: bytes) -> Any:
        if packet_type == iot.PKT_CONNECT and session.iam_credential:
            credentials = sts._sessions.get(session.iam_credential[0], {})
            session._end = credentials.get("_connections_end", math.inf)
            if session._end < math.inf:
                asyncio.get_running_loop().call_later(session._end - time.time(), _close_soon, session)
        # A packet between the expiration and the timer closes the connection; it is not denied.
        if _has_expired(session):
            return False
        _session.set(session)
        try:
            return await dispatch(session, packet_type, flags, body)
        except _ExpiredError:
            return False
        finally:
            _session.set(None)

    def policy_allows_until_the_end(session: Any, action: str, resource: str) -> bool:
        allowed: bool = policy_allows(session, action, resource)
        if not allowed and _session.get() is session and _has_expired(session):
            raise _ExpiredError
        return allowed

    cognito._get_credentials_for_identity = get_credentials_for_identity
    iot._WSSession._dispatch_packet = dispatch_packet
    iot._WSSession._policy_allows = policy_allows_until_the_end


def _has_expired(session: Any) -> bool:
    return getattr(session, "_end", math.inf) <= time.time()


_closing: set[asyncio.Task[None]] = set()


def _close_soon(session: Any) -> None:
    task = asyncio.create_task(_close(session))
    _closing.add(task)
    task.add_done_callback(_closing.discard)


async def _close(session: Any) -> None:
    if not session._cleaned_up:
        await session._send({"type": "websocket.close", "code": 1000})
        await session.cleanup()
