"""UpdateUserPool and UpdateIdentityPool set back to its default what they are not given.

ministack changes what it is given and leaves the rest. AWS documents it of every parameter. People who have measured it
found that a user pool's MFA and policies stay, so here they do too, and that ``AutoVerifiedAttributes`` does not.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPool.html
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_UpdateIdentityPool.html
https://github.com/go-to-k/cdkd/pull/1982
https://github.com/aws/aws-cli/issues/3302
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import cognito
from ministack.services.cloudformation import provisioners

NEEDS = {
    cognito: ("_identity_pools", "_update_identity_pool", "_update_user_pool", "_user_pools"),
    provisioners: ("_COGNITO_USER_POOL_UPDATABLE",),
}

Operation = Callable[[dict[str, Any]], Any]

_USER_POOL_STAYS = {
    "AliasAttributes", "Arn", "CreationDate", "CustomDomain", "Domain", "EmailMfaConfiguration",
    "EstimatedNumberOfUsers", "Id", "LastModifiedDate", "MfaConfiguration", "Name", "Policies", "SchemaAttributes",
    "SmsMfaConfiguration", "SoftwareTokenMfaConfiguration", "UserPoolTier", "UsernameAttributes",
    "UsernameConfiguration", "WebAuthnConfiguration",
}  # fmt: skip
_IDENTITY_POOL_STAYS = {"AllowUnauthenticatedIdentities", "IdentityPoolId", "IdentityPoolName"}
_IDENTITY_POOL_DEFAULTS: Mapping[str, Any] = {
    "AllowClassicFlow": False,
    "CognitoIdentityProviders": [],
    "DeveloperProviderName": "",
    "IdentityPoolTags": {},
    "OpenIdConnectProviderARNs": [],
    "SamlProviderARNs": [],
    "SupportedLoginProviders": {},
}


def install() -> None:
    """Reset the rest when an update is made."""
    cognito._update_user_pool = _resetting(
        cognito._update_user_pool,
        cognito._user_pools,
        "UserPoolId",
        _USER_POOL_STAYS,
        provisioners._COGNITO_USER_POOL_UPDATABLE,
    )
    cognito._update_identity_pool = _resetting(
        cognito._update_identity_pool,
        cognito._identity_pools,
        "IdentityPoolId",
        _IDENTITY_POOL_STAYS,
        _IDENTITY_POOL_DEFAULTS,
    )


def _resetting(
    update: Operation, pools: Mapping[str, Any], id_name: str, stays: set[str], defaults: Mapping[str, Any]
) -> Operation:
    def update_all(data: dict[str, Any]) -> Any:
        answer = update(data)
        if answer[0] == 200:
            pool = pools[data[id_name]]
            settings = {name for name in pool if not name.startswith("_")}
            for name in settings - stays - data.keys():
                if name in defaults:
                    pool[name] = copy.deepcopy(defaults[name])
                else:  # a setting that was seeded
                    del pool[name]
        return answer

    return update_all
