"""The sweep over every identity of a deployment, as an operator starts it and sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Sweep:
    """How far a sweep has come, as its state machine tells it."""

    full: bool = True
    """Whether it looks at every identity, and not only at those changed since the last one."""
    dry_run: bool = False
    resumed: bool = False
    """It has gone on where an interrupted one had stopped."""
    listed: int = 0
    guests: int = 0
    other_providers: int = 0
    """Users of identity providers that the setting ``adopt.otherProviders`` does not name."""
    unchanged: int = 0
    already_attached: int = 0
    attached: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    """How many AWS IoT refused, by its error code."""
    queued: int = 0
    """Users given to the retry queue's worker."""
    ended: str | None = None
    """``completed``, ``already-running`` or ``paused``; None while it is under way."""

    @classmethod
    def of(cls, progress: Mapping[str, Any]) -> Self:
        """Read what a step of the state machine has returned."""
        known = {name: progress[name] for name in cls.__dataclass_fields__ if name in progress}
        return cls(**known, full=progress["changed_since"] is None)

    def as_members(self) -> dict[str, Any]:
        """Return what the JSON document says of it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
