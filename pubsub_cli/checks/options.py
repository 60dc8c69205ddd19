"""What a run is asked: about whom, about which front end, about which deployment that is no stack of ours."""

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
    """What a check needs and not every run has; the value says what is to be given."""

    OPERATOR = "an operator's AWS credentials"
    STACK = "a stack of this toolkit, not ids given by hand"
    IDENTITY = "somebody to ask about: --user, --identity-id or --id-token"
    USER = "the name of a user: --user or --id-token"
    TOKEN = "an ID token: --id-token, or --user with --password-stdin"  # noqa: S105 - no token
    PASSWORD = "a user's password: --user with --password-stdin"  # noqa: S105 - no password
    PROBE = "users of its own, and none may be made"
    TRIES = "to try what must be refused"
    GIVEN_TOKEN = "--id-token"  # noqa: S105 - no token
    CLIENT_ID = "--client-id"
    PACKAGE_JSON = "--package-json"
    FIGURES = "--keep-alive, --payload-bytes or --subscriptions"


@dataclass(frozen=True)
class IdToken:
    """A user's ID token, and what it claims; nothing is verified.

    Args:
        text: the token.
        claims: its claims, with ``iss``, ``aud``, ``exp`` and ``cognito:username`` among them.
    """

    text: str = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a token.

        Raises:
            PreconditionError: it is no ID token of a Cognito user pool.
        """
        try:
            claims = id_token_claims(text)
            use = claims["token_use"]
            _ = claims["iss"].rpartition("/"), claims["aud"], int(claims["exp"]), claims["cognito:username"]
        except (ValueError, LookupError, AttributeError, TypeError):
            raise PreconditionError("--id-token: this is no ID token of a Cognito user pool") from None
        if use != "id":
            raise PreconditionError(f"--id-token: this is an {use} token: give the ID token")
        return cls(text, claims)

    @property
    def user_pool_id(self) -> str:
        """The user pool that has issued it."""
        return str(self.claims["iss"]).rpartition("/")[2]

    @property
    def login(self) -> str:
        """The user pool's name among an identity pool's logins."""
        return str(self.claims["iss"]).removeprefix("https://")

    @property
    def client_id(self) -> str:
        """The app client that it was issued to."""
        return str(self.claims["aud"])

    @property
    def user_name(self) -> str:
        """The user's name."""
        return str(self.claims["cognito:username"])


@dataclass(frozen=True)
class Whom:
    """Whom a run asks about, as far as the options say.

    Args:
        user: a user's name or alias.
        password: that user's password.
        identity_id: an identity.
        id_token: a user's ID token.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    identity_id: str | None = None
    id_token: IdToken | None = None

    @cached_property
    def user_name(self) -> str | None:
        """The user's name, given or as the token tells it."""
        return self.id_token.user_name if self.id_token else self.user

    @property
    def nobody(self) -> bool:
        """Whether the options name nobody."""
        return self.user_name is None and self.identity_id is None


@dataclass(frozen=True)
class App:
    """What the front end does, as far as the options say.

    Args:
        topics: the topics and topic filters it uses.
        client_id: the MQTT client id it connects with.
        keep_alive_seconds: its MQTT keep-alive.
        payload_bytes: the size of its largest message.
        subscriptions: how many topic filters one connection of it subscribes to.
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
    """A deployment that Amplify or somebody's hands have made, by its ids."""

    region: str
    user_pool_id: str
    identity_pool_id: str
    endpoint: str
    policy_name: str | None = None
    user_pool_client_id: str | None = None

    def outputs(self) -> dict[str, str]:
        """Return what a stack's outputs would say of it."""
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
        """Return the options of `pubsub doctor` that name it; the name of the policy is for the operator to fill in."""
        options = {
            "--user-pool-id": self.user_pool_id,
            "--identity-pool-id": self.identity_pool_id,
            "--endpoint": self.endpoint,
            "--policy-name": self.policy_name or "NAME",
        }
        return tuple(part for option in options.items() for part in option)
