"""The types of the fixtures' values. Every pytest run imports this module, so its imports must be fast."""

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
    """The local cloud, which can also inject faults."""
    stack: str
    """The stack's name, for ``pubsub --stack``."""
    outputs: dict[str, str]
    """The stack's outputs by name."""

    def client(self, service: str) -> Any:
        """Return a boto3 client of the local cloud with administrator credentials."""
        return self.cloud.client(service)

    def environment(self) -> dict[str, str]:
        """Return the environment variables of a child process that reaches this cloud and never AWS."""
        return self.cloud.environment()


@dataclass(frozen=True)
class SignedInUser:
    """A signed-in user of the stack's user pool."""

    name: str
    password: str = field(repr=False)
    session: CognitoSession
    """The session for ``AwsIot.from_outputs``, with the identity id and AWS credentials."""


class MakeSignedInUser(Protocol):
    """Creates another signed-in user, who is removed at the end of the test."""

    async def __call__(self, *, group: str | None = None) -> SignedInUser:
        """Create the user.

        Args:
            group: the user's Cognito group, one of the setting ``groups``.
        """
