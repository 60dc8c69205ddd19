"""The identity providers whose users get the policy. An adopted identity pool can have providers of other applications.

Cognito names a provider alike in an identity's logins and in the ``amr`` of its credentials, for example
``cognito-idp.<region>.amazonaws.com/<user pool id>``:
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
        names: comma-separated. Empty for the deployment's own identity pool: all signed-in users get the policy.
    """

    def __init__(self, names: str) -> None:
        self._names = frozenset(names.split(",")) - {""}

    def include(self, providers: Iterable[str]) -> bool:
        """Return whether a user who signed in with these providers gets the policy."""
        return not self._names or not self._names.isdisjoint(providers)
