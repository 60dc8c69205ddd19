"""How far an IoT policy has left its targets, and what comes after each round over them.

Without a successor each round detaches, until one finds no target. With one, nobody may be without a policy that acts:
the first round attaches the successor to every target and detaches nobody; then time goes by, for AWS IoT takes some
minutes to act on it; the rounds after it detach a target that has the successor, and attach it to one that has not,
which keeps the policy until a later round.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from attachment.switch import KEEP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

ATTACHED, CURRENT, DETACHED, ABSENT = "attached", "current", "detached", "absent"
"""What a target has come to in a round: it got the successor, had it already, lost the policy, or never had it."""

# What has read the switch just before it was turned off attaches for as long as it keeps that, and is then under way.
_UNDER_WAY_SECONDS = 15.0
_MOST_RESTARTS = 10


class CannotLeaveError(Exception):
    """The policy stays on targets that AWS IoT refuses to change; the message has their number, and its error code."""


@dataclass
class Leaving:
    """A policy's leaving, from its first step to its last. Nothing in it tells whose identities they are."""

    attaching: bool
    """This round attaches the successor and detaches nobody."""
    turned_off_at: float | None = None
    """When attaching was turned off for everything else, in Unix seconds; None leaves it as it is."""
    token: str | None = None
    """AWS IoT's for the round's next page."""
    found: int = 0
    """Targets in this round."""
    kept: int = 0
    """Of these, those that keep the policy for another round."""
    failed: dict[str, int] = field(default_factory=dict)
    """Of these, those that AWS IoT refuses to change, by its error code."""
    attached: int = 0
    """In all rounds: targets that got the successor."""
    detached: int = 0
    """In all rounds: targets that the policy is off."""
    rests_until: float = 0.0
    """When the next round may begin, in Unix seconds."""
    restarts: int = 0
    """How often AWS IoT has refused the token, so that a round began again."""

    @classmethod
    def of_progress(cls, progress: Mapping[str, Any]) -> Leaving:
        """Read what an earlier step, maybe of an older version, has returned."""
        return cls(**{each.name: progress[each.name] for each in fields(cls) if each.name in progress})

    def as_progress(self) -> dict[str, Any]:
        """Return it for the state machine."""
        return asdict(self)

    def take_note(self, outcomes: Mapping[str, int], next_token: str | None) -> None:
        """Count what a page has come to; the round goes on behind it."""
        settled = Counter(outcomes)
        del settled[ABSENT]
        self.found += settled.total()
        attached, detached = settled.pop(ATTACHED, 0), settled.pop(DETACHED, 0)
        self.kept += attached + settled.pop(CURRENT, 0)
        self.attached += attached
        self.detached += detached
        self.failed = dict(Counter(self.failed) + settled)
        self.token = next_token

    def begin_round_again(self) -> None:
        """Go back to the top, after AWS IoT has refused the token.

        Raises:
            CannotLeaveError: it has done so again and again.
        """
        if self.restarts == _MOST_RESTARTS:
            raise CannotLeaveError("ListTargetsForPolicy refuses its own tokens")
        self._begin_round(restarts=self.restarts + 1)

    def end_round(self, *, now: float, propagation_seconds: float) -> bool:
        """Begin the next round after one over all targets; see :attr:`rests_until`.

        Args:
            now: Unix seconds.
            propagation_seconds: how long AWS IoT may take to act on an attachment.

        Returns:
            Whether there is anything left to do.

        Raises:
            CannotLeaveError: all that is left is what AWS IoT refuses to change.
        """
        found, kept, refused = self.found, self.kept, sum(self.failed.values())
        if found == 0:
            quiet_at = now if self.turned_off_at is None else self.turned_off_at + KEEP_SECONDS + _UNDER_WAY_SECONDS
            self.rests_until = quiet_at
            return now < quiet_at
        if found == refused and not self.attaching:
            raise CannotLeaveError("; ".join(f"{count} x {code}" for code, count in self.failed.items()))
        self.attaching = False
        self._begin_round(restarts=self.restarts)
        self.rests_until = now + propagation_seconds if kept else now
        return True

    def _begin_round(self, *, restarts: int) -> None:
        self.restarts = restarts
        self.token = None
        self.found = self.kept = 0
        self.failed = {}
