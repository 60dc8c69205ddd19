"""AWS credentials and Cognito tokens: their sources, their validity, and the log of failed renewals."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self, runtime_checkable

_log = logging.getLogger("pubsub_client")

_MAX_MARGIN = timedelta(minutes=5)
_MARGIN_DIVISOR = 5


@dataclass(frozen=True)
class Credentials:
    """AWS credentials; the secrets are not shown.

    Args:
        access_key_id: the access key id.
        secret_access_key: the secret access key.
        session_token: the session token; None for long-term keys.
        expiration: when they expire, with a time zone; None if never, or unknown.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expiration: datetime | None = None


class CredentialsSource(Protocol):
    """A source of credentials; asked for each connection."""

    async def credentials(self) -> Credentials:
        """Return credentials that are valid for a while."""
        ...


@runtime_checkable
class IdentitySource(CredentialsSource, Protocol):
    """A source that knows the Cognito identity of its credentials."""

    async def identity_id(self) -> str:
        """Return the identity id; any exception becomes the cause of the refusal."""
        ...


@runtime_checkable
class RenewingSource(CredentialsSource, Protocol):
    """A source that returns credentials that are still valid when their renewal failed."""

    @property
    def renewal_error(self) -> str | None:
        """Why the last renewal failed; None if it succeeded."""
        ...


@dataclass(frozen=True)
class Validity:
    """The lifetime of tokens or credentials, by this machine's clock; ``until`` is None if it is unknown."""

    since: datetime
    until: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Return whether they are valid; unknown, and so False, if the clock was set back."""
        return self.until is not None and self.since <= now < self.until

    def needs_refresh(self, now: datetime) -> bool:
        """Return whether to renew them: five minutes are left, or a fifth of their lifetime if that is less.

        So they are still valid when AWS checks them, and short-lived ones are used more than once.
        """
        if self.until is None or not self.is_valid(now):
            return True
        return self.until - now <= min(_MAX_MARGIN, (self.until - self.since) / _MARGIN_DIVISOR)


@dataclass(frozen=True)
class Tokens:
    """The tokens of a user pool.

    Args:
        id_token: the ID token.
        login: the user pool's name among an identity pool's logins.
        validity: the ID token's.
        refresh_token: None if only the ID token was given.
        device_key: needed with the refresh token if the user pool remembers devices.
    """

    id_token: str = field(repr=False)
    login: str
    validity: Validity
    refresh_token: str | None = field(default=None, repr=False)
    device_key: str | None = field(default=None, repr=False)

    @classmethod
    def from_result(cls, result: Mapping[str, Any], now: datetime, previous: Tokens | None = None) -> Self:
        """Read an AuthenticationResult. Its ``ExpiresIn`` is the access token's; the ID token contains its own.

        Args:
            result: as Cognito answers it.
            now: when it was issued.
            previous: refreshed by this result, which may lack their refresh token and device key.

        Raises:
            LookupError, ValueError: there is no ID token in it.
        """
        claims = id_token_claims(result["IdToken"])
        return cls(
            result["IdToken"],
            # An identity pool knows a user pool by its issuer without the scheme, in every partition.
            claims["iss"].removeprefix("https://"),
            Validity(now, datetime.fromtimestamp(claims["exp"], UTC)),
            result.get("RefreshToken", previous and previous.refresh_token),
            result.get("NewDeviceMetadata", {}).get("DeviceKey", previous and previous.device_key),
        )


def id_token_claims(id_token: str) -> Mapping[str, Any]:
    """Return the claims of an ID token without verification.

    Raises:
        LookupError, ValueError: it is not a token.
    """
    payload = id_token.split(".")[1]
    claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


class RenewalLog:
    """Logs failed renewals of something that is still valid, each cause once until a renewal succeeds."""

    def __init__(self, subject: str) -> None:
        self.error: str | None = None
        """Why the last renewal failed; None if it succeeded, or there was none."""
        self._subject = subject
        self._logged: set[str] = set()

    def failed(self, cause: Exception | str) -> None:
        """Log a failure. AWS's errors contain no token, and nothing else of the session is logged."""
        self.error = cause if isinstance(cause, str) else (str(cause) or repr(cause))
        if self.error not in self._logged:
            self._logged.add(self.error)
            _log.warning(
                "the %s were not renewed and are used while they are valid; the next call tries again: %s",
                self._subject,
                self.error,
            )

    def succeeded(self) -> None:
        """Log the success if the previous renewal failed."""
        if self.error is not None:
            _log.info("the %s were renewed again", self._subject)
        self.reset()

    def reset(self) -> None:
        """Forget the failures, because the user changes."""
        self.error = None
        self._logged.clear()
