"""Self-attach: a signed-in user asks the deployment to attach the IoT policy to the user's own identity.

The route takes no body: whose identity it is about, it knows from the signature alone.
"""

from __future__ import annotations

import asyncio
import http.client
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

from pubsub_client._credentials import Credentials, CredentialsSource
from pubsub_client._endpoint import Endpoint
from pubsub_client._pauses import Pauses
from pubsub_client.exceptions import ConfigurationError, SessionError

_SERVICE = "execute-api"
_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#@\s]+)(?P<path>/[A-Za-z0-9/_.-]+)")
_ANSWER_BYTES = 4096
_QUOTED_CHARACTERS = 200
_GIVE_UP_AFTER = 20.0
# API Gateway's own throttle, and what the route answers while AWS IoT throttles.
_LATER = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_PAUSES = Pauses(0.5, 5.0)


@dataclass(frozen=True)
class SelfAttachment:
    """What the route has done.

    Args:
        check: the check of `pubsub smoke` that a missing attachment fails.
        status: ``repaired`` if the policy was missing and is attached now, ``attached`` if it was there already.
        text: the same to be read, beginning with the check's id.
    """

    check: str
    status: str
    text: str


@runtime_checkable
class SelfAttachingSource(CredentialsSource, Protocol):
    """A source that can also have the IoT policy attached to the identity whose credentials it gives."""

    @property
    def can_self_attach(self) -> bool:
        """Whether it knows where to ask for that."""
        ...

    async def self_attach(self) -> SelfAttachment:
        """Ask for it.

        Raises:
            Exception: whatever keeps the policy from being attached; it is told with the refusal.
        """
        ...


class SelfAttachRoute:
    """The deployment's route ``POST /self-attach``.

    Args:
        url: the stack's output ``SelfAttachUrl``.
        region: the stack's region, which the signature is for.

    Raises:
        ConfigurationError: it is not the URL of a route.
    """

    def __init__(self, url: str, region: str) -> None:
        self._url = url
        self._endpoint, self._path = _parse(url)
        self._region = region

    async def attach(self, credentials: Credentials) -> SelfAttachment:
        """Have the policy attached to the identity whose credentials these are.

        Asks again, for 20 seconds at most, while it is told to come later.

        Raises:
            SessionError: the route refuses, fails or cannot be reached; the message is the route's own if there is one.
            ConfigurationError: the environment names a proxy or authorities that cannot be used.
        """
        give_up_at = time.monotonic() + _GIVE_UP_AFTER
        attempt = 0
        while True:
            answer = await self._ask(credentials)
            if answer.status not in _LATER:
                break
            pause = pause_before(attempt, answer.retry_after, random.uniform)  # noqa: S311 - no secret
            if time.monotonic() + pause > give_up_at:
                break
            await asyncio.sleep(pause)
            attempt += 1
        if answer.attachment and answer.status == HTTPStatus.OK:
            return answer.attachment
        raise SessionError(answer.attachment.text if answer.attachment else self._explain(answer))

    async def _ask(self, credentials: Credentials) -> _Answer:
        try:
            return await asyncio.to_thread(self._post, self._signed_headers(credentials))
        except (OSError, http.client.HTTPException) as error:
            raise SessionError(f"the self-attach route {self._url} cannot be reached: {error}") from error

    def _signed_headers(self, credentials: Credentials) -> dict[str, str]:
        request = AWSRequest("POST", self._url, {"Host": self._endpoint.authority})
        keys = SigningCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
        SigV4Auth(keys, _SERVICE, self._region).add_auth(request)
        return dict(request.headers.items())

    def _post(self, headers: dict[str, str]) -> _Answer:
        connection = self._endpoint.open_http()
        try:
            connection.request("POST", self._path, headers=headers)
            with connection.getresponse() as response:
                return _Answer(response.status, response.getheader("Retry-After"), response.read(_ANSWER_BYTES))
        finally:
            connection.close()

    def _explain(self, answer: _Answer) -> str:
        told = f"the self-attach route {self._url} answers HTTP {answer.status} {answer.quoted}".rstrip()
        if answer.status in _DENIED:
            return (
                f"{told}: it does not accept the signature, or the identity's role does not allow execute-api:Invoke "
                "on it; is it of this deployment, and this machine's clock right?"
            )
        return f"{told}, which is no answer of such a route: take SelfAttachUrl of the stack's outputs, or try again"


@dataclass(frozen=True)
class _Answer:
    """An HTTP answer, of the route or of what stands before it."""

    status: int
    retry_after_header: str | None
    body: bytes

    @property
    def retry_after(self) -> float:
        """Seconds to wait; a date, which the header may also name, counts as none."""
        told = self.retry_after_header or ""
        return float(told) if told.isascii() and told.isdigit() else 0.0

    @property
    def attachment(self) -> SelfAttachment | None:
        """What the route says; None if it was not the route that answered."""
        match self._document:
            case {"check": str(check), "status": str(status), "text": str(text)}:
                return SelfAttachment(check, status, text)
        return None

    @property
    def quoted(self) -> str:
        """The words of what answered instead; API Gateway has them in ``message``."""
        match self._document:
            case {"message": str(words)}:
                pass
            case _:
                words = self.body.decode(errors="replace")
        return " ".join(words.split())[:_QUOTED_CHARACTERS]

    @property
    def _document(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def pause_before(attempt: int, retry_after: float, uniform: Callable[[float, float], float]) -> float:
    """Return seconds to wait: as long as told, and a random while longer that grows with each attempt, from 0 on."""
    return retry_after + _PAUSES.before(attempt, uniform)


def _parse(url: str) -> tuple[Endpoint, str]:
    match = _URL.fullmatch(url)
    try:
        endpoint = Endpoint.parse(match["authority"]) if match else None
    except ConfigurationError:
        endpoint = None
    if match is None or endpoint is None or match["scheme"] != ("https" if endpoint.tls else "http"):
        raise ConfigurationError(
            f"self_attach_url {url!r} is not the URL of a route: give SelfAttachUrl of the stack's outputs, such as "
            "https://abc123.execute-api.eu-west-1.amazonaws.com/self-attach"
        )
    return endpoint, match["path"]
