"""The broker that ``pubsub publish`` and ``pubsub subscribe`` reach, and how they get in there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import typer

from pubsub_cli.aws import Aws
from pubsub_cli.checks.stack import read_complete_outputs
from pubsub_cli.finding import Fix, PubSubCommand
from pubsub_cli.operations.failure import aws_errors_explained, not_done
from pubsub_client import PubSub
from pubsub_client._provider import Provider
from pubsub_client.exceptions import ConfigurationError, PubSubError, SessionError

# The option that gives what the provider's error begins with.
_OPTIONS = {"headers": "--header", "ca_file": "--ca-file", "proxy": "--proxy"}


class Broker(Protocol):
    """A broker, and how to get in there."""

    @property
    def aws(self) -> Aws | None:
        """The operator's way to AWS; None for a broker by its URL."""
        ...

    @property
    def stack(self) -> str | None:
        """The stack whose AWS IoT it is; None for a broker by its URL."""
        ...

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    @property
    def advice(self) -> Fix:
        """What to do when it refuses."""
        ...

    def provider(self) -> AbstractAsyncContextManager[Provider]:
        """Get ready to connect.

        Raises:
            PreconditionError: there is no such stack, or there are no credentials to read it with.
            OperationError: AWS refuses to tell of it.
            PubSubError: the user cannot sign in, or a value cannot be right.
        """
        ...


@dataclass(frozen=True)
class AwsIotOfStack:
    """The AWS IoT of a deployed stack, as a user of its user pool or as the operator.

    Args:
        aws: the operator's way to AWS, which reads the stack's outputs.
        profile: the operator's profile.
        stack: the stack's name.
        user: the user to sign in; None is the operator.
        password: that user's password.
    """

    aws: Aws
    profile: str | None
    stack: str
    user: str | None
    password: str | None = field(repr=False)

    @property
    def name(self) -> str:
        """The stack's."""
        return self.stack

    @property
    def advice(self) -> Fix:
        """The doctor for a user; what an operator may do is documented."""
        if self.user is None:
            return "See docs/operator-permissions.md for what your AWS credentials must allow."
        return PubSubCommand(("doctor", "--stack", self.stack, "--user", self.user, "--password-stdin"))

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[Provider]:
        """Read the outputs and sign in; the user is signed out when the context is left."""
        # The MQTT client takes its time to import, and no other command needs it.
        from pubsub_client import AwsIot, CognitoSession, SdkCredentials

        with aws_errors_explained(self.aws, self.stack):
            outputs = await asyncio.to_thread(read_complete_outputs, self.aws, self.stack)
        if self.user is None or self.password is None:
            yield AwsIot.from_outputs(outputs, SdkCredentials(self.profile))
            return
        session = CognitoSession.from_outputs(outputs, endpoint_url=self.aws.endpoint_url)
        await session.sign_in(self.user, self.password)
        try:
            yield AwsIot.from_outputs(outputs, session)
        finally:
            with suppress(SessionError):
                await session.sign_out()


@dataclass(frozen=True)
class BrokerByUrl:
    """Any broker by the address of its WebSocket.

    Args:
        url: the address.
        headers: the headers of the WebSocket's request.
        user: the MQTT user name.
        password: the MQTT password.
        ca_file: the authorities to trust.
        proxy: the proxy to go through.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    user: str | None
    password: str | None = field(repr=False)
    ca_file: Path | None
    proxy: str | None = field(repr=False)
    aws: None = None
    stack: None = None

    @property
    def name(self) -> str:
        """The address, without a query, in which there may be secrets."""
        return self.url.partition("?")[0]

    @property
    def advice(self) -> Fix:
        """The broker knows why."""
        return "The broker's log may say more."

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[Provider]:
        """Take the values as they are.

        Raises:
            typer.BadParameter: one of them cannot be right.
        """
        from pubsub_client import MqttOverWebSocket

        try:
            provider = MqttOverWebSocket(
                self.url,
                headers=self.headers,
                user_name=self.user,
                password=self.password,
                ca_file=self.ca_file,
                proxy=self.proxy,
            )
        except ConfigurationError as error:
            option = _OPTIONS.get(str(error).partition(" ")[0], "--broker")
            raise typer.BadParameter(f"{option}: {error}") from error
        yield provider


@asynccontextmanager
async def connected(broker: Broker, client_id: str | None, seconds: float) -> AsyncIterator[PubSub]:
    """Connect, and say what keeps the broker from doing what it is asked for in this context.

    Args:
        broker: where to connect.
        client_id: the MQTT client id; None is a random one.
        seconds: the time there is to connect, also when the connection has gone away.

    Raises:
        PreconditionError: there is no such stack, or there are no credentials to read it with.
        OperationError: the user cannot sign in, there is no connection, or the broker refuses.
        ConfigurationError: a value cannot be right.
    """
    from pubsub_client import PubSub

    try:
        async with (
            broker.provider() as provider,
            PubSub(provider, client_id=client_id, connect_timeout=seconds) as pubsub,
        ):
            yield pubsub
    except ConfigurationError:
        raise
    except PubSubError as error:
        raise not_done(f"{error}", resource=broker.name, fix=broker.advice) from error
