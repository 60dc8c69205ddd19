"""Environments that are known by the beginning of their names alone: ``pr-*`` for ``pr-1``, ``pr-2`` and so on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import pairwise

# One character less than a name may have, so that there is one for the * to stand for.
_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,30}\*")


def is_pattern(key: str) -> bool:
    """Tell whether a key of ``environments`` stands for many names."""
    return _PATTERN.fullmatch(key) is not None


def example_of(key: str) -> str:
    """Return a name that the key stands for: a name stands for itself."""
    return f"{key[:-1]}x" if is_pattern(key) else key


def key_for(name: str, keys: Collection[str]) -> str | None:
    """Return the key whose settings hold for an environment: its name, or else the pattern; None if there is none.

    The ``*`` of a pattern stands for one character or more.
    """
    if name in keys:
        return name
    patterns = (key for key in keys if is_pattern(key))
    return next((key for key in patterns if name.startswith(key[:-1]) and len(name) >= len(key)), None)


def overlapping(keys: Iterable[str]) -> tuple[str, str] | None:
    """Return two patterns that stand for the same names, if there are any."""
    # In the order of what they begin with, whatever begins as another does comes right behind one that it overlaps.
    beginnings = sorted(key[:-1] for key in keys if is_pattern(key))
    return next(
        ((f"{first}*", f"{second}*") for first, second in pairwise(beginnings) if second.startswith(first)), None
    )
