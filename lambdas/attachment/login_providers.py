"""The identity providers whose users get the policy. An adopted identity pool can have others, of other applications.

An identity's logins and the ``amr`` of its credentials use the same names, for example
``cognito-idp.<region>.amazonaws.com/<user pool id>``:
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_IdentityDescription.html
https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
"""

from __future__ import annotations

from collections.abc import Iterable


class LoginProviders:
    """The identity providers whose users get the policy.

    Args:
        names: comma-separated; empty if every signed-in user gets the policy, as in the deployment's own identity pool.
    """

    def __init__(self, names: str) -> None:
        self._names = frozenset(names.split(",")) - {""}

    def include(self, providers: Iterable[str]) -> bool:
        """Return whether a user who signed in with these providers gets the policy."""
        return not self._names or not self._names.isdisjoint(providers)
