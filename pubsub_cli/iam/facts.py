"""What is known of a request besides its action and resource: the values of policy variables and condition keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pubsub_client.policy_document import IDENTITY_SERVICES

_SOME_USER = "5d0c1f9a-2b7e-4c36-8f41-9e0a6b3d7c52"
"""Stands for the `sub` of a user of the user pool."""

Values = tuple[str, ...]
"""The values of a key: none for a key that a request does not have, several for one that takes several."""


@dataclass(frozen=True)
class Facts:
    """The values of keys by their names in lower case, those that are known."""

    values: Mapping[str, Values] = field(default_factory=dict)

    def of(self, key: str) -> Values | None:
        """Return a key's values; None if the request may have values that are not known here."""
        name = key.lower()
        if name in self.values:
            return self.values[name]
        # A Cognito identity has no certificate. It may be attached to things, which are not known here.
        # https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
        # https://docs.aws.amazon.com/iot/latest/apireference/API_AttachThingPrincipal.html
        if name.startswith("iot:certificate."):
            return ()
        return None


def signed_in_user(
    region: str,
    identity_pool_id: str | None,
    *,
    user_pool_id: str | None = None,
    identity_id: str | None = None,
    client_id: str | None = None,
    role_arn: str | None = None,
) -> Facts:
    """Return what is known of a signed-in user's requests to AWS IoT.

    https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
    https://docs.aws.amazon.com/iot/latest/developerguide/basic-policy-variables.html

    Args:
        region: where the request goes.
        identity_pool_id: the identity pool; None if it is not known.
        user_pool_id: the user pool that the user has signed in to; None if it is not known.
        identity_id: the user's identity id; None if it is not known, or stands for any.
        client_id: the MQTT client id; None if it is not known.
        role_arn: the role of the user's credentials; None for IoT policies, which know no role.
    """
    values: dict[str, Values] = {"aws:securetransport": ("true",), "aws:requestedregion": (region,)}
    provider = f"cognito-idp.{region}.amazonaws.com/{user_pool_id}"
    # Besides whether the user has signed in, amr names the providers that was done by.
    amr = ("authenticated", *((provider, f"{provider}:CognitoSignIn:{_SOME_USER}") if user_pool_id else ()))
    for service in IDENTITY_SERVICES:
        values[f"{service}:amr"] = amr
        if identity_pool_id:
            values[f"{service}:aud"] = (identity_pool_id,)
        if identity_id:
            values[f"{service}:sub"] = (identity_id,)
    if client_id is not None:
        values["iot:clientid"] = (client_id,)
    if role_arn:
        values["aws:principalarn"] = (role_arn,)
        values["aws:principalaccount"] = (role_arn.split(":")[4],)
    return Facts(values)
