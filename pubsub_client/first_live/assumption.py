"""One assumption about AWS, and what tells whether it is true."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping  # noqa: TC003 - dataclasses keep it
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

_FILE = "assumptions.toml"


@dataclass(frozen=True)
class Assumption:
    """Something that could only be reasoned about.

    Args:
        number: its number, which stays.
        text: what is assumed.
        basis: where it comes from.
        told_by: what tells, in words: the checks, and what people have to do.
        only_with: the settings or the place without which it does not matter; None if it always does.
        confirmed_by: the checks that would not all pass were it false, by id, each with a pattern that is in what it
            says.
        refuted_by: the checks that all say so only if it is false, passed or not, by id, each with a pattern too.
        partly_by: ids of checks that tell a part of it.
    """

    number: int
    text: str
    basis: str
    told_by: str
    only_with: str | None = None
    confirmed_by: Mapping[str, str] = field(default_factory=dict)
    refuted_by: Mapping[str, str] = field(default_factory=dict)
    partly_by: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[str, ...]:
        """The ids of all checks that say something of it."""
        return tuple(dict.fromkeys([*self.confirmed_by, *self.refuted_by, *self.partly_by]))


@cache
def assumptions() -> tuple[Assumption, ...]:
    """Return every assumption, by number."""
    tables = tomllib.loads(files(__package__).joinpath(_FILE).read_text(encoding="utf-8"))["assumption"]
    return tuple(Assumption(**{**table, "partly_by": tuple(table.get("partly_by", ()))}) for table in tables)
