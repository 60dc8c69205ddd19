"""In a user pool that is not case sensitive, a user is found by name, e-mail address or preferred name in any case.

ministack keeps ``UsernameConfiguration`` and goes by the exact case. The user's own name stays as it was given first,
and nobody else can be made under another case of it.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-case-sensitivity.html
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPool.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ministack.services import cognito

Operation = Callable[[dict[str, Any]], Any]

_CASELESS_ALIASES = ("email", "preferred_username")


def install() -> None:
    """Look for another case where ministack finds nobody, and before it makes a user."""
    resolve = cognito._resolve_user

    def resolve_user(pool: dict[str, Any], username: str | None) -> Any:
        found = resolve(pool, username)
        if found[0] is None and username and _is_caseless(pool):
            # ministack decides again for each: an alias counts only if it is verified.
            others = (resolve(pool, spelling) for spelling in _spellings(pool, username))
            return next((other for other in others if other[0] is not None), found)
        return found

    cognito._resolve_user = resolve_user
    cognito._admin_create_user = _under_the_name_known(cognito._admin_create_user)
    cognito._sign_up = _under_the_name_known(cognito._sign_up)


def _is_caseless(pool: dict[str, Any]) -> bool:
    """Tell whether case does not matter; it does unless the pool says otherwise."""
    return not (pool.get("UsernameConfiguration") or {}).get("CaseSensitive", True)


def _spellings(pool: dict[str, Any], username: str) -> Iterator[str]:
    """Yield the names and aliases of the pool's users that differ from this name in case alone."""
    for name, user in list(pool["_users"].items()):
        attributes = cognito._attr_list_to_dict(user["Attributes"])
        for known in (name, *(attributes.get(alias) for alias in _CASELESS_ALIASES)):
            if known and known != username and known.casefold() == username.casefold():
                yield known


def _under_the_name_known(operation: Operation) -> Operation:
    """Let ministack see the name in the case that is taken already, so that it refuses it."""

    def named_as_known(data: dict[str, Any]) -> Any:
        pool = cognito._user_pools.get(data.get("UserPoolId")) or cognito._pool_for_client(data.get("ClientId"))[0]
        if pool and _is_caseless(pool):
            wanted = data.get("Username", "")
            taken = (name for name in pool["_users"] if name.casefold() == wanted.casefold())
            data = data | {"Username": next(taken, wanted)}
        return operation(data)

    return named_as_known
