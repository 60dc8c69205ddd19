"""The record of what runs on AWS have told: for each assumption the observations, none of which is overwritten."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from pubsub_client.first_live.assumption import assumptions
from pubsub_client.first_live.verdict import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pubsub_client.first_live.assumption import Assumption
    from pubsub_client.first_live.verdict import Verdict

_KIND, _SCHEMA = "pubsub first live deploy", 1
_TELLING = (State.CONFIRMED, State.REFUTED)


class NotARecordError(Exception):
    """The text is no record, or one of another version; the message says why."""


@dataclass(frozen=True)
class Occasion:
    """When and where a run was made.

    Args:
        date: the time in UTC, as ISO 8601 has it.
        cloud: ``AWS``, or ``the embedded cloud``.
        region: the region.
        partition: its partition.
        stack: the stack that was looked at.
        version: the version of this toolkit.
    """

    date: str
    cloud: str
    region: str
    partition: str
    stack: str
    version: str


@dataclass(frozen=True)
class Observation(Occasion):
    """What a run said of an assumption.

    Args:
        state: what is known by it.
        checks: the statuses of the checks that it rests on, by id.
        reason: what they said.
    """

    state: State
    checks: Mapping[str, str]
    reason: str

    @property
    def place(self) -> tuple[str, str]:
        """Of which deployment it speaks."""
        return self.region, self.stack

    @classmethod
    def read(cls, members: Any) -> Self:
        """Read what :meth:`Record.text` has written.

        Raises:
            TypeError, ValueError: it is something else.
        """
        found = cls(**{**members, "state": State(members["state"])})
        texts = [getattr(found, each.name) for each in fields(cls) if each.name != "checks"]
        if not all(isinstance(each, str) for each in [*texts, *found.checks, *found.checks.values()]):
            raise TypeError("a member is no text")
        return found


@dataclass(frozen=True)
class Record:
    """What is known of every assumption.

    Args:
        observations: by the number of the assumption, oldest first.
    """

    observations: Mapping[int, tuple[Observation, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a record.

        Raises:
            NotARecordError: it is none.
        """
        try:
            document = json.loads(text)
            if (document["record"], document["schema"]) != (_KIND, _SCHEMA):
                raise NotARecordError(f"it is no record of schema {_SCHEMA}")
            observations = {
                row["number"]: tuple(Observation.read(each) for each in row["observations"])
                for row in document["assumptions"]
            }
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise NotARecordError("it was not written by --record") from error
        if unknown := observations.keys() - {each.number for each in assumptions()}:
            numbers = ", ".join(sorted(str(each) for each in unknown))
            raise NotARecordError(f"this version knows no assumption {numbers}: use the version that wrote it")
        return cls(observations)

    def with_run(self, occasion: Occasion, verdicts: Mapping[int, Verdict]) -> Record:
        """Return the record with what a run said besides.

        What was confirmed or refuted stays, with its date and place; the same of the same deployment once more adds
        nothing. Of runs that told nothing the last alone is kept.
        """
        added = {
            number: Observation(**asdict(occasion), state=verdict.state, checks=verdict.checks, reason=verdict.reason)
            for number, verdict in verdicts.items()
        }
        return Record({number: _merged(self.observations.get(number, ()), new) for number, new in added.items()})

    def state(self, number: int) -> State:
        """Return what is known of an assumption: refuted once is refuted until somebody has looked into it."""
        states = [each.state for each in self.observations.get(number, ())]
        known = (each for each in (State.REFUTED, State.CONFIRMED, *reversed(states)) if each in states)
        return next(known, State.NOT_TESTED)

    def telling(self, number: int) -> tuple[Observation, ...]:
        """Return the observations that confirm or refute an assumption, oldest first."""
        return tuple(each for each in self.observations.get(number, ()) if each.state in _TELLING)

    @property
    def counts(self) -> Mapping[State, int]:
        """How many assumptions are in which state."""
        counts = Counter(self.state(each.number) for each in assumptions())
        return {state: counts[state] for state in State}

    def text(self) -> str:
        """Return the record as JSON."""
        document = {
            "record": _KIND,
            "schema": _SCHEMA,
            "counts": self.counts,
            "assumptions": [self._row(each) for each in assumptions()],
        }
        return json.dumps(document, indent=2) + "\n"

    def _row(self, assumption: Assumption) -> dict[str, Any]:
        return {
            "number": assumption.number,
            "assumption": assumption.text,
            "only_with": assumption.only_with,
            "state": self.state(assumption.number),
            "told_by": assumption.told_by,
            "observations": [asdict(each) for each in self.observations.get(assumption.number, ())],
        }


def _merged(before: tuple[Observation, ...], new: Observation) -> tuple[Observation, ...]:
    telling = tuple(each for each in before if each.state in _TELLING)
    of_place = [each.state for each in telling if each.place == new.place]
    return telling if of_place[-1:] == [new.state] else (*telling, new)
