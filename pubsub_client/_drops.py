"""Why a connection that was up went away, in words that help."""

from __future__ import annotations

import math
import time

from pubsub_client._client_id import ClientId
from pubsub_client._link import Drop
from pubsub_client._provider import Operation, Provider

_TAKEN_OVER = 0x8E
# So many connections that did not hold, one after the other, look like two clients that end each other.
_TELLING_RUN = 3
# A message with QoS 0 has no answer; a broker that denies it ends the connection, if it tells at all.
_DENIAL_SECONDS = 2.0
_NOTHING = ("", -math.inf)


class Drops:
    """Explains each end of a client's connections by what came before it.

    Args:
        provider: knows what its broker denies.
        client_id: the client's.
    """

    def __init__(self, provider: Provider, client_id: ClientId) -> None:
        self._provider = provider
        self._client_id = client_id
        self._unanswered = _NOTHING
        """The topic of the last message with QoS 0, and when it was sent."""
        self._takeovers = 0
        self._short = 0

    def sent_without_answer(self, topic: str) -> None:
        """Remember a message with QoS 0."""
        self._unanswered = topic, time.monotonic()

    def why(self, drop: Drop, *, held: bool) -> str:
        """Say why a connection went away.

        Args:
            drop: what the broker or awscrt says.
            held: whether the connection was up for long enough not to be one of a run.
        """
        (topic, sent_at), self._unanswered = self._unanswered, _NOTHING
        if held:
            self._takeovers = self._short = 0
        self._short += 1
        if drop.code == _TAKEN_OVER:
            self._takeovers += 1
            return self._why_taken_over(drop)
        if time.monotonic() - sent_at < _DENIAL_SECONDS:
            denial = self._provider.explain_denial(Operation.PUBLISH, topic)
            return f"{drop.reason}. A message to {topic} came before: if that happens each time, {denial}"
        if self._short >= _TELLING_RUN and drop.code is None:
            return f"{drop.reason}. If another client has the client id {self._client_id!r} too, they end each other"
        return drop.reason

    def _why_taken_over(self, drop: Drop) -> str:
        reason = f"{drop.reason}: another connection has come with the client id {self._client_id!r}"
        if self._takeovers == 1:
            return reason
        return (
            f"{reason}, the {self._takeovers}. time in a row: clients with one client id end each other's connections "
            "for ever; give each its own, or none to have it made up"
        )
