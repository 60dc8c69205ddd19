"""What a run of checks knows: its options, and what the checks have found so far."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pubsub_client import AwsIot, CognitoSession
from pubsub_client._self_attach import SelfAttachRoute
from pubsub_client.checks.probe_users import ProbeUsers
from pubsub_client.checks.uninterrupted import uninterrupted
from pubsub_client.exceptions import SessionError
from pubsub_client.outputs import Output, attaches_at_sign_in

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from pubsub_client import PubSub, SelfAttachment, Subscription
    from pubsub_client.checks.aws import Aws
    from pubsub_client.checks.probe_users import User


@dataclass
class Context:
    """The state of one run. A check reads only what the checks it rests on have left here."""

    aws: Aws
    """The operator's way to AWS."""
    stack: str
    """The name of the stack under test."""
    timeout: float
    """Seconds to wait for what may take its time to act: the attachment, the connection."""
    cleanup: AsyncExitStack
    """What is closed and removed when the run ends, however it ends."""
    existing_user: User | None = None
    """Sign in as this user instead of making one."""

    outputs: dict[str, str] = field(init=False)
    """The stack's outputs, by name."""
    users: ProbeUsers = field(init=False)
    """The users this run has made."""
    user: User = field(init=False)
    """The user who signed in first."""
    session: CognitoSession = field(init=False)
    """That user's session."""
    sign_in_started: float = field(init=False)
    """When that user's sign-in began, on the monotonic clock."""
    tokens_arrived: float = field(init=False)
    """When that user's tokens arrived, on the monotonic clock."""
    identity_id: str = field(init=False)
    """That user's identity id."""
    unattached: CognitoSession = field(init=False)
    """The session of a user whose identity has no policy."""
    group_roles: dict[str, str] = field(init=False)
    """The ARN of the role of each Cognito group that has one, by the group's name."""
    pubsub: PubSub = field(init=False)
    """That user's connection."""
    topic: str = field(init=False)
    """The topic of this run's messages, within what the IoT policy opens."""
    messages: Subscription = field(init=False)
    """That user's subscription to it."""
    sign_in_to_message: float | None = field(default=None, init=False)
    """Seconds from the begin of that user's sign-in to the first message received."""
    left_behind: list[str] = field(default_factory=list, init=False)
    """What the run made and could not remove, one line each."""

    @property
    def first_sign_in(self) -> float:
        """Seconds the first sign-in took."""
        return self.tokens_arrived - self.sign_in_started

    def begin(self, outputs: dict[str, str]) -> None:
        """Take the stack's outputs; from here on users may be made, and are removed when the run ends."""
        self.outputs = outputs
        self.users = ProbeUsers(self.aws, outputs)
        self.cleanup.push_async_callback(self._remove_users)

    def sign_out_at_the_end(self, session: CognitoSession) -> None:
        """Revoke the session's tokens when the run ends; one that has ended by then needs nothing."""

        async def sign_out() -> None:
            with suppress(SessionError):
                await session.sign_out()

        self.cleanup.push_async_callback(sign_out)

    async def _remove_users(self) -> None:
        self.left_behind += await uninterrupted(asyncio.to_thread(self.users.remove))

    @property
    def topics(self) -> list[str]:
        """The patterns of topics that the IoT policy opens."""
        return self.outputs[Output.TOPICS].split(",")

    @property
    def attaches_at_sign_in(self) -> bool:
        """Whether the policy is attached by the trigger, and not by self-attach alone."""
        return attaches_at_sign_in(self.outputs)

    async def self_attach(self, session: CognitoSession) -> SelfAttachment:
        """Have the policy attached to the identity of a session's user.

        Raises:
            SessionError: the route does not.
        """
        route = SelfAttachRoute(self.output(Output.SELF_ATTACH_URL), self.output(Output.REGION))
        return await route.attach(await session.credentials())

    def output(self, name: Output) -> str:
        """Return one of the stack's outputs."""
        return self.outputs[name]

    def provider(self, session: CognitoSession) -> AwsIot:
        """Return the way to the deployment's endpoint as a session's user."""
        return AwsIot(
            endpoint=self.output(Output.PUBSUB_ENDPOINT), region=self.output(Output.REGION), credentials=session
        )

    def new_session(self) -> CognitoSession:
        """Return a session of the deployment's pools in which nobody has signed in yet.

        It does not self-attach by itself: a connection that is refused is what the checks want to see.
        """
        return CognitoSession(
            region=self.output(Output.REGION),
            user_pool_id=self.output(Output.USER_POOL_ID),
            user_pool_client_id=self.output(Output.USER_POOL_CLIENT_ID),
            identity_pool_id=self.output(Output.IDENTITY_POOL_ID),
            endpoint_url=self.aws.endpoint_url,
        )
