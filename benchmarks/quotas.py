"""AWS's default quotas in a region for the operations of sign-ins and sweeps.

https://docs.aws.amazon.com/general/latest/gr/iot-core.html
https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html

Not included: ten sign-in calls per second for each user, and increases for large user pools.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """A rate that operations share.

    Attributes:
        name: the name in Service Quotas.
        operations: the operations that this toolkit calls.
        per_second: calls per second of all these operations together.
        is_adjustable: whether AWS raises it on request.
    """

    name: str
    operations: tuple[str, ...]
    per_second: float
    is_adjustable: bool = True


def _iot(name: str, per_second: float) -> Quota:
    return Quota(f"{name} API TPS", (f"iot:{name}",), per_second)


def _identity_pools(name: str, per_second: float) -> Quota:
    """Return a quota of identity pools; it is higher in some regions."""
    return Quota(f"Rate of {name} requests", (f"cognito-identity:{name}",), per_second)


def _user_pools(category: str, per_second: float, *operations: str, is_adjustable: bool = True) -> Quota:
    names = tuple(f"cognito-idp:{operation}" for operation in operations)
    return Quota(f"Rate of {category} requests", names, per_second, is_adjustable)


_USER_AUTHENTICATION = 120

AWS_QUOTAS = (
    _iot("AttachPolicy", 15),
    _iot("ListTargetsForPolicy", 10),
    _identity_pools("GetId", 25),
    _identity_pools("GetCredentialsForIdentity", 200),
    _identity_pools("ListIdentities", 5),
    _user_pools("UserAuthentication", _USER_AUTHENTICATION, "InitiateAuth", "AdminInitiateAuth"),
    # Answers to challenges have three times the rate of their category, separately.
    _user_pools(
        "UserAuthentication", 3 * _USER_AUTHENTICATION, "RespondToAuthChallenge", "AdminRespondToAuthChallenge"
    ),
    # Also of 14 operations that this toolkit does not call.
    _user_pools("UserUpdate", 25, "AdminUpdateUserAttributes", is_adjustable=False),
)


def quota_of(operation: str) -> Quota:
    """Return the quota of an operation such as ``iot:AttachPolicy``."""
    return next(quota for quota in AWS_QUOTAS if operation in quota.operations)
