"""Updates that change one thing: Cognito takes whatever an update leaves out for its default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pubsub_client.checks.command import AwsCommand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient
    from botocore.model import StructureShape


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
    if tags := kept.pop("UserPoolTags", None):  # those of AWS itself are told, and refused
        kept["UserPoolTags"] = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    return AwsCommand(service.service_name, operation, {**kept, **changes}, safe=safe)
