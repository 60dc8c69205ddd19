"""A user pool that is not case sensitive finds users by name, e-mail address or preferred name in any case.

ministack stores ``UsernameConfiguration``, but compares the exact case. The user name stays as it was created, and is
taken in every case.
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
    """Look for other cases if ministack finds no user, and before it creates one."""
    resolve = cognito._resolve_user

    def resolve_user(pool: dict[str, Any], username: str | None) -> Any:
        found = resolve(pool, username)
        if found[0] is None and username and _is_caseless(pool):
            # ministack resolves each again, because an alias counts only if it is verified.
            others = (resolve(pool, spelling) for spelling in _spellings(pool, username))
            return next((other for other in others if other[0] is not None), found)
        return found

    cognito._resolve_user = resolve_user
    cognito._admin_create_user = _with_existing_name(cognito._admin_create_user)
    cognito._sign_up = _with_existing_name(cognito._sign_up)


def _is_caseless(pool: dict[str, Any]) -> bool:
    return not (pool.get("UsernameConfiguration") or {}).get("CaseSensitive", True)


def _spellings(pool: dict[str, Any], username: str) -> Iterator[str]:
    """Yield the names and aliases of users that differ from this name only in case."""
    for name, user in list(pool["_users"].items()):
        attributes = cognito._attr_list_to_dict(user["Attributes"])
        for known in (name, *(attributes.get(alias) for alias in _CASELESS_ALIASES)):
            if known and known != username and known.casefold() == username.casefold():
                yield known


def _with_existing_name(operation: Operation) -> Operation:
    """Pass the name in the case that exists already, so that ministack rejects it."""

    def with_existing_name(data: dict[str, Any]) -> Any:
        pool = cognito._user_pools.get(data.get("UserPoolId")) or cognito._pool_for_client(data.get("ClientId"))[0]
        if pool and _is_caseless(pool):
            wanted = data.get("Username", "")
            taken = (name for name in pool["_users"] if name.casefold() == wanted.casefold())
            data = data | {"Username": next(taken, wanted)}
        return operation(data)

    return with_existing_name
