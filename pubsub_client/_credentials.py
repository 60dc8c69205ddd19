"""AWS credentials, and where a provider gets them from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Credentials:
    """Temporary AWS credentials; what is secret in them is never shown.

    Args:
        access_key_id: the access key id.
        secret_access_key: the secret access key.
        session_token: the session token.
        expiration: when they end, with a time zone.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: datetime


class CredentialsSource(Protocol):
    """Anything that gives credentials; it is asked anew for each connection."""

    async def credentials(self) -> Credentials:
        """Return credentials that are good for a while yet."""
        ...
