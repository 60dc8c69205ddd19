"""Pages of a list. A token contains its page's last key, so changes between pages neither skip nor repeat others."""

from __future__ import annotations

import base64
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


class TokenError(Exception):
    """The token was not issued for this list."""


@dataclass(frozen=True)
class Page:
    """Sorted keys, and the token of the next page if there is one."""

    keys: list[str]
    next_token: str | None


class SortedKeys:
    """A sorted set of keys for several threads. It replaces a list in ministack, hence ``append``."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = sorted(set(keys))
        self._changing = threading.Lock()

    def append(self, key: str) -> None:
        """Add a key if it is missing."""
        with self._changing:
            place = bisect_left(self._keys, key)
            if not self._is_at(place, key):
                self._keys.insert(place, key)

    def remove(self, key: str) -> None:
        """Remove a key if it is there."""
        with self._changing:
            place = bisect_left(self._keys, key)
            if self._is_at(place, key):
                del self._keys[place]

    def page(self, owner: str, token: str | None, size: int) -> Page:
        """Return the keys after a token's page, or the first ones without a token.

        Args:
            owner: the list's owner; tokens of another owner are rejected.
            token: the token of the previous page.
            size: the maximum number of keys.

        Raises:
            TokenError: the token is not this owner's.
        """
        last = _last_key(owner, token) if token is not None else ""
        with self._changing:
            place = bisect_right(self._keys, last)
            keys = self._keys[place : place + size]
            more = place + size < len(self._keys)
        return Page(keys, _token(owner, keys[-1]) if more else None)

    def __deepcopy__(self, _memo: object) -> SortedKeys:
        return SortedKeys(self)  # the lock cannot be copied

    def __contains__(self, key: str) -> bool:
        with self._changing:
            return self._is_at(bisect_left(self._keys, key), key)

    def __iter__(self) -> Iterator[str]:
        with self._changing:
            return iter(self._keys.copy())

    def __len__(self) -> int:
        return len(self._keys)

    def _is_at(self, place: int, key: str) -> bool:
        return place < len(self._keys) and self._keys[place] == key


def _token(owner: str, last_key: str) -> str:
    return base64.b64encode(f"{owner}\n{last_key}".encode()).decode()


def _last_key(owner: str, token: str) -> str:
    try:
        of, separator, key = base64.b64decode(token, validate=True).decode().partition("\n")
    except ValueError as error:
        raise TokenError from error
    if (of, separator) != (owner, "\n"):
        raise TokenError
    return key
