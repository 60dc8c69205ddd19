"""Updates of user pools, identity pools and groups change the same settings as on AWS."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import cognito
from ministack.services.cloudformation import provisioners


def install() -> None:
    """Install each part."""
    _add_update_group()
    _reset_omitted_settings()
    _keep_system_tags()


_CHANGEABLE = ("Description", "Precedence", "RoleArn")


def _add_update_group() -> None:
    """Add UpdateGroup, which ministack lacks. It changes only the given fields.

    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateGroup.html
    """
    dispatch = cognito._dispatch_idp

    async def dispatch_idp(action: str, data: dict[str, Any]) -> Any:
        return _update_group(data) if action == "UpdateGroup" else await dispatch(action, data)

    cognito._dispatch_idp = dispatch_idp


def _update_group(data: dict[str, Any]) -> Any:
    pool = cognito._user_pools.get(data["UserPoolId"], {"_groups": {}})
    group = pool["_groups"].get(data["GroupName"])
    if group is None:
        return error_response_json("ResourceNotFoundException", "Group not found.", 400)
    group |= {name: data[name] for name in _CHANGEABLE if name in data} | {"LastModifiedDate": int(time.time())}
    return json_response({"Group": cognito._group_out(group)})


Operation = Callable[[dict[str, Any]], Any]

_KEPT_IN_USER_POOLS = {
    "AliasAttributes", "Arn", "CreationDate", "CustomDomain", "Domain", "EmailMfaConfiguration",
    "EstimatedNumberOfUsers", "Id", "LastModifiedDate", "MfaConfiguration", "Name", "Policies", "SchemaAttributes",
    "SmsMfaConfiguration", "SoftwareTokenMfaConfiguration", "UserPoolTier", "UsernameAttributes",
    "UsernameConfiguration", "WebAuthnConfiguration",
}  # fmt: skip

_KEPT_IN_IDENTITY_POOLS = {"AllowUnauthenticatedIdentities", "IdentityPoolId", "IdentityPoolName"}

_IDENTITY_POOL_DEFAULTS: Mapping[str, Any] = {
    "AllowClassicFlow": False,
    "CognitoIdentityProviders": [],
    "DeveloperProviderName": "",
    "IdentityPoolTags": {},
    "OpenIdConnectProviderARNs": [],
    "SamlProviderARNs": [],
    "SupportedLoginProviders": {},
}


def _reset_omitted_settings() -> None:
    """Reset settings that UpdateUserPool and UpdateIdentityPool do not receive. ministack keeps them.

    AWS documents the reset for every parameter. According to published measurements a user pool's MFA and policies are
    kept, and ``AutoVerifiedAttributes`` is reset.
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPool.html
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_UpdateIdentityPool.html
    https://github.com/go-to-k/cdkd/pull/1982
    https://github.com/aws/aws-cli/issues/3302
    """
    cognito._update_user_pool = _resetting(
        cognito._update_user_pool,
        cognito._user_pools,
        "UserPoolId",
        _KEPT_IN_USER_POOLS,
        provisioners._COGNITO_USER_POOL_UPDATABLE,
    )
    cognito._update_identity_pool = _resetting(
        cognito._update_identity_pool,
        cognito._identity_pools,
        "IdentityPoolId",
        _KEPT_IN_IDENTITY_POOLS,
        _IDENTITY_POOL_DEFAULTS,
    )


def _resetting(
    update: Operation, pools: Mapping[str, Any], id_name: str, kept: set[str], defaults: Mapping[str, Any]
) -> Operation:
    def update_all(data: dict[str, Any]) -> Any:
        answer = update(data)
        if answer[0] == 200:
            pool = pools[data[id_name]]
            settings = {name for name in pool if not name.startswith("_")}
            for name in settings - kept - data.keys():
                pool[name] = copy.deepcopy(defaults[name])
        return answer

    return update_all


_PREFIX = "aws:"


def _keep_system_tags() -> None:
    """Keep CloudFormation's tags of a pool, which begin with ``aws:``. ministack's updates remove them.

    https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
    """
    cognito._update_user_pool = _keeping(cognito._update_user_pool, cognito._user_pools, "UserPoolId", "UserPoolTags")
    cognito._update_identity_pool = _keeping(
        cognito._update_identity_pool, cognito._identity_pools, "IdentityPoolId", "IdentityPoolTags"
    )


def _keeping(update: Operation, pools: Mapping[str, Any], id_name: str, tags_name: str) -> Operation:
    def update_and_keep(data: dict[str, Any]) -> Any:
        pool = pools.get(data.get(id_name, "")) or {}
        own = {key: value for key, value in (pool.get(tags_name) or {}).items() if key.startswith(_PREFIX)}
        answer = update(data)
        if own:
            pool[tags_name] = {**(pool.get(tags_name) or {}), **own}
        return answer

    return update_and_keep
