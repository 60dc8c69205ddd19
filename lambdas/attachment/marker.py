"""The marker: a user attribute which records that the IoT policy is attached to the user's identity.

The trigger's event contains it, so a repeat sign-in needs no AWS call. The marker is only a cache. It expires, and
another identity pool, policy name or policy generation changes the fingerprint, which invalidates every marker.
"""

from __future__ import annotations

from dataclasses import dataclass

_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Marker:
    """One attachment: the fingerprint of what was attached, the identity id, and the time in Unix seconds."""

    fingerprint: str
    identity_id: str
    attached_at: int

    def __str__(self) -> str:
        """Return the attribute's value."""
        return f"{self.fingerprint}/{self.identity_id}/{self.attached_at}"

    @classmethod
    def parse(cls, value: str) -> Marker | None:
        """Parse an attribute's value; return None for anything that :meth:`__str__` cannot produce."""
        fingerprint, _, rest = value.partition("/")
        identity_id, _, attached_at = rest.partition("/")
        if not (fingerprint and identity_id and attached_at.isascii() and attached_at.isdigit()):
            return None
        return cls(fingerprint, identity_id, int(attached_at))

    def is_current(self, fingerprint: str, now: float, days: int) -> bool:
        """Return whether the marker has this fingerprint and was set within the last ``days``."""
        age = now - self.attached_at
        return self.fingerprint == fingerprint and 0 <= age < days * _SECONDS_PER_DAY
