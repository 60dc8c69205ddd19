"""A user pool that is not case sensitive finds users by name, e-mail address or preferred name in any case.

ministack stores ``UsernameConfiguration``, but compares the exact case. Users whose names differ only in case can be
created here.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-case-sensitivity.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPool.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ministack.services import cognito

_CASELESS_ALIASES = ("email", "preferred_username")


def install() -> None:
    """Try names in other cases if ministack finds no user."""
    resolve = cognito._resolve_user

    def resolve_user(pool: dict[str, Any], username: str | None) -> Any:
        found = resolve(pool, username)
        if found[0] is None and username and _is_caseless(pool):
            # ministack resolves each again, because an alias counts only if it is verified.
            others = (resolve(pool, spelling) for spelling in _spellings(pool, username))
            return next((other for other in others if other[0] is not None), found)
        return found

    cognito._resolve_user = resolve_user


def _is_caseless(pool: dict[str, Any]) -> bool:
    return not (pool.get("UsernameConfiguration") or {}).get("CaseSensitive", True)


def _spellings(pool: dict[str, Any], username: str) -> Iterator[str]:
    """Yield the names and aliases of users that differ from this name only in case."""
    for name, user in list(pool["_users"].items()):
        attributes = cognito._attr_list_to_dict(user["Attributes"])
        for known in (name, *(attributes.get(alias) for alias in _CASELESS_ALIASES)):
            if known and known != username and known.casefold() == username.casefold():
                yield known
