"""Delays when changes of AWS IoT policies and their attachments act, if a delay was set."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Target(NamedTuple):
    """An identity or certificate that a policy is attached to, in its account and region."""

    account_id: str
    region: str
    target: str


@dataclass(frozen=True)
class _Change:
    acts_at: float
    before: str | None


class Propagation:
    """Changes of policies and attachments act after a delay.

    AWS IoT caches policies, so that changes take 6 to 8 minutes to act.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._changes: dict[Target, dict[str, list[_Change]]] = {}

    @property
    def seconds(self) -> float:
        """The delay; 0 for none."""
        return self._seconds

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        """Set the delay of later changes; earlier ones act now."""
        self._seconds = seconds
        self._changes = {}

    def changed(self, policy_name: str, before: Mapping[Target, str], after: Mapping[Target, str]) -> None:
        """Record a policy's targets and their documents before and after a change."""
        if not self._seconds:
            return
        acts_at = self._clock() + self._seconds
        for target in before.keys() | after.keys():
            if before.get(target) != after.get(target):
                changes = self._changes.setdefault(target, defaultdict(list))
                changes[policy_name].append(_Change(acts_at, before.get(target)))

    def acting(self, target: Target, attached: Mapping[str, str]) -> dict[str, str]:
        """Return the documents that act on a target, by policy name, given those attached to it."""
        acting = dict(attached)
        now = self._clock()
        for policy_name, changes in self._changes.get(target, {}).items():
            changes[:] = [each for each in changes if each.acts_at > now]
            if not changes:
                continue
            acting.pop(policy_name, None)
            if changes[0].before is not None:
                acting[policy_name] = changes[0].before
        return acting


PROPAGATION = Propagation()
"""This cloud's."""
