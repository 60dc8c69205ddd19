"""A user of the user pool, as AdminGetUser tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pubsub_cli.checks.marker import ATTRIBUTE, Marker

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient


@dataclass(frozen=True)
class PoolUser:
    """A user as AdminGetUser tells it.

    Args:
        name: the user's own name, whatever alias or letter case the user was asked for by.
        status: Cognito's UserStatus, such as CONFIRMED.
        enabled: whether the user may sign in at all.
        attributes: the user's attributes but the marker.
        marker: what says that the policy is attached; None without.
        second_factors: the kinds of second factor the user has set up.
    """

    name: str
    status: str
    enabled: bool
    attributes: Mapping[str, str]
    marker: Marker | None
    second_factors: tuple[str, ...] = ()

    @property
    def attaches_alone(self) -> bool:
        """Whether nobody but the user can have the policy attached: no trigger signs this user in nested."""
        return bool(self.second_factors) or self.status == "EXTERNAL_PROVIDER"

    def __str__(self) -> str:
        return f"{self.name} ({self.status}, {'enabled' if self.enabled else 'disabled'})"


def read_user(user_pools: CognitoIdentityProviderClient, user_pool_id: str, name: str) -> PoolUser | None:
    """Return the user of this name or alias; None if there is none.

    Raises:
        botocore.exceptions.ClientError: it may not be asked.
    """
    try:
        found = user_pools.admin_get_user(UserPoolId=user_pool_id, Username=name)
    except user_pools.exceptions.UserNotFoundException:
        return None
    attributes = {each["Name"]: each.get("Value", "") for each in found["UserAttributes"]}
    return PoolUser(
        name=found["Username"],
        status=found["UserStatus"],
        enabled=found["Enabled"],
        attributes={key: value for key, value in attributes.items() if key != ATTRIBUTE},
        marker=Marker.of(found["UserAttributes"]),
        second_factors=tuple(found.get("UserMFASettingList", ())),
    )
