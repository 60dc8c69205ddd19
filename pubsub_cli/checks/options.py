"""The options of a run of checks: the user, the front end, and the deployment if it is not a stack of this toolkit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pubsub_cli.errors import PreconditionError
from pubsub_client._credentials import id_token_claims
from pubsub_client.outputs import Output


class Requirement(StrEnum):
    """What a check requires and not every run has; the value names what to give."""

    OPERATOR = "an operator's AWS credentials"
    STACK = "a stack of this toolkit, not a deployment given by ids"
    IDENTITY = "a user or identity: --user, --identity-id or --id-token"
    USER = "the name of a user: --user or --id-token"
    TOKEN = "an ID token: --id-token, or --user with --password-stdin"  # noqa: S105 - no token
    PASSWORD = "a user's password: --user with --password-stdin"  # noqa: S105 - no password
    TEST_USERS = "test users, which --user excludes"
    PROBES = "permission to try requests that must be rejected"
    GIVEN_TOKEN = "--id-token"  # noqa: S105 - no token
    CLIENT_ID = "--client-id"
    PACKAGE_JSON = "--package-json"
    LIMITS = "--keep-alive, --payload-bytes or --subscriptions"


@dataclass(frozen=True)
class IdToken:
    """A user's ID token and its claims; the signature is not verified.

    Args:
        text: the token.
        claims: its claims, with ``iss``, ``aud``, ``exp`` and ``cognito:username`` among them.
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
        """The user pool that issued it."""
        return str(self.claims["iss"]).rpartition("/")[2]

    @property
    def login(self) -> str:
        """The user pool's key in an identity pool's ``Logins``."""
        return str(self.claims["iss"]).removeprefix("https://")

    @property
    def client_id(self) -> str:
        """The app client that it was issued for."""
        return str(self.claims["aud"])

    @property
    def user_name(self) -> str:
        """The user's name."""
        return str(self.claims["cognito:username"])


@dataclass(frozen=True)
class UserSelector:
    """The user or identity that a run checks.

    Args:
        user: a user's name or alias.
        password: that user's password.
        identity_id: an identity id.
        id_token: a user's ID token.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    identity_id: str | None = None
    id_token: IdToken | None = None

    @cached_property
    def user_name(self) -> str | None:
        """The user's name, from the option or the token."""
        return self.id_token.user_name if self.id_token else self.user

    @property
    def is_empty(self) -> bool:
        """Whether the options name no user and no identity."""
        return self.user_name is None and self.identity_id is None


@dataclass(frozen=True)
class FrontEndConfig:
    """The settings of a front end that the options give.

    Args:
        topics: the topics and topic filters it uses.
        client_id: the MQTT client id it connects with.
        keep_alive_seconds: its MQTT keep-alive.
        payload_bytes: the size of its largest message.
        subscriptions: the number of topic filters that one connection subscribes to.
        package_json: its ``package.json``.
    """

    topics: tuple[str, ...] = ()
    client_id: str | None = None
    keep_alive_seconds: int | None = None
    payload_bytes: int | None = None
    subscriptions: int | None = None
    package_json: Path | None = None


@dataclass(frozen=True)
class DeploymentIds:
    """A deployment that Amplify created, or that was created manually, by its ids."""

    region: str
    user_pool_id: str
    identity_pool_id: str
    endpoint: str
    policy_name: str | None = None
    user_pool_client_id: str | None = None

    def outputs(self) -> dict[str, str]:
        """Return the outputs that a stack would have, as far as they are known."""
        known = {
            Output.REGION: self.region,
            Output.USER_POOL_ID: self.user_pool_id,
            Output.USER_POOL_CLIENT_ID: self.user_pool_client_id,
            Output.IDENTITY_POOL_ID: self.identity_pool_id,
            Output.PUBSUB_ENDPOINT: self.endpoint,
            Output.POLICY_NAME: self.policy_name,
        }
        return {name.value: value for name, value in known.items() if value}

    def options(self) -> tuple[str, ...]:
        """Return the options of `pubsub doctor` that name it; the operator fills in an unknown policy name."""
        options = {
            "--user-pool-id": self.user_pool_id,
            "--identity-pool-id": self.identity_pool_id,
            "--endpoint": self.endpoint,
            "--policy-name": self.policy_name or "NAME",
        }
        return tuple(part for option in options.items() for part in option)
