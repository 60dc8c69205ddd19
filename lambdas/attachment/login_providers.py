"""Whose users get the policy in an adopted identity pool, which may have identity providers of other applications.

A name of a provider is what Amazon Cognito calls it in an identity's logins and in the ``amr`` of its credentials, such
as ``cognito-idp.<region>.amazonaws.com/<user pool id>``:
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_IdentityDescription.html
https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class LoginProviders:
    """The identity providers whose users get the policy.

    Args:
        names: their names, separated by commas. Empty for the deployment's own identity pool, whose signed-in users all
            get it.
    """

    def __init__(self, names: str) -> None:
        self._names = frozenset(names.split(",")) - {""}

    def include(self, providers: Iterable[str]) -> bool:
        """Tell whether a user who has signed in with these providers gets the policy."""
        return not self._names or not self._names.isdisjoint(providers)
