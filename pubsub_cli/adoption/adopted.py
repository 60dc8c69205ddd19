"""What is adopted."""

from __future__ import annotations

from dataclasses import dataclass


class AdoptionError(Exception):
    """What is to be adopted is not there, is ambiguous, or contradicts itself; one line says what to do."""


@dataclass(frozen=True)
class Adopted:
    """What is adopted, whole or in part.

    Args:
        user_pool_id: the user pool.
        user_pool_client_ids: its app clients whose users may use PubSub, the front end's first.
        identity_pool_id: the identity pool.
        auth_role_arn: its role of signed-in users.
        group_role_arns: the other roles that it gives to signed-in users.
    """

    user_pool_id: str | None = None
    user_pool_client_ids: tuple[str, ...] = ()
    identity_pool_id: str | None = None
    auth_role_arn: str | None = None
    group_role_arns: tuple[str, ...] = ()

    def or_else(self, found: Adopted) -> Adopted:
        """Return the same, with what was found where nothing is said here. A role that is named names all."""
        return Adopted(
            self.user_pool_id or found.user_pool_id,
            self.user_pool_client_ids or found.user_pool_client_ids,
            self.identity_pool_id or found.identity_pool_id,
            self.auth_role_arn or found.auth_role_arn,
            self.group_role_arns if self.auth_role_arn else self.group_role_arns or found.group_role_arns,
        )

    @property
    def role_arns(self) -> tuple[str, ...]:
        """Every role that signed-in users may get."""
        return (*((self.auth_role_arn,) if self.auth_role_arn else ()), *self.group_role_arns)
