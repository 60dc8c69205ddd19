"""The options of a run of checks: the user, the front end, and a deployment given by ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pubsub_cli.errors import PreconditionError
from pubsub_client._credentials import id_token_claims
from pubsub_client._endpoint import EndpointName
from pubsub_client.outputs import Output


class Requirement(StrEnum):
    """A requirement that not every run meets. The value names it in the reason for a skipped check."""

    OPERATOR = "an operator's AWS credentials"
    STACK = "a stack of this toolkit, not a deployment given by ids"
    IDENTITY = "--user or --identity-id"
    USER = "--user"
    TOKEN = "--id-token or --password-stdin"  # noqa: S105 - no token
    PASSWORD = "--password-stdin"  # noqa: S105 - no password
    TEST_USERS = "test users, which --user excludes"
    PROBES = "permission to try requests that must be rejected"
    GIVEN_TOKEN = "--id-token"  # noqa: S105 - no token
    CLIENT_ID = "--client-id"
    PACKAGE_JSON = "--package-json"
    LIMITS = "--keep-alive, --payload-bytes or --subscriptions"


@dataclass(frozen=True)
class IdToken:
    """A user's ID token. The signature is not verified.

    Args:
        text: the token.
        claims: its claims, which include ``iss``, ``aud``, ``exp`` and ``cognito:username``.
    """

    text: str = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a token.

        Raises:
            PreconditionError: it is not an ID token of a Cognito user pool.
        """
        try:
            claims = id_token_claims(text)
            use = claims["token_use"]
            _ = claims["iss"].rpartition("/"), claims["aud"], int(claims["exp"]), claims["cognito:username"]
        except (ValueError, LookupError, AttributeError, TypeError):
            raise PreconditionError("--id-token: not an ID token of a Cognito user pool") from None
        if use != "id":
            raise PreconditionError(f"--id-token: this is an {use} token; give the ID token")
        return cls(text, claims)

    @property
    def user_pool_id(self) -> str:
        """The user pool that issued the token."""
        return str(self.claims["iss"]).rpartition("/")[2]

    @property
    def login(self) -> str:
        """The user pool's key in an identity pool's ``Logins``."""
        return str(self.claims["iss"]).removeprefix("https://")

    @property
    def client_id(self) -> str:
        """The app client that the user signed in with."""
        return str(self.claims["aud"])

    @property
    def user_name(self) -> str:
        """The user's name."""
        return str(self.claims["cognito:username"])


@dataclass(frozen=True)
class UserSelector:
    """The user or identity to check."""

    user: str | None = None
    """The name or an alias."""
    password: str | None = field(default=None, repr=False)
    identity_id: str | None = None
    id_token: IdToken | None = None

    @cached_property
    def user_name(self) -> str | None:
        """The user's name from the options, or from the token."""
        return self.id_token.user_name if self.id_token else self.user

    @property
    def is_empty(self) -> bool:
        """Whether no user and no identity is selected."""
        return self.user_name is None and self.identity_id is None


@dataclass(frozen=True)
class FrontEndConfig:
    """The settings of a front end, as far as the options give them."""

    topics: tuple[str, ...] = ()
    """Topics and topic filters."""
    client_id: str | None = None
    keep_alive_seconds: int | None = None
    payload_bytes: int | None = None
    """The size of the largest message."""
    subscriptions: int | None = None
    """The number of topic filters that one connection subscribes to."""
    package_json: Path | None = None
    pubsub_region: str | None = None
    """The region in which it signs its connections."""


@dataclass(frozen=True)
class DeploymentIds:
    """The ids of a deployment that Amplify created, or that was created manually."""

    region: str
    user_pool_id: str
    identity_pool_id: str
    endpoint: str
    """The host, alone or in a URL."""
    policy_name: str | None = None
    user_pool_client_id: str | None = None

    def outputs(self) -> dict[str, str]:
        """Return the same as outputs of a stack, as far as they are known."""
        known = {
            Output.REGION: self.region,
            Output.USER_POOL_ID: self.user_pool_id,
            Output.USER_POOL_CLIENT_ID: self.user_pool_client_id,
            Output.IDENTITY_POOL_ID: self.identity_pool_id,
            Output.PUBSUB_ENDPOINT: EndpointName.parse(self.endpoint).bare,
            Output.POLICY_NAME: self.policy_name,
        }
        return {name.value: value for name, value in known.items() if value}

    def options(self) -> tuple[str, ...]:
        """Return the options of `pubsub doctor` that name the deployment, with NAME for an unknown policy."""
        options = {
            "--user-pool-id": self.user_pool_id,
            "--identity-pool-id": self.identity_pool_id,
            "--endpoint": self.endpoint,
            "--policy-name": self.policy_name or "NAME",
        }
        return tuple(part for option in options.items() for part in option)
