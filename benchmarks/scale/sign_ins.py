"""How many sign-ins a second AWS's quotas let through, and which of them binds first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from local_cloud.faults.quotas import AWS_QUOTAS, Quota


@dataclass(frozen=True)
class Path:
    """The calls that something makes which have a quota, and how many of each."""

    name: str
    calls: Mapping[str, float]

    def calls_of(self, quota: Quota) -> float:
        """Return how many calls that have this quota."""
        return sum(self.calls.get(operation, 0) for operation in quota.operations)


# Amplify signs in with SRP, and asks anew for identity and credentials.
_FRONT_END = {
    "cognito-idp:InitiateAuth": 1,
    "cognito-idp:RespondToAuthChallenge": 1,
    "cognito-identity:GetId": 1,
    "cognito-identity:GetCredentialsForIdentity": 1,
}
# lambdas/attachment/chain.py
_CHAIN = {
    "cognito-idp:AdminInitiateAuth": 1,
    "cognito-idp:AdminRespondToAuthChallenge": 1,
    "cognito-identity:GetId": 1,
    "iot:AttachPolicy": 1,
    "cognito-idp:AdminUpdateUserAttributes": 1,
}

FIRST = Path("first sign-in", Counter(_FRONT_END) + Counter(_CHAIN))
REPEAT = Path("repeat sign-in", _FRONT_END)
CONNECT = Path("connect, one API call each", {"iot:AttachPolicy": 1})
PATHS = (FIRST, REPEAT, CONNECT)


@dataclass(frozen=True)
class Bound:
    """What a quota lets through.

    Attributes:
        quota: the quota.
        per_second: how many times a second the path can be gone.
    """

    quota: Quota
    per_second: float


def bounds(path: Path) -> list[Bound]:
    """Return what every quota on the path lets through, the one that binds first at the front."""
    found = [Bound(quota, quota.per_second / calls) for quota in AWS_QUOTAS if (calls := path.calls_of(quota))]
    return sorted(found, key=lambda bound: bound.per_second)


def mixed(first_share: float) -> Path:
    """Return an average sign-in, of which so many are first ones."""
    calls = {
        operation: first_share * FIRST.calls.get(operation, 0) + (1 - first_share) * REPEAT.calls.get(operation, 0)
        for operation in FIRST.calls
    }
    return Path("sign-in", calls)
