"""The sign-in flows that an app client allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pubsub_cli.aws import Aws

if TYPE_CHECKING:
    from types_boto3_cognito_idp.type_defs import UserPoolClientTypeTypeDef

SRP, REFRESH, CUSTOM = "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_CUSTOM_AUTH"
_CHOICE = "ALLOW_USER_AUTH"
# The flows of an app client that names none, or that names flows in the old form, which adds to them
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html
_DEFAULT_FLOWS = {SRP, REFRESH, CUSTOM}
_CUSTOM_ONLY = "CUSTOM_AUTH_FLOW_ONLY"
_NEW_NAMES = {
    "ADMIN_NO_SRP_AUTH": "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "USER_PASSWORD_AUTH": "ALLOW_USER_PASSWORD_AUTH",
    _CUSTOM_ONLY: CUSTOM,
}
_MANAGED_LOGIN_GRANTS = {"code", "implicit"}


def describe_client(aws: Aws, user_pool: str, client_id: str) -> UserPoolClientTypeTypeDef | None:
    """Return an app client; None if there is none.

    Raises:
        botocore.exceptions.ClientError: DescribeUserPoolClient failed.
    """
    try:
        answer = aws.user_pools.describe_user_pool_client(UserPoolId=user_pool, ClientId=client_id)
    except aws.user_pools.exceptions.ResourceNotFoundException:
        return None
    return answer["UserPoolClient"]


def flows(client: UserPoolClientTypeTypeDef) -> set[str]:
    """Return the flows that an app client allows, by their new names. An update cannot mix old and new names."""
    named: set[str] = set(client.get("ExplicitAuthFlows", []))
    if any(each.startswith("ALLOW_") for each in named):
        return named
    allowed = {REFRESH, CUSTOM} if _CUSTOM_ONLY in named else _DEFAULT_FLOWS
    return allowed | {_NEW_NAMES[each] for each in named}


def missing_flows(client: UserPoolClientTypeTypeDef) -> list[str]:
    """Return the flows that Amplify needs and an app client does not allow.

    ``ALLOW_USER_AUTH`` includes SRP
    (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolClientType.html). A client
    that rotates refresh tokens does not need the refresh flow
    (https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html).
    """
    allowed = flows(client)
    rotates = client.get("RefreshTokenRotation", {}).get("Feature") == "ENABLED"
    included = {SRP} if _CHOICE in allowed else set()
    needed = {SRP} if rotates else {SRP, REFRESH}
    return sorted(needed - allowed - included)


def allows_managed_login(client: UserPoolClientTypeTypeDef) -> bool:
    """Return whether users may sign in by Cognito's managed login pages, whatever flows the client allows."""
    grants = {*client.get("AllowedOAuthFlows", [])}
    return bool(client.get("AllowedOAuthFlowsUserPoolClient") and _MANAGED_LOGIN_GRANTS & grants)
