"""The connection that keeps itself up: one link after another, whichever version of MQTT the broker speaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from pubsub_client._answers import check_subscribed
from pubsub_client._attempts import Attempts
from pubsub_client._drops import Drops
from pubsub_client._link import Answer, AttemptFailed, ConnectOptions, Drop, DroppedError, Link, Packet
from pubsub_client._mqtt5 import Mqtt5Link
from pubsub_client._mqtt311 import Mqtt311Link
from pubsub_client._outbox import Outbox, OutboxOptions
from pubsub_client._pauses import Pauses
from pubsub_client._provider import MqttVersion, Provider, UpgradeRequest
from pubsub_client._refusal import reason_of, speaks_another_version, why_silent
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused

_log = logging.getLogger("pubsub_client")

_CLOSED = "the connection is closed"
_DRAIN_SECONDS = 5.0
# awscrt times the broker's answer to CONNECT, but not what comes before it: the WebSocket, the credentials.
_ATTEMPT_SECONDS = 60.0
# A connection that held so long was no failed attempt; the pauses begin anew.
_HELD_SECONDS = 30.0
_LINKS: dict[MqttVersion, type[Link]] = {MqttVersion.MQTT5: Mqtt5Link, MqttVersion.MQTT311: Mqtt311Link}


@dataclass(frozen=True)
class Listener:
    """What is called on the loop when something happens.

    Args:
        connecting: an attempt to connect begins.
        resume: the broker took the connection; told whether it remembers the session. No message is sent before it
            returns; it raises ConnectionLost if the connection is of no use.
        connected: the connection is up, and everything is as it was.
        disconnected: the connection went away or an attempt failed, and why; the next one follows by itself.
        received: a message arrived.
    """

    connecting: Callable[[], None]
    resume: Callable[[bool], Awaitable[None]]
    connected: Callable[[], None]
    disconnected: Callable[[str], None]
    received: Callable[[Packet], None]


class Connection:
    """A connection by one provider's way, made again whenever it goes away until it is closed.

    The request is prepared anew for each attempt. When the connection is denied, the provider may know a remedy.

    Args:
        provider: the broker and how it is reached.
        options: what the client says of itself.
        outbox: how many messages are kept, and how long.
        pauses: between attempts.
        listener: told what happens.

    Raises:
        ConfigurationError: the environment names a proxy or authorities that cannot be used.
    """

    def __init__(
        self,
        provider: Provider,
        options: ConnectOptions,
        outbox: OutboxOptions,
        pauses: Pauses,
        listener: Listener,
    ) -> None:
        provider.endpoint.check_way()
        self._provider = provider
        self._options = options
        self._outbox = Outbox(outbox)
        self._pauses = pauses
        self._listener = listener
        self.loop = asyncio.get_running_loop()
        """Where it lives."""
        self._versions = list(provider.versions)
        self._opened: asyncio.Future[ConnectionRefused | None] = self.loop.create_future()
        self._request: UpgradeRequest | None = None
        self._link: Link | None = None
        self._gone: asyncio.Future[None] = self.loop.create_future()
        self._began_at = 0.0
        self._reason: str | None = None
        self._failures = 0
        self._drops = Drops(provider, options.client_id)
        self._attempts = Attempts(provider, options.client_id)
        self._keeping_up: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Connect in the background, as often as it takes."""
        if self._keeping_up is None:
            self._keeping_up = self.loop.create_task(self._keep_up())

    async def open(self, seconds: float) -> None:
        """Connect, and wait for what comes of the first attempt, if that is not known yet.

        Raises:
            ConnectionRefused: it failed and the provider knows no remedy, or it took longer than given.
            ConnectionLost: the connection was closed meanwhile.
        """
        self.start()
        if self._opened.done():
            return
        try:
            async with asyncio.timeout(seconds):
                refusal = await asyncio.shield(self._opened)
        except TimeoutError:
            refusal = self._attempts.refusal or ConnectionRefused(
                self._provider.endpoint.authority,
                self._reason or await why_silent(self._request, self._provider, seconds),
            )
        if refusal:
            raise refusal from refusal.__cause__

    def publish(self, packet: Packet) -> asyncio.Future[Answer]:
        """Send a message as soon as there is a connection; to one topic in the order of these calls.

        Returns:
            The broker's answer, for :func:`check_published`, or QueueFull or ConnectionLost.
        """
        if not packet.qos:
            self._drops.sent_without_answer(packet.topic)
        return self._outbox.post(packet)

    async def subscribe(self, topic_filter: str, qos: int) -> None:
        """Subscribe.

        Raises:
            SubscribeRefused: the broker refuses the topic filter.
            ConnectionLost: the connection went away first.
        """
        answer = await self._ask(lambda link, answered: link.subscribe(topic_filter, qos, answered))
        check_subscribed(answer, topic_filter, self._provider)

    async def unsubscribe(self, topic_filter: str) -> None:
        """Unsubscribe.

        Raises:
            ConnectionLost: the connection went away first.
        """
        answer = await self._ask(lambda link, answered: link.unsubscribe(topic_filter, answered))
        if answer.error:
            raise ConnectionLost(f"no answer to unsubscribing from {topic_filter}: {answer.error}") from answer.error
        if answer.refused:
            reason = reason_of(answer.code, answer.text)
            _log.warning(
                "the broker does not end the subscription to %s, and may go on sending: %s", topic_filter, reason
            )

    async def close(self) -> None:
        """Let what is under way be answered, for five seconds at most, and disconnect."""
        try:
            await self._outbox.close(_CLOSED, _DRAIN_SECONDS)
        finally:
            if self._keeping_up:
                self._keeping_up.cancel()
            if not self._opened.done():
                self._opened.set_exception(ConnectionLost(_CLOSED))
                self._opened.exception()  # nobody need be waiting for it
            self._let_go()
            await asyncio.gather(*self._closing)
            if self._keeping_up:
                with suppress(asyncio.CancelledError):
                    await self._keeping_up

    def _let_go(self) -> None:
        """Close the link of before beside what comes next: awscrt may take its time."""
        if self._link:
            closing = self.loop.create_task(self._link.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._link = None

    async def _keep_up(self) -> None:
        while True:
            try:
                await self._once()
            except Exception as error:  # noqa: BLE001 - whatever it is, who waits must not wait for ever
                _log.exception("the connection failed in a way that nobody foresaw; it is tried again")
                self._went(repr(error))
            self._let_go()
            await asyncio.sleep(self._pauses.before(self._failures))
            self._failures += 1

    async def _once(self) -> None:
        """Connect, and stay until the connection goes; or tell why there is none."""
        self._listener.connecting()
        try:
            session_present = await self._attempt()
        except AttemptFailed as attempt:
            refusal = await self._attempts.explain(attempt, self._request)
            if not (self._opened.done() or self._attempts.remedied):
                self._opened.set_result(refusal)
            self._went(refusal.reason)
        else:
            await self._stay(session_present)

    async def _attempt(self) -> bool:
        """Make one attempt, in limited time; return whether the broker remembers the session."""
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                return await self._connect()
        except TimeoutError as error:
            raise AttemptFailed(TimeoutError(f"no answer within {_ATTEMPT_SECONDS:g} s.")) from error

    async def _connect(self) -> bool:
        """Try, by each version that the broker may speak."""
        self._request = None
        try:
            self._request = await self._provider.upgrade_request()
            self._options.client_id.prefix = self._request.client_id_prefix
        except Exception as error:
            raise AttemptFailed(error) from error
        failure: AttemptFailed | None = None
        for version in tuple(self._versions):
            self._let_go()
            self._gone = self.loop.create_future()
            self._began_at = self.loop.time()
            try:
                make = _LINKS[version]
                self._link = link = make(self._provider, self._options, self._listener.received, self._on_dropped)
                session_present = await link.open(self._request)
            except AttemptFailed as error:
                # An answer tells more than a connection that was just closed.
                failure = error if failure is None or error.connack else failure
                if not speaks_another_version(error):
                    break
            except Exception as error:  # a link cannot be made, of a file of authorities that has gone for instance
                raise AttemptFailed(error) from error
            else:
                self._settle_for(version)
                return session_present
        raise failure or AttemptFailed(ValueError("the provider names no version of MQTT"))

    def _settle_for(self, version: MqttVersion) -> None:
        if len(self._versions) > 1:
            lasting = (
                ", which keeps no session" if self._options.session_expiry and version is MqttVersion.MQTT311 else ""
            )
            _log.info("the broker speaks %s%s", version.name, lasting)
        self._versions = [version]

    async def _stay(self, session_present: bool) -> None:
        """Take up what was under way, and wait until the connection goes."""
        self._options = replace(self._options, resume=self._options.session_expiry > 0)
        self._attempts.succeeded()
        try:
            if not self._gone.done():
                await self._listener.resume(session_present)
        except ConnectionLost as error:
            self._went(str(error))
            return
        if self._link and not self._gone.done():
            self._outbox.open(self._link.publish)
            self._listener.connected()
            if not self._opened.done():
                self._opened.set_result(None)
        await self._gone

    def _on_dropped(self, drop: Drop) -> None:
        held = self.loop.time() - self._began_at > _HELD_SECONDS
        if held:
            self._failures = 0
        self._went(self._drops.why(drop, held=held))
        if not self._gone.done():
            self._gone.set_result(None)

    def _went(self, reason: str) -> None:
        self._reason = reason
        self._outbox.shut(reason)
        self._listener.disconnected(reason)

    async def _ask(self, asking: Callable[[Link, Callable[[Answer], None]], None]) -> Answer:
        if self._link is None:
            return Answer(error=DroppedError("there is no connection", was_sent=False))
        answer: asyncio.Future[Answer] = self.loop.create_future()
        asking(self._link, partial(_settle, answer))
        return await answer


def _settle(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)
