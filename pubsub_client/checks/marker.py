"""The marker as the checks meet it: a user attribute that says what is attached to which identity id, since when."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pubsub_client.outputs import MARKER_ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_boto3_cognito_idp.type_defs import AttributeTypeTypeDef

ATTRIBUTE = f"custom:{MARKER_ATTRIBUTE}"
"""The attribute's name in Cognito's calls."""


@dataclass(frozen=True)
class Marker:
    """What the attribute begins with (the stack's output), and the identity id."""

    fingerprint: str
    identity_id: str

    @classmethod
    def of(cls, attributes: Sequence[AttributeTypeTypeDef]) -> Self | None:
        """Return the marker among a user's attributes; None if there is none."""
        values = {each["Name"]: each.get("Value", "") for each in attributes}
        parts = values.get(ATTRIBUTE, "").split("/")
        return cls(parts[0], parts[1]) if len(parts) > 1 else None

    def value_now(self) -> str:
        """Return the attribute's value for an attachment made now."""
        return f"{self.fingerprint}/{self.identity_id}/{int(time.time())}"
