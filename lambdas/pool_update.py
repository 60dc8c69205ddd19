"""Updates of a Cognito pool that change one thing: whatever an update is not given is set back to its default.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPool.html
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_UpdateIdentityPool.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient

_TAGS = ("IdentityPoolTags", "UserPoolTags")


def kept(client: BaseClient, operation: str, described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an update takes of what a pool is described as, so that it stays as it is.

    Args:
        client: the boto3 client of the service.
        operation: the update, such as ``UpdateUserPool``.
        described: what the pool's Describe operation tells.
    """
    shape: Any = client.meta.service_model.operation_model(operation).input_shape
    taken = {name: value for name, value in described.items() if name in shape.members and value not in ("", [], {})}
    for tags in taken.keys() & {*_TAGS}:  # those of AWS itself are told, and refused
        taken[tags] = {key: value for key, value in taken[tags].items() if not key.startswith("aws:")}
    return taken
