"""Applies suggested changes to a policy document, and shows what another user may gain from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pubsub_cli.iam.request import ANY_CLIENT_ID, SOME_LEVEL, Request


def with_changes(document: dict[str, Any], changes: Iterable[object]) -> dict[str, Any]:
    """Apply the changes as their reader would."""
    changed = {**document, "Statement": [*document["Statement"]]}
    for each in map(str, changes):
        if each.startswith("Add to "):
            changed["Statement"] += json.loads(f"[{each.partition(': ')[2]}]")
        elif each.startswith("Set "):
            changed["Version"] = "2012-10-17"
    return changed


def is_needed(gained: Request, denied: Iterable[Request], identity_id: str, other_identity_id: str) -> bool:
    """Return whether another user's gained request is one that the first user was denied, with the other's identity id.

    A level of a topic filter and a random client id can vary.
    """
    needed = [(each.action, each.resource.replace(identity_id, other_identity_id)) for each in denied]
    if (gained.action, gained.resource) in needed:
        return True
    wild = [
        resource.partition(SOME_LEVEL if SOME_LEVEL in resource else ANY_CLIENT_ID)[0]
        for action, resource in needed
        if action == gained.action and (SOME_LEVEL in resource or ANY_CLIENT_ID in resource)
    ]
    return any(gained.resource.startswith(each) for each in wild)
