"""The values of the fixtures. Every pytest run with the plugin imports this, so it must be fast to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from local_cloud.process import LocalCloud
    from pubsub_client import CognitoSession


@dataclass(frozen=True)
class LocalDeployment:
    """A stack with PubSub on a local cloud of this test run."""

    cloud: LocalCloud
    """The local cloud; it can let operations fail too."""
    stack: str
    """The stack's name, for ``pubsub --stack``."""
    outputs: dict[str, str]
    """The stack's outputs, by name, as ``pubsub outputs`` prints them."""

    def client(self, service: str) -> Any:
        """Return a boto3 client of the local cloud with an administrator's credentials."""
        return self.cloud.client(service)

    def environment(self) -> dict[str, str]:
        """Return the environment variables of a child process that reaches this cloud, and never AWS."""
        return self.cloud.environment()


@dataclass(frozen=True)
class SignedInUser:
    """A user of the stack's user pool, signed in."""

    name: str
    password: str = field(repr=False)
    session: CognitoSession
    """Gives the identity id and AWS credentials; what ``AwsIot.from_outputs`` takes."""


class MakeSignedInUser(Protocol):
    """Makes another signed-in user, who is removed when the test ends."""

    async def __call__(self, *, group: str | None = None) -> SignedInUser:
        """Make the user.

        Args:
            group: a Cognito group to put the user into, one of the setting ``groups``.
        """
