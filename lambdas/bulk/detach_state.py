"""The progress of a bulk detachment, and when its next round over the targets starts.

Without a replacement, each round detaches all targets, until a round finds none. With a replacement, every identity
must always have an effective policy. So the first round only attaches the replacement. Then the state machine waits,
because AWS IoT takes minutes to apply an attachment. Later rounds detach targets that have the replacement. A target
without the replacement gets it, and keeps the old policy until a later round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from attachment.parameters import MAX_PAUSE_FLAG_AGE_SECONDS

ATTACHED, CURRENT, DETACHED, ABSENT = "attached", "current", "detached", "absent"
"""Outcomes of a target: it got the replacement, already had it, lost the policy, or did not have the policy."""

# A function that read the pause flag just before it was set can attach until the flag is too old and its calls end.
_IN_FLIGHT_SECONDS = 15.0
_QUIET_SECONDS = MAX_PAUSE_FLAG_AGE_SECONDS + _IN_FLIGHT_SECONDS
_MAX_RESTARTS = 10


class DetachBlockedError(Exception):
    """AWS IoT refuses to change the remaining targets. The message has their number by error code."""


@dataclass
class DetachState:
    """The state of a bulk detachment. It never identifies users."""

    attaching: bool
    """This round attaches the replacement and detaches nothing."""
    paused_at: float | None = None
    """When attachment was paused, in Unix seconds; None if it was not."""
    token: str | None = None
    """AWS IoT's token for the next page of this round."""
    found: int = 0
    """Targets in this round."""
    kept: int = 0
    """Targets in this round that keep the policy until a later round."""
    failed: dict[str, int] = field(default_factory=dict)
    """Targets in this round that AWS IoT refused to change, by error code."""
    attached: int = 0
    """Targets in all rounds that got the replacement."""
    detached: int = 0
    """Targets in all rounds that lost the policy."""
    next_round_at: float = 0.0
    """The earliest start of the next round, in Unix seconds."""
    restarts: int = 0
    """How often a round started again because AWS IoT rejected the token."""

    @classmethod
    def from_checkpoint(cls, checkpoint: Mapping[str, Any]) -> DetachState:
        """Read the state of an earlier step, which may be of another version of this code."""
        return cls(**{each.name: checkpoint[each.name] for each in fields(cls) if each.name in checkpoint})

    def to_checkpoint(self) -> dict[str, Any]:
        """Return the state for the state machine."""
        return asdict(self)

    def record(self, outcomes: Mapping[str, int], next_token: str | None) -> None:
        """Add the outcomes of one page; the round continues with the next page."""
        counts = Counter(outcomes)
        del counts[ABSENT]
        self.found += counts.total()
        attached, detached = counts.pop(ATTACHED, 0), counts.pop(DETACHED, 0)
        self.kept += attached + counts.pop(CURRENT, 0)
        self.attached += attached
        self.detached += detached
        self.failed = dict(Counter(self.failed) + counts)
        self.token = next_token

    def restart_round(self) -> None:
        """Start the round again, because AWS IoT rejected the token.

        Raises:
            DetachBlockedError: AWS IoT rejected tokens too often.
        """
        if self.restarts == _MAX_RESTARTS:
            raise DetachBlockedError("ListTargetsForPolicy rejects its own tokens")
        self.restarts += 1
        self._begin_round()

    def end_round(self, *, now: float, propagation_seconds: float) -> bool:
        """End a round over all targets and set :attr:`next_round_at`.

        Args:
            now: Unix seconds.
            propagation_seconds: how long AWS IoT takes to apply an attachment.

        Returns:
            Whether another round is needed.

        Raises:
            DetachBlockedError: AWS IoT refused to change all remaining targets.
        """
        if self.found == 0:
            quiet_at = now if self.paused_at is None else self.paused_at + _QUIET_SECONDS
            self.next_round_at = quiet_at
            return now < quiet_at
        if self.found == sum(self.failed.values()) and not self.attaching:
            raise DetachBlockedError("; ".join(f"{count} x {code}" for code, count in self.failed.items()))
        self.next_round_at = now + propagation_seconds if self.kept else now
        self.attaching = False
        self._begin_round()
        return True

    def _begin_round(self) -> None:
        self.token = None
        self.found = self.kept = 0
        self.failed = {}
