"""Self-attach: an HTTP route of the stack attaches the IoT policy to the identity that signed the request.

The request has no body, because the route reads the identity only from the signature.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, runtime_checkable

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SigningCredentials

from pubsub_client._backoff import Backoff
from pubsub_client._credentials import Credentials, CredentialsSource
from pubsub_client._endpoint import Endpoint, HttpResponse
from pubsub_client.exceptions import ConfigurationError, SessionError

_SERVICE = "execute-api"
_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#@\s]+)(?P<path>/[A-Za-z0-9/_.-]+)")
_QUOTED_CHARACTERS = 200
_RETRY_SECONDS = 20.0
# API Gateway's status for throttled requests, and the route's status while AWS IoT throttles.
_RETRYABLE = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_BACKOFF = Backoff(0.5, 5.0)


@dataclass(frozen=True)
class SelfAttachment:
    """The result of the route.

    Args:
        check: the id of the check that fails when the policy is not attached.
        status: ``repaired`` if the policy was attached by this request, ``attached`` if it was attached before.
        text: the result as a sentence that begins with the check's id.
    """

    check: str
    status: str
    text: str


@runtime_checkable
class SelfAttachingSource(CredentialsSource, Protocol):
    """A source that can attach the IoT policy to the identity of its credentials."""

    @property
    def can_self_attach(self) -> bool:
        """Whether the source knows the route."""
        ...

    async def self_attach(self) -> SelfAttachment:
        """Attach the policy; the text of an exception is added to the ConnectionRefused error."""
        ...


class SelfAttachRoute:
    """The deployment's route ``POST /self-attach``.

    Args:
        url: the stack's output ``SelfAttachUrl``.
        region: the region of the stack.

    Raises:
        ConfigurationError: ``url`` is not the URL of a self-attach route.
    """

    def __init__(self, url: str, region: str) -> None:
        self._url = url
        self._endpoint, self._path = _parse(url)
        self._region = region

    async def attach(self, credentials: Credentials) -> SelfAttachment:
        """Attach the policy to the identity of these credentials; retry a busy route for 20 seconds.

        Raises:
            SessionError: the route rejected the request, failed or cannot be reached; contains the route's text.
            ConfigurationError: the environment's proxy or certificate authorities cannot be used.
        """
        deadline = time.monotonic() + _RETRY_SECONDS
        failures = 0
        while True:
            response = await self._request(credentials)
            if response.status not in _RETRYABLE:
                break
            delay = retry_delay(failures, _retry_after(response))
            if time.monotonic() + delay > deadline:
                break
            await asyncio.sleep(delay)
            failures += 1
        match _document(response):
            case {"check": str(check), "status": str(status), "text": str(text)}:
                if response.status == HTTPStatus.OK:
                    return SelfAttachment(check, status, text)
                raise SessionError(text)
        raise SessionError(self._explain(response))

    async def _request(self, credentials: Credentials) -> HttpResponse:
        headers = self._signed_headers(credentials)
        try:
            return await asyncio.to_thread(self._endpoint.request_http, "POST", self._path, headers)
        except OSError as error:
            raise SessionError(f"the self-attach route {self._url} cannot be reached: {error}") from error

    def _signed_headers(self, credentials: Credentials) -> dict[str, str]:
        request = AWSRequest("POST", self._url, {"Host": self._endpoint.authority})
        keys = SigningCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
        SigV4Auth(keys, _SERVICE, self._region).add_auth(request)
        return dict(request.headers.items())

    def _explain(self, response: HttpResponse) -> str:
        answer = f"the self-attach route {self._url} returned HTTP {response.status} {_quoted(response)}".rstrip()
        if response.status in _DENIED:
            return (
                f"{answer}: the signature was rejected, or the identity's role does not allow execute-api:Invoke on "
                "the route; check that the route belongs to this deployment, and this machine's clock"
            )
        return f"{answer}, which is not a self-attach result; check the stack's output SelfAttachUrl, or try again"


def _retry_after(response: HttpResponse) -> float:
    """Return the seconds of the ``Retry-After`` header; 0 if it is missing or a date."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _document(response: HttpResponse) -> Any:
    """Return the JSON document, or None if the body is not JSON because another server answered."""
    try:
        return json.loads(response.body)
    except ValueError:
        return None


def _quoted(response: HttpResponse) -> str:
    """Return the beginning of another server's body; API Gateway's text is in ``message``."""
    match _document(response):
        case {"message": str(text)}:
            pass
        case _:
            text = response.body.decode(errors="replace")
    return " ".join(text.split())[:_QUOTED_CHARACTERS]


def retry_delay(failures: int, retry_after: float, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Return the seconds to wait: ``retry_after``, and a random delay that grows with each failure."""
    return retry_after + _BACKOFF.delay(failures, uniform)


def _parse(url: str) -> tuple[Endpoint, str]:
    match = _URL.fullmatch(url)
    try:
        endpoint = Endpoint.parse(match["authority"]) if match else None
    except ConfigurationError:
        endpoint = None
    if match is None or endpoint is None or match["scheme"] != ("https" if endpoint.tls else "http"):
        raise ConfigurationError(
            f"self_attach_url {url!r} is not the URL of a self-attach route; pass the stack's output SelfAttachUrl, "
            "such as https://abc123.execute-api.eu-west-1.amazonaws.com/self-attach"
        )
    return endpoint, match["path"]
