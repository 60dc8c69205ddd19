"""Commands that change one setting of a Cognito resource and repeat all others, because Cognito resets omitted ones.

The AWS SDK cannot send settings that it does not know. A fix shows no command that would reset one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import botocore.session
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.model import Shape, StructureShape

from pubsub_cli.aws_errors import is_not_permitted
from pubsub_cli.finding import AwsCommand

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_cognito_idp.type_defs import UserPoolTypeTypeDef

_EMPTY: tuple[Any, ...] = (None, "", [], {})
_NOT_SETTINGS = frozenset(
    {
        "AliasAttributes", "Arn", "ClientSecret", "CreationDate", "CustomDomain", "Domain", "EmailConfigurationFailure",
        "EmailMfaConfiguration", "EstimatedNumberOfUsers", "Id", "LastModifiedDate", "Name", "ResponseMetadata",
        "SchemaAttributes", "SmsConfigurationFailure", "SmsMfaConfiguration", "SoftwareTokenMfaConfiguration", "Status",
        "UsernameAttributes", "UsernameConfiguration", "WebAuthnConfiguration",
    }
)  # fmt: skip
"""Members of a Describe response that are no settings, so the update does not accept them."""


@cache
def _input_shape(service: str, operation: str) -> StructureShape:
    model = botocore.session.get_session().get_service_model(service)
    return cast("StructureShape", model.operation_model(operation).input_shape)


def lost_settings(service: str, operation: str, described: Mapping[str, Any]) -> list[str]:
    """Return the paths of the settings that an update would reset, because this SDK does not know them.

    Args:
        service: the service's name in boto3, such as ``cognito-idp``.
        operation: the update, such as ``UpdateUserPool``.
        described: the response of the resource's Describe operation.
    """
    return [*_lost(described, _input_shape(service, operation))]


def _lost(described: Any, shape: Shape, path: str = "") -> Iterator[str]:
    if shape.type_name == "structure":
        for name, value in described.items():
            if value in _EMPTY:
                continue
            member = cast("StructureShape", shape).members.get(name)
            if member is not None:
                yield from _lost(value, member, f"{path}{name}.")
            elif path or name not in _NOT_SETTINGS:
                yield f"{path}{name}"
    elif shape.type_name == "list":
        for each in described:
            yield from _lost(each, cast("Any", shape).member, path)


def update_of(
    client: BaseClient, operation: str, described: Mapping[str, Any], changes: Mapping[str, Any], *, safe: bool = False
) -> AwsCommand | str:
    """Return the command that changes some settings and repeats the others; an instruction if it would reset any.

    Args:
        client: the boto3 client of the service.
        operation: the update, such as ``UpdateUserPool``.
        described: the response of the resource's Describe operation.
        changes: the new values, by parameter.
        safe: see :class:`~pubsub_cli.finding.AwsCommand`.
    """
    service = client.meta.service_model
    if lost := lost_settings(service.service_name, operation, described):
        return (
            f"Change only {', '.join(changes)}, in the AWS console or with a newer AWS SDK. With this SDK, {operation} "
            f"would reset {', '.join(lost)}"
        )
    taken = _input_shape(service.service_name, operation).members
    kept = {name: value for name, value in described.items() if name in taken and value not in ({}, [], "")}
    if "AdminCreateUserConfig" in kept:
        # Describe returns this member in two places, and an update accepts it in one:
        # https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminCreateUserConfigType.html
        users = dict(kept["AdminCreateUserConfig"])
        users.pop("UnusedAccountValidityDays", None)
        kept["AdminCreateUserConfig"] = users
    for tags in kept.keys() & {"UserPoolTags", "IdentityPoolTags"}:  # Describe returns aws: tags, updates reject them
        kept[tags] = {key: value for key, value in kept[tags].items() if not key.startswith("aws:")}
    return AwsCommand(service.service_name, operation, {**kept, **changes}, safe=safe)


def set_triggers(
    user_pools: CognitoIdentityProviderClient, pool: UserPoolTypeTypeDef, triggers: Mapping[str, Any]
) -> list[AwsCommand | str]:
    """Return the commands that add triggers to a user pool and change nothing else; an instruction if there are none.

    UpdateUserPool rejects the MFA setting of a pool that cannot send SMS (https://github.com/aws/aws-cli/issues/3876).
    Without the setting it can turn MFA off, so a second command sets MFA again. A pool with SMS or custom senders needs
    more permissions, which the first line names.

    Args:
        user_pools: the boto3 client.
        pool: the response of DescribeUserPool.
        triggers: the ARN of each function, by the trigger's name in ``LambdaConfig``.

    Raises:
        botocore.exceptions.ClientError: GetUserPoolMfaConfig failed, except for a missing permission.
    """
    current: Mapping[str, Any] = pool.get("LambdaConfig", {})
    described = {"UserPoolId": pool["Id"], **pool}
    has_mfa = pool.get("MfaConfiguration", "OFF") != "OFF"
    if has_mfa:
        del described["MfaConfiguration"]
    update = update_of(
        user_pools,
        "UpdateUserPool",
        described,
        {"LambdaConfig": {**current, **triggers}},
        safe=not has_mfa and not any(current.get(each) for each in triggers),
    )
    if isinstance(update, str):
        return [update]
    update_and_permissions: list[AwsCommand | str] = [*_further_permissions(pool), update]
    if not has_mfa:
        return update_and_permissions
    try:
        mfa_config: dict[str, Any] = {**user_pools.get_user_pool_mfa_config(UserPoolId=pool["Id"])}
    except ClientError as error:
        if not is_not_permitted(error):
            raise
        listed = ", ".join(f"{name} {arn}" for name, arn in triggers.items())
        return [
            f"Set only these triggers of the user pool: {listed}. To see the commands, use credentials that permit "
            f"{error.operation_name}, because an update must repeat its response"
        ]
    mfa_config.pop("ResponseMetadata", None)
    if lost := lost_settings("cognito-idp", "SetUserPoolMfaConfig", mfa_config):
        return [
            "Set the triggers in the AWS console or with a newer AWS SDK. With this SDK, UpdateUserPool could turn MFA "
            f"off, and {', '.join(lost)} could not be set again"
        ]
    return [
        *update_and_permissions,
        AwsCommand("cognito-idp", "SetUserPoolMfaConfig", {"UserPoolId": pool["Id"], **mfa_config}),
    ]


def _further_permissions(pool: UserPoolTypeTypeDef) -> list[str]:
    """Return a line with the additional permissions that an update of this pool needs."""
    config: Mapping[str, Any] = pool.get("LambdaConfig", {})
    needed = {
        "iam:PassRole": pool.get("SmsConfiguration", {}).get("SnsCallerArn"),
        "kms:CreateGrant": config.get("KMSKeyID"),
    }
    named = [f"{action} on {arn}" for action, arn in needed.items() if arn]
    return [f"This also needs {' and '.join(named)}, because the pool sends messages:"] if named else []
