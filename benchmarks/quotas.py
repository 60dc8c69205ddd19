"""AWS's default quotas in a region for the operations that this toolkit calls."""

from __future__ import annotations

from dataclasses import dataclass

_IOT = "https://docs.aws.amazon.com/general/latest/gr/iot-core.html"
_COGNITO = "https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html"


@dataclass(frozen=True)
class Quota:
    """A rate that operations share.

    Attributes:
        name: the name in Service Quotas.
        operations: the operations.
        per_second: calls per second of all these operations together.
        source: the page in AWS's documentation.
        is_adjustable: whether AWS raises it on request.
    """

    name: str
    operations: tuple[str, ...]
    per_second: float
    source: str
    is_adjustable: bool = True


def _iot(name: str, per_second: float) -> Quota:
    return Quota(f"{name} API TPS", (f"iot:{name}",), per_second, _IOT)


def _identity_pools(name: str, per_second: float) -> Quota:
    """Return a quota of identity pools; it is higher in some regions."""
    return Quota(f"Rate of {name} requests", (f"cognito-identity:{name}",), per_second, _COGNITO)


def _user_pools(category: str, per_second: float, *operations: str, is_adjustable: bool = True) -> Quota:
    names = tuple(f"cognito-idp:{operation}" for operation in operations)
    return Quota(f"Rate of {category} requests", names, per_second, _COGNITO, is_adjustable)


_USER_AUTHENTICATION = 120

AWS_QUOTAS = (
    _iot("AttachPolicy", 15),
    _iot("DetachPolicy", 15),
    _iot("ListAttachedPolicies", 15),
    _iot("ListTargetsForPolicy", 10),
    _identity_pools("GetId", 25),
    _identity_pools("GetCredentialsForIdentity", 200),
    _identity_pools("ListIdentities", 5),
    _user_pools("UserAuthentication", _USER_AUTHENTICATION, "InitiateAuth", "AdminInitiateAuth"),
    # Answers to challenges have three times the rate of their category, separately.
    _user_pools(
        "UserAuthentication", 3 * _USER_AUTHENTICATION, "RespondToAuthChallenge", "AdminRespondToAuthChallenge"
    ),
    _user_pools(
        "UserUpdate",
        25,
        "AdminAddUserToGroup",
        "AdminDeleteUser",
        "AdminDeleteUserAttributes",
        "AdminDisableProviderForUser",
        "AdminDisableUser",
        "AdminEnableUser",
        "AdminLinkProviderForUser",
        "AdminRemoveUserFromGroup",
        "AdminUpdateUserAttributes",
        "AdminUserGlobalSignOut",
        "DeleteUser",
        "DeleteUserAttributes",
        "GlobalSignOut",
        "UpdateUserAttributes",
        "VerifyUserAttribute",
        is_adjustable=False,
    ),
    _user_pools("UserPoolClientRead", 15, "DescribeUserPoolClient", "ListUserPoolClients", is_adjustable=False),
)
"""Not included: ten sign-in calls per second for each user, and increases for large user pools."""


def quota_of(operation: str) -> Quota:
    """Return the quota of an operation such as ``iot:AttachPolicy``.

    Raises:
        KeyError: its quota is not known.
    """
    for quota in AWS_QUOTAS:
        if operation in quota.operations:
            return quota
    raise KeyError(operation)
