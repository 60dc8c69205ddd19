"""The connection that reconnects: it opens one transport after another, in the broker's version of MQTT."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from pubsub_client._backoff import Backoff
from pubsub_client._failures import ConnectErrors, DisconnectReasons, check_subscribed, needs_another_version
from pubsub_client._guards import Owner, start_threads
from pubsub_client._messages import Packet
from pubsub_client._mqtt5 import Mqtt5Transport
from pubsub_client._mqtt311 import Mqtt311Transport
from pubsub_client._outbox import Outbox, OutboxOptions
from pubsub_client._provider import MqttVersion, Provider, UpgradeRequest
from pubsub_client._subscription import SubscriptionRegistry
from pubsub_client._transport import (
    Ack,
    ConnectAttemptError,
    ConnectOptions,
    Disconnect,
    DisconnectedError,
    OnAck,
    Transport,
    reason_text,
)
from pubsub_client.exceptions import ClientClosed, ConnectionLost, ConnectionRefused, UserChanged

_log = logging.getLogger("pubsub_client")

_CLOSED = "the connection was closed"
_DRAIN_SECONDS = 5.0
# awscrt's own timeout covers CONNACK, but not the credentials and the WebSocket before it.
_ATTEMPT_TIMEOUT_SECONDS = 60.0
# A connection that was up longer than this does not count as a failed attempt.
_STABLE_SECONDS = 30.0
_TRANSPORTS: dict[MqttVersion, type[Transport]] = {
    MqttVersion.MQTT5: Mqtt5Transport,
    MqttVersion.MQTT311: Mqtt311Transport,
}


class ConnectionState(StrEnum):
    """Whether the connection is up."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    """Up, with all subscriptions."""
    DISCONNECTED = "disconnected"
    """Lost or refused; another attempt follows."""
    CLOSED = "closed"
    """Not connected yet, closed by the application, or ended because the session's user changed."""


class StateChange(NamedTuple):
    """A state, and the reason for it if known."""

    state: ConnectionState
    reason: str | None = None


class States:
    """The current state, and streams of its changes."""

    def __init__(self) -> None:
        self.now = StateChange(ConnectionState.CLOSED)
        self._last_reason: str | None = None
        self._watchers: set[asyncio.Queue[StateChange]] = set()

    def change(self, state: ConnectionState, reason: str | None = None) -> None:
        """Set the state, and notify watchers of a change."""
        if (change := StateChange(state, reason)) == self.now:
            return
        self.now = change
        _log.info("connection %s%s", state, f": {reason}" if reason else "")
        self._last_reason = reason or self._last_reason
        for watcher in self._watchers:
            watcher.put_nowait(change)

    async def stream(self, check_caller: Callable[[], None] = lambda: None) -> AsyncGenerator[StateChange]:
        """Yield the current state and each one after it; ends after ``CLOSED``."""
        watcher: asyncio.Queue[StateChange] = asyncio.Queue()
        watcher.put_nowait(self.now)
        self._watchers.add(watcher)
        try:
            while True:
                check_caller()
                change = await watcher.get()
                yield change
                if change.state is ConnectionState.CLOSED:
                    return
        finally:
            self._watchers.discard(watcher)

    async def until_connected(self, seconds: float) -> None:
        """Wait for the connection; raise ConnectionLost if it is closed or not up in time."""
        if self.now.state is ConnectionState.CONNECTED:
            return
        try:
            async with asyncio.timeout(seconds), aclosing(self.stream()) as changes:
                async for state, _ in changes:
                    if state is ConnectionState.CONNECTED:
                        return
        except TimeoutError:
            because = f"; last reason: {self._last_reason}" if self._last_reason else ""
            raise ConnectionLost(f"not connected within {seconds:g} s{because}") from None
        raise ClientClosed


class ReconnectingConnection:
    """A connection that reconnects until it is closed.

    Each attempt uses a new upgrade request. After a denial, the provider may recover.

    Args:
        provider: the broker.
        options: the contents of the CONNECT packet.
        outbox: the limits of the outbox.
        backoff: the delays between attempts.
        states: updated by the connection.
        subscriptions: restored on each new connection; receives all messages.

    Raises:
        ConfigurationError: there is no running event loop, or the proxy or the certificate authorities cannot be used.
        ProcessForked: another client was connected before this process was forked.
    """

    def __init__(
        self,
        provider: Provider,
        options: ConnectOptions,
        outbox: OutboxOptions,
        backoff: Backoff,
        states: States,
        subscriptions: SubscriptionRegistry,
    ) -> None:
        self.owner = Owner()
        self.loop = self.owner.loop
        provider.endpoint.check_network_settings()
        start_threads()
        self._provider = provider
        self._options = options
        self._outbox = Outbox(outbox)
        self._backoff = backoff
        self._states = states
        self._subscriptions = subscriptions
        self._versions = list(provider.versions)
        self._first_result: asyncio.Future[ConnectionRefused | None] = self.loop.create_future()
        """An error, or None, from the first attempt; after a recovery, from the attempt that follows."""
        self._request: UpgradeRequest | None = None
        self._transport: Transport | None = None
        self._lost: asyncio.Future[None] = self.loop.create_future()
        self._attempted_at = 0.0
        self._reason: str | None = None
        self._failures = 0
        self._disconnect_reasons = DisconnectReasons(provider, options.client_id)
        self._connect_errors = ConnectErrors(provider, options.client_id)
        self._running: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._user_changed: UserChanged | None = None
        provider.watch_user(self)

    def check(self) -> None:
        """Check that the caller may send.

        Raises:
            WrongEventLoop, ProcessForked: the caller is in another event loop or process.
            UserChanged: the session's user signed out or was replaced.
        """
        self.owner.check()
        if self._user_changed:
            raise self._user_changed

    def start(self) -> None:
        """Connect in the background, with any number of attempts."""
        if self._running is None:
            self._states.change(ConnectionState.CONNECTING)
            self._running = self.loop.create_task(self._run())

    async def wait_for_first_result(self, seconds: float) -> None:
        """Wait for the result of the first attempt.

        Raises:
            ConnectionRefused: the attempt failed without recovery, or did not end in time.
            ConnectionLost: the connection was closed meanwhile.
        """
        if self._first_result.done():
            return
        try:
            async with asyncio.timeout(seconds):
                refusal = await asyncio.shield(self._first_result)
        except TimeoutError:
            refusal = self._connect_errors.last or ConnectionRefused(
                self._provider.endpoint.authority,
                self._reason or await self._connect_errors.explain_timeout(self._request, seconds),
            )
        if refusal:
            raise refusal from refusal.__cause__

    async def until_connected(self, seconds: float) -> None:
        """Wait for the connection.

        Raises:
            ConnectionLost: the connection is not up in time, or was closed.
            UserChanged: the session's user signed out or was replaced.
        """
        try:
            await self._states.until_connected(seconds)
        except ClientClosed:
            self.check()
            raise

    def publish(self, packet: Packet) -> asyncio.Future[Ack]:
        """Send a message as soon as there is a connection; messages to one topic are sent in the order of these calls.

        Returns:
            A future of the acknowledgement, for :func:`check_published`; it fails with QueueFull or ConnectionLost.
        """
        if not packet.qos:
            self._disconnect_reasons.record_publish(packet.topic)
        return self._outbox.enqueue(packet)

    async def subscribe(self, topic_filter: str, qos: int) -> None:
        """Subscribe.

        Raises:
            SubscribeRefused: the broker refuses the topic filter.
            ConnectionLost: the connection was lost before the answer.
        """
        ack = await self._request_ack(lambda transport, on_ack: transport.subscribe(topic_filter, qos, on_ack))
        check_subscribed(ack, topic_filter, self._provider)

    async def unsubscribe(self, topic_filter: str) -> None:
        """Unsubscribe.

        Raises:
            ConnectionLost: the connection was lost before the answer.
        """
        ack = await self._request_ack(lambda transport, on_ack: transport.unsubscribe(topic_filter, on_ack))
        if ack.error:
            raise ConnectionLost(f"no answer to UNSUBSCRIBE {topic_filter}: {ack.error}") from ack.error
        if ack.rejected:
            reason = reason_text(ack.code, ack.text)
            _log.warning("the broker rejected UNSUBSCRIBE %s and may continue to send: %s", topic_filter, reason)

    async def close(self) -> None:
        """Wait for pending acknowledgements, five seconds at most, and disconnect."""
        try:
            await self._outbox.close(_CLOSED, _DRAIN_SECONDS)
        finally:
            if self._running:
                self._running.cancel()
            if not self._first_result.done():
                self._first_result.set_exception(ConnectionLost(_CLOSED))
                self._first_result.exception()  # prevents asyncio's warning if no caller waits for it
            self._discard_transport()
            await asyncio.gather(*self._closing)
            if self._running:
                with suppress(asyncio.CancelledError):
                    await self._running

    def user_changed(self, reason: str) -> None:
        """End the connection, which must not continue as the previous user; any thread may call this."""
        if self.owner.is_caller:
            self._end(UserChanged(reason))
        else:
            with suppress(RuntimeError):  # the event loop is closed
                self.loop.call_soon_threadsafe(self._end, UserChanged(reason))

    def _end(self, error: UserChanged) -> None:
        if self._running is None or self._running.done():
            return
        self._user_changed = error
        self._running.cancel()
        self._outbox.end(error.reason)
        if not self._first_result.done():
            self._first_result.set_exception(error)
            self._first_result.exception()  # prevents asyncio's warning if no caller waits for it
        self._discard_transport()
        self._subscriptions.end(error)
        self._states.change(ConnectionState.CLOSED, error.reason)

    def _discard_transport(self) -> None:
        """Close the transport in the background, because awscrt can take seconds."""
        if self._transport:
            closing = self.loop.create_task(self._transport.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._transport = None

    async def _run(self) -> None:
        while True:
            try:
                await self._connect_and_wait()
            except Exception as error:  # noqa: BLE001 - without another attempt, callers would wait forever
                _log.exception("unexpected error of the connection; another attempt follows")
                self._disconnected(repr(error))
            self._discard_transport()
            await asyncio.sleep(self._backoff.delay(self._failures))
            self._failures += 1

    async def _connect_and_wait(self) -> None:
        """Connect and wait until the connection is lost, or record why the attempt failed."""
        self._states.change(ConnectionState.CONNECTING)
        try:
            session_present = await self._attempt()
        except ConnectAttemptError as attempt:
            refusal = await self._connect_errors.explain(attempt, self._request)
            if not (self._first_result.done() or self._connect_errors.recovered):
                self._first_result.set_result(refusal)
            self._disconnected(refusal.reason)
            return
        self._options = replace(self._options, resume=self._options.session_expiry > 0)
        self._connect_errors.reset()
        try:
            if not self._lost.done():
                await self._subscriptions.resume(self, session_present=session_present)
        except ConnectionLost as error:
            self._disconnected(str(error))
            return
        if self._transport and not self._lost.done():
            self._outbox.resume(self._transport.publish)
            self._states.change(ConnectionState.CONNECTED)
            if not self._first_result.done():
                self._first_result.set_result(None)
        await self._lost

    async def _attempt(self) -> bool:
        """Connect within the timeout; return whether the broker has kept the session."""
        try:
            async with asyncio.timeout(_ATTEMPT_TIMEOUT_SECONDS):
                return await self._connect()
        except TimeoutError as error:
            raise ConnectAttemptError(TimeoutError(f"no answer within {_ATTEMPT_TIMEOUT_SECONDS:g} s.")) from error

    async def _connect(self) -> bool:
        """Try each version of MQTT that the broker may speak."""
        self._request = None
        try:
            self._request = await self._provider.upgrade_request()
            self._options.client_id.prefix = self._request.client_id_prefix
        except Exception as error:
            raise ConnectAttemptError(error) from error
        failure: ConnectAttemptError | None = None
        for version in tuple(self._versions):
            self._discard_transport()
            self._lost = self.loop.create_future()
            self._attempted_at = self.loop.time()
            try:
                self._transport = transport = _TRANSPORTS[version](
                    self._provider, self._options, self._subscriptions.deliver, self._on_disconnect
                )
                session_present = await transport.open(self._request)
            except ConnectAttemptError as error:
                # A CONNACK explains more than a closed connection.
                failure = error if failure is None or error.connack else failure
                if not needs_another_version(error):
                    break
            except Exception as error:  # such as a deleted file of certificate authorities
                raise ConnectAttemptError(error) from error
            else:
                self._settle_on(version)
                return session_present
        raise failure or ConnectAttemptError(ValueError("the provider has no MQTT versions"))

    def _settle_on(self, version: MqttVersion) -> None:
        if len(self._versions) > 1:
            without_session = self._options.session_expiry and version is MqttVersion.MQTT311
            _log.info("the broker uses %s%s", version.name, "; session_expiry has no effect" if without_session else "")
        self._versions = [version]

    def _on_disconnect(self, disconnect: Disconnect) -> None:
        stable = self.loop.time() - self._attempted_at > _STABLE_SECONDS
        if stable:
            self._failures = 0
        self._disconnected(self._disconnect_reasons.explain(disconnect, stable=stable))
        if not self._lost.done():
            self._lost.set_result(None)

    def _disconnected(self, reason: str) -> None:
        self._reason = reason
        self._outbox.suspend(reason)
        self._states.change(ConnectionState.DISCONNECTED, reason)

    async def _request_ack(self, request: Callable[[Transport, OnAck], None]) -> Ack:
        if self._transport is None:
            return Ack(error=DisconnectedError("there is no connection", was_sent=False))
        future: asyncio.Future[Ack] = self.loop.create_future()
        request(self._transport, partial(_set_result, future))
        return await future


def _set_result(future: asyncio.Future[Ack], ack: Ack) -> None:
    if not future.done():
        future.set_result(ack)
