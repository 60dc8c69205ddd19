"""What a user pool gives who signs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from pubsub_client._id_token import id_token_claims
from pubsub_client._validity import Validity


@dataclass(frozen=True)
class Tokens:
    """An ID token, which carries its issuer and when it ends, and the refresh token that leads to the next.

    Args:
        id_token: the ID token.
        login: the user pool's name among an identity pool's logins.
        validity: the ID token's.
        refresh_token: None where the ID token alone was given.
        device_key: of a user pool that remembers devices, which takes the refresh token together with it.
    """

    id_token: str = field(repr=False)
    login: str
    validity: Validity
    refresh_token: str | None = field(default=None, repr=False)
    device_key: str | None = field(default=None, repr=False)

    @classmethod
    def read(
        cls,
        result: Mapping[str, Any],
        now: datetime,
        *,
        refresh_token: str | None = None,
        device_key: str | None = None,
    ) -> Self:
        """Read an AuthenticationResult, whose ``ExpiresIn`` is the access token's: the ID token has its own.

        Args:
            result: as Cognito answers it.
            now: when it was given.
            refresh_token: the one to go on with if there is none in it.
            device_key: as well.

        Raises:
            LookupError, ValueError: there is no ID token in it.
        """
        claims = id_token_claims(result["IdToken"])
        return cls(
            result["IdToken"],
            # An identity pool knows a user pool by its issuer without the scheme, in every partition.
            claims["iss"].removeprefix("https://"),
            Validity(now, datetime.fromtimestamp(claims["exp"], UTC)),
            result.get("RefreshToken", refresh_token),
            result.get("NewDeviceMetadata", {}).get("DeviceKey", device_key),
        )
