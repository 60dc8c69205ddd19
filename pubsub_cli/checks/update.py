"""Updates that change one thing: Cognito can reset whatever an update leaves out.

Whatever the AWS SDK does not know it cannot send, so no command is given out that would reset such a setting.
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
from pubsub_cli.finding import AwsCommand, Fix

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
"""What a Describe operation returns and the update does not take because it does not change it."""


@cache
def _input_shape(service: str, operation: str) -> StructureShape:
    model = botocore.session.get_session().get_service_model(service)
    return cast("StructureShape", model.operation_model(operation).input_shape)


def lost_settings(service: str, operation: str, described: Mapping[str, Any]) -> list[str]:
    """Return the paths of the settings that an update would reset because it cannot send them.

    Args:
        service: the service's name in boto3, such as ``cognito-idp``.
        operation: the update, such as ``UpdateUserPool``.
        described: what the resource's Describe operation returns.
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
    """Return the command that changes something and leaves everything else as it is; in words if there is none.

    Args:
        client: the boto3 client of the service.
        operation: the update, such as ``UpdateUserPool``.
        described: what the resource's Describe operation returns; what the update does not take is left out.
        changes: what is to be another, by parameter.
        safe: see :class:`~pubsub_cli.checks.command.AwsCommand`.
    """
    service = client.meta.service_model
    if lost := lost_settings(service.service_name, operation, described):
        wanted = ", ".join(changes)
        return (
            f"Change {wanted} in the AWS console, or with a newer AWS SDK, and nothing else: {operation} from here "
            f"would reset {', '.join(lost)}, which the AWS SDK here does not know"
        )
    taken = _input_shape(service.service_name, operation).members
    kept = {name: value for name, value in described.items() if name in taken and value not in ({}, [], "")}
    if "AdminCreateUserConfig" in kept:
        # Describe tells it in two places, and an update takes it in one:
        # https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminCreateUserConfigType.html
        users = dict(kept["AdminCreateUserConfig"])
        users.pop("UnusedAccountValidityDays", None)
        kept["AdminCreateUserConfig"] = users
    for tags in kept.keys() & {"UserPoolTags", "IdentityPoolTags"}:  # those of AWS itself are told, and refused
        kept[tags] = {key: value for key, value in kept[tags].items() if not key.startswith("aws:")}
    return AwsCommand(service.service_name, operation, {**kept, **changes}, safe=safe)


def rewired(
    user_pools: CognitoIdentityProviderClient, pool: UserPoolTypeTypeDef, triggers: Mapping[str, Any]
) -> list[AwsCommand | str]:
    """Return the commands that give a user pool triggers besides those it has, and change nothing else.

    UpdateUserPool takes a second factor for one by SMS, and refuses it where the pool cannot send any
    (https://github.com/aws/aws-cli/issues/3876): not given, it can be switched off, and is set again by the operation
    that is made for it. A pool that sends SMS, or has custom senders, needs further permissions, which are said first.

    Args:
        user_pools: the boto3 client.
        pool: what DescribeUserPool tells.
        triggers: the ARN of each function, by the trigger's name in ``LambdaConfig``.

    Raises:
        botocore.exceptions.ClientError: the pool's second factor may not be asked for.
    """
    wired: Mapping[str, Any] = pool.get("LambdaConfig", {})
    described = {"UserPoolId": pool["Id"], **pool}
    has_second_factor = pool.get("MfaConfiguration", "OFF") != "OFF"
    if has_second_factor:
        del described["MfaConfiguration"]
    update = update_of(
        user_pools,
        "UpdateUserPool",
        described,
        {"LambdaConfig": {**wired, **triggers}},
        safe=not has_second_factor and not any(wired.get(each) for each in triggers),
    )
    if isinstance(update, str):
        return [update]
    update_and_permissions: list[AwsCommand | str] = [*_further_permissions(pool), update]
    if not has_second_factor:
        return update_and_permissions
    second_factor: dict[str, Any] = {**user_pools.get_user_pool_mfa_config(UserPoolId=pool["Id"])}
    second_factor.pop("ResponseMetadata", None)
    if lost := lost_settings("cognito-idp", "SetUserPoolMfaConfig", second_factor):
        return [
            "Set the triggers in the AWS console, or with a newer AWS SDK. A command from here could switch MFA off, "
            f"and it could not be set again with {', '.join(lost)}, which the AWS SDK here does not know"
        ]
    return [
        *update_and_permissions,
        AwsCommand("cognito-idp", "SetUserPoolMfaConfig", {"UserPoolId": pool["Id"], **second_factor}),
    ]


def _further_permissions(pool: UserPoolTypeTypeDef) -> list[str]:
    """Return in words what Cognito asks of whoever updates this pool, besides the permission to update it."""
    config: Mapping[str, Any] = pool.get("LambdaConfig", {})
    needed = {
        "iam:PassRole": pool.get("SmsConfiguration", {}).get("SnsCallerArn"),
        "kms:CreateGrant": config.get("KMSKeyID"),
    }
    named = [f"{action} on {arn}" for action, arn in needed.items() if arn]
    return [f"This needs {' and '.join(named)} as well, because the pool sends messages with it:"] if named else []


def rewiring(user_pools: CognitoIdentityProviderClient, pool: UserPoolTypeTypeDef, triggers: Mapping[str, Any]) -> Fix:
    """Return what :func:`rewired` does, or how somebody comes by it who may not ask for the pool's second factor.

    Raises:
        botocore.exceptions.ClientError: an error other than of permissions.
    """
    try:
        return rewired(user_pools, pool, triggers)
    except ClientError as error:
        if not is_not_permitted(error):
            raise
        wanted = ", ".join(f"{name} {arn}" for name, arn in triggers.items())
        return (
            f"Give the user pool these triggers and change nothing else: {wanted}. With credentials that may call "
            f"{error.operation_name} as well, the commands are printed here: an update needs what that tells"
        )
