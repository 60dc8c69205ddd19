"""AWS credentials, and where a provider gets them from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Credentials:
    """AWS credentials; what is secret in them is never shown.

    Args:
        access_key_id: the access key id.
        secret_access_key: the secret access key.
        session_token: the session token; None for long-term keys, which have none.
        expiration: when they end, with a time zone; None if they do not, or nobody says.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expiration: datetime | None = None


class CredentialsSource(Protocol):
    """Anything that gives credentials; it is asked anew for each connection."""

    async def credentials(self) -> Credentials:
        """Return credentials that are good for a while yet."""
        ...


@runtime_checkable
class OfAnIdentity(CredentialsSource, Protocol):
    """A source of the credentials of a Cognito identity, which it knows."""

    async def identity_id(self) -> str:
        """Return the identity id.

        Raises:
            Exception: whatever keeps it from being known; it becomes the cause of the refusal.
        """
        ...


@runtime_checkable
class RenewingSource(CredentialsSource, Protocol):
    """A source that returns credentials that are still valid when it cannot renew them."""

    @property
    def renewal_error(self) -> str | None:
        """Why the last renewal failed; None if it did not."""
        ...
