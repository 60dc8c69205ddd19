"""What AWS does and ministack does not: each behaviour is one module here, added to ministack before it serves.

A module has a docstring that names AWS's documentation, and a function ``install()``. ``install()`` takes hold of
ministack's internals by name and raises ``AttributeError`` when they have moved, so that the server does not start with a
behaviour silently missing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

BEHAVIOURS = (
    "managed_policies",
    "denial_reason",
    "signed_upgrade",
    "iot_policies",
    "mqtt31",
    "guest_access",
    "delete_identities",
    "client_attributes",
    "post_authentication",
)
"""The behaviours in the order they are installed."""


def install(without: Collection[str] = ()) -> None:
    """Install every behaviour but those named in ``without``.

    Raises:
        AttributeError: this ministack lacks something a behaviour builds on.
        ValueError: ``without`` names what is no behaviour.
    """
    if unknown := sorted(set(without) - set(BEHAVIOURS)):
        raise ValueError(f"no such behaviour: {', '.join(unknown)}; there are {', '.join(BEHAVIOURS)}")
    for name in BEHAVIOURS:
        if name not in without:
            importlib.import_module(f"local_cloud.behaviours.{name}").install()
