"""The connection that all modules of a program share: configured once, at hand anywhere.

The counterpart of the module that Amplify's guide has front ends keep their ``PubSub`` in.
"""

from __future__ import annotations

from pubsub_client._pubsub import PubSub
from pubsub_client._states import ConnectionState
from pubsub_client.exceptions import ConfigurationError

_shared: list[PubSub] = []


def configure(pubsub: PubSub) -> None:
    """Make a client the one that :func:`get` returns everywhere; it need not be connected.

        >>> configure(PubSub(AwsIot.from_outputs(outputs, session)))
        >>> await get().publish("orders/1", {"state": "packed"})
        >>> await get().close()

    Raises:
        ConfigurationError: the client of before is not closed.
    """
    if any(before.state is not ConnectionState.CLOSED for before in _shared):
        raise ConfigurationError("a client is configured and not closed: close it before another takes its place")
    _shared[:] = [pubsub]


def get() -> PubSub:
    """Return the client that was configured; it connects in the background, at the first call.

    Whoever calls :func:`configure` closes it at the end, ``await get().close()``; a later call connects again. To
    learn at once when there is no connection, ``await get().connect()``.

    Raises:
        ConfigurationError: nothing is configured, or there is no running event loop.
    """
    if not _shared:
        raise ConfigurationError("no client is configured: call configure(PubSub(provider)) once, before get()")
    (pubsub,) = _shared
    pubsub.start()
    return pubsub
