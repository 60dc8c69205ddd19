"""AWS credentials and Cognito tokens: sources, lifetimes, and the log of failed renewals."""

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
    """AWS credentials; ``repr()`` does not show the secrets.

    Args:
        access_key_id: the access key id.
        secret_access_key: the secret access key.
        session_token: the session token; None for long-term keys.
        expiration: the time of expiration, with a time zone; None if there is none or it is unknown.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expiration: datetime | None = None


class CredentialsSource(Protocol):
    """A source of credentials; called for each connection."""

    async def credentials(self) -> Credentials:
        """Return credentials that do not expire soon."""
        ...


@runtime_checkable
class IdentitySource(CredentialsSource, Protocol):
    """A source that knows the Cognito identity of its credentials."""

    async def identity_id(self) -> str:
        """Return the identity id; an exception becomes the cause of the ConnectionRefused error."""
        ...


@runtime_checkable
class RenewingSource(CredentialsSource, Protocol):
    """A source that returns its previous credentials if a renewal failed and they are still valid."""

    @property
    def renewal_error(self) -> str | None:
        """The error of the last renewal; None if it succeeded."""
        ...


class UserWatcher(Protocol):
    """Something that ends with the user, such as a connection."""

    def user_changed(self, reason: str) -> None:
        """Handle that the user signed out or was replaced; called in the event loop of the session."""
        ...


@runtime_checkable
class UserSource(CredentialsSource, Protocol):
    """A source whose user can change."""

    def watch_user(self, watcher: UserWatcher) -> None:
        """Call the watcher when the user changes, without keeping it alive."""
        ...


@dataclass(frozen=True)
class Validity:
    """The lifetime of tokens or credentials by this machine's clock; ``until`` is None if unknown."""

    since: datetime
    until: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Return whether they are valid; False if the clock was set back, because then it is unknown."""
        return self.until is not None and self.since <= now < self.until

    def needs_refresh(self, now: datetime) -> bool:
        """Return whether five minutes are left, or a fifth of the lifetime if that is shorter.

        The margin keeps them valid until AWS checks them. The fifth lets short-lived credentials be used repeatedly.
        """
        if self.until is None or not self.is_valid(now):
            return True
        return self.until - now <= min(_MAX_MARGIN, (self.until - self.since) / _MARGIN_DIVISOR)


@dataclass(frozen=True)
class Tokens:
    """The tokens of a user pool.

    Args:
        id_token: the ID token.
        login: the user pool's key in an identity pool's ``Logins``.
        validity: the lifetime of the ID token.
        subject: the user's ``sub``; None if the token has none.
        refresh_token: the refresh token; None if only an ID token was passed.
        device_key: required with the refresh token if the user pool remembers devices.
    """

    id_token: str = field(repr=False)
    login: str
    validity: Validity
    subject: str | None = None
    refresh_token: str | None = field(default=None, repr=False)
    device_key: str | None = field(default=None, repr=False)

    @classmethod
    def from_result(cls, result: Mapping[str, Any], now: datetime, previous: Tokens | None = None) -> Self:
        """Read an AuthenticationResult. The lifetime comes from the ID token: ``ExpiresIn`` is the access token's.

        Args:
            result: Cognito's AuthenticationResult.
            now: when it was issued.
            previous: the tokens before a refresh, whose result may lack the refresh token and the device key.

        Raises:
            LookupError, ValueError: the result has no ID token.
        """
        claims = id_token_claims(result["IdToken"])
        return cls(
            result["IdToken"],
            # In every partition the key is the issuer without its scheme.
            claims["iss"].removeprefix("https://"),
            Validity(now, datetime.fromtimestamp(claims["exp"], UTC)),
            claims.get("sub"),
            result.get("RefreshToken", previous and previous.refresh_token),
            result.get("NewDeviceMetadata", {}).get("DeviceKey", previous and previous.device_key),
        )


def is_same_user(first: Tokens, second: Tokens | None) -> bool:
    """Return whether both tokens belong to one user of one user pool."""
    return second is not None and (first.login, first.subject) == (second.login, second.subject)


def id_token_claims(id_token: str) -> Mapping[str, Any]:
    """Return the claims of an ID token without verifying its signature.

    Raises:
        LookupError, ValueError: the text is not a token.
    """
    payload = id_token.split(".")[1]
    claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


class RenewalLog:
    """Logs failed renewals while the previous value is valid, each cause once until a renewal succeeds."""

    def __init__(self, subject: str) -> None:
        self.error: str | None = None
        """The error of the last renewal; None if it succeeded or there was none."""
        self._subject = subject
        self._logged: set[str] = set()

    def failed(self, cause: Exception | str) -> None:
        """Log a failure. No secret is logged: AWS's errors contain no tokens."""
        self.error = cause if isinstance(cause, str) else (str(cause) or repr(cause))
        if self.error not in self._logged:
            self._logged.add(self.error)
            _log.warning(
                "renewing the %s failed; they are used until they expire, and the next call tries again: %s",
                self._subject,
                self.error,
            )

    def succeeded(self) -> None:
        """Log the success if the previous renewal failed."""
        if self.error is not None:
            _log.info("renewing the %s succeeded again", self._subject)
        self.reset()

    def reset(self) -> None:
        """Forget the failures of the previous user."""
        self.error = None
        self._logged.clear()
