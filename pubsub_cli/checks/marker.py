"""The marker as the checks meet it: a user attribute that says what is attached to which identity id, since when."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pubsub_client.outputs import MARKER_ATTRIBUTE

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import AttributeTypeTypeDef

ATTRIBUTE = f"custom:{MARKER_ATTRIBUTE}"
"""The attribute's name in Cognito's calls."""


@dataclass(frozen=True)
class Marker:
    """What the attribute begins with (the stack's output), the identity id, and since when."""

    fingerprint: str
    identity_id: str
    attached_at: int
    """Unix seconds."""

    @classmethod
    def of(cls, attributes: Sequence[AttributeTypeTypeDef]) -> Self | None:
        """Return the marker among a user's attributes; None if there is none, or one that the trigger cannot read.

        The rules are those of ``lambdas/attachment/marker.py``, and both are tested with ``tests/markers.py``.
        """
        values = {each["Name"]: each.get("Value", "") for each in attributes}
        fingerprint, _, rest = values.get(ATTRIBUTE, "").partition("/")
        identity_id, _, attached_at = rest.partition("/")
        if not (fingerprint and identity_id and attached_at.isascii() and attached_at.isdigit()):
            return None
        return cls(fingerprint, identity_id, int(attached_at))

    @classmethod
    def now(cls, fingerprint: str, identity_id: str) -> Self:
        """Return the marker of an attachment made now."""
        return cls(fingerprint, identity_id, int(time.time()))

    def __str__(self) -> str:
        """Return the attribute's value."""
        return f"{self.fingerprint}/{self.identity_id}/{self.attached_at}"
