"""The connection's state, and everybody who watches it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import StrEnum
from typing import NamedTuple

from pubsub_client.exceptions import ConnectionLost

_log = logging.getLogger("pubsub_client")


class ConnectionState(StrEnum):
    """Whether the connection is up."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    """Up, and the broker has every subscription again."""
    DISCONNECTED = "disconnected"
    """Went away, or could not be made again; the next attempt follows by itself."""
    CLOSED = "closed"
    """Not entered yet, or left."""


class StateChange(NamedTuple):
    """A state, and what led to it if that is known."""

    state: ConnectionState
    reason: str | None = None


class States:
    """The state now, told to each watcher when it changes."""

    def __init__(self) -> None:
        self.now = StateChange(ConnectionState.CLOSED)
        self._last_reason: str | None = None
        self._watchers: set[asyncio.Queue[StateChange]] = set()

    def change(self, state: ConnectionState, reason: str | None = None) -> None:
        """Tell every watcher, unless nothing changes."""
        if (change := StateChange(state, reason)) == self.now:
            return
        self.now = change
        _log.info("connection %s%s", state, f": {reason}" if reason else "")
        self._last_reason = reason or self._last_reason
        for watcher in self._watchers:
            watcher.put_nowait(change)

    async def stream(self) -> AsyncGenerator[StateChange]:
        """Yield the state now and each one after it; ends after ``CLOSED``."""
        watcher: asyncio.Queue[StateChange] = asyncio.Queue()
        watcher.put_nowait(self.now)
        self._watchers.add(watcher)
        try:
            while True:
                change = await watcher.get()
                yield change
                if change.state is ConnectionState.CLOSED:
                    return
        finally:
            self._watchers.discard(watcher)

    async def until_connected(self, seconds: float) -> None:
        """Wait for the connection.

        Raises:
            ConnectionLost: it is closed, or does not come back in time.
        """
        if self.now.state is ConnectionState.CONNECTED:
            return
        try:
            async with asyncio.timeout(seconds), aclosing(self.stream()) as changes:
                async for state, _ in changes:
                    if state is ConnectionState.CONNECTED:
                        return
        except TimeoutError:
            because = f", the last time because of this: {self._last_reason}" if self._last_reason else ""
            raise ConnectionLost(f"there has been no connection for {seconds:g} s{because}") from None
        raise ConnectionLost("there is no connection: use it inside `async with PubSub(provider) as pubsub`")
