"""Updates that change one thing: Cognito takes whatever an update leaves out for its default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from pubsub_client.checks.aws_errors import is_not_permitted
from pubsub_client.checks.command import AwsCommand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient
    from botocore.model import StructureShape
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_cognito_idp.type_defs import UserPoolTypeTypeDef

    from pubsub_client.checks.check import Fix


def update_of(
    client: BaseClient, operation: str, described: Mapping[str, Any], changes: Mapping[str, Any], *, safe: bool = False
) -> AwsCommand:
    """Return the command that changes something and leaves everything else as it is.

    Args:
        client: the boto3 client of the service.
        operation: the update, such as ``UpdateUserPool``.
        described: what the resource's Describe operation tells; what the update does not take is left out.
        changes: what is to be another, by parameter.
        safe: see :class:`~pubsub_client.checks.command.AwsCommand`.
    """
    service = client.meta.service_model
    taken = cast("StructureShape", service.operation_model(operation).input_shape).members
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
) -> list[AwsCommand]:
    """Return the commands that give a user pool triggers besides those it has, and change nothing else.

    UpdateUserPool takes a second factor for one by SMS, and refuses it where the pool cannot send any
    (https://github.com/aws/aws-cli/issues/3876): not given, it is switched off, and on again by the operation that is
    made for it.

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
    if not has_second_factor:
        return [update]
    second_factor: dict[str, Any] = {**user_pools.get_user_pool_mfa_config(UserPoolId=pool["Id"])}
    second_factor.pop("ResponseMetadata", None)
    return [update, AwsCommand("cognito-idp", "SetUserPoolMfaConfig", {"UserPoolId": pool["Id"], **second_factor})]


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
