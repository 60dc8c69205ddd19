"""Updates of a Cognito pool that change one setting. Cognito resets settings that an update omits.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPool.html
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_UpdateIdentityPool.html

The AWS SDK drops response members that it does not know, and Lambda's SDK is older than Cognito. An update with what
the SDK returns would reset these settings, so the raw response is compared with the SDK's model first.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import botocore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.awsrequest import AWSResponse
    from botocore.client import BaseClient
    from botocore.model import OperationModel

_SELF_ATTACH = "Use attachment self-attach, which changes no pool, until Lambda's SDK knows the setting"
_TAGS = ("IdentityPoolTags", "UserPoolTags")
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_NOT_SETTINGS = frozenset(
    {
        "AliasAttributes", "Arn", "CreationDate", "CustomDomain", "Domain", "EmailConfigurationFailure",
        "EmailMfaConfiguration", "EstimatedNumberOfUsers", "Id", "LastModifiedDate", "Name", "ResponseMetadata",
        "SchemaAttributes", "SmsConfigurationFailure", "SmsMfaConfiguration", "SoftwareTokenMfaConfiguration", "Status",
        "UsernameAttributes", "UsernameConfiguration", "WebAuthnConfiguration",
    }
)  # fmt: skip
"""What a Describe operation returns and the update does not accept: facts about the pool, and settings that are fixed
at creation or changed by another operation."""


class SettingsWouldBeLostError(Exception):
    """The update would reset settings of the pool, so it was not made; the message names them."""


def keep_unknown_members(client: BaseClient, operation: str) -> None:
    """Have an operation of this client return also response members that the SDK does not know.

    Args:
        client: a boto3 client of a service that answers JSON.
        operation: the operation's name in the API, such as ``DescribeUserPool``.
    """
    service_id = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"after-call.{service_id}.{operation}", _add_unknown_members)


def _add_unknown_members(http_response: AWSResponse, parsed: dict[str, Any], model: OperationModel, **_: Any) -> None:
    if http_response.status_code == 200:  # noqa: PLR2004
        _merge(json.loads(http_response.content), parsed, model.output_shape)


def _merge(raw: Any, parsed: Any, shape: Any) -> None:
    """Add the members that the SDK's model lacks, also in nested structures."""
    if shape.type_name == "structure":
        for name, value in raw.items():
            if name not in shape.members:
                parsed.setdefault(name, value)
            elif name in parsed:
                _merge(value, parsed[name], shape.members[name])
    elif shape.type_name == "list":
        for raw_each, parsed_each in zip(raw, parsed, strict=True):
            _merge(raw_each, parsed_each, shape.member)


def kept(
    client: BaseClient, operation: str, described: Mapping[str, Any], *, instead: str | None = None
) -> dict[str, Any]:
    """Return the parameters of an update that leaves a pool as it is described.

    Args:
        client: the boto3 client of the service.
        operation: the update, such as ``UpdateUserPool``.
        described: what the pool's Describe operation returns, with :func:`keep_unknown_members`.
        instead: what the user can do if the update cannot be made.

    Raises:
        SettingsWouldBeLostError: the update does not accept a setting of the pool, or the SDK does not know it.
    """
    shape: Any = client.meta.service_model.operation_model(operation).input_shape
    if lost := [*_lost(described, shape)]:
        raise SettingsWouldBeLostError(
            f"{operation} would reset {', '.join(lost)} of the pool: the AWS SDK here (botocore "
            f"{botocore.__version__}) cannot send it. Nothing was changed. {instead or _SELF_ATTACH}"
        )
    taken = {name: value for name, value in described.items() if name in shape.members and value not in _EMPTY}
    for tags in taken.keys() & {*_TAGS}:  # AWS returns its own tags, but rejects them
        taken[tags] = {key: value for key, value in taken[tags].items() if not key.startswith("aws:")}
    return taken


def _lost(described: Any, shape: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of settings that cannot be sent."""
    if shape.type_name == "structure":
        for name, value in described.items():
            if value in _EMPTY:
                continue
            if name in shape.members:
                yield from _lost(value, shape.members[name], f"{path}{name}.")
            elif path or name not in _NOT_SETTINGS:
                yield f"{path}{name}"
    elif shape.type_name == "list":
        for each in described:
            yield from _lost(each, shape.member, path)
