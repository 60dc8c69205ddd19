"""Updates of one setting of a Cognito pool. Cognito resets every setting that an update omits.

https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPool.html
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_UpdateIdentityPool.html

Lambda's AWS SDK can be older than Cognito, and drops response members that it does not know. An update without them
would reset these settings. So the raw response is compared with the SDK's model first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import botocore
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
"""Members of a Describe response that the update does not accept and does not reset: facts about the pool, and settings
that are fixed at creation or changed by another operation."""


class SettingsMismatchError(Exception):
    """The pool does not match the settings of the deployment. Nothing was changed."""


class SettingsWouldBeLostError(Exception):
    """The update would reset the settings that the message names, so it was not made."""


def keep_unknown_members(client: BaseClient, operation: str) -> None:
    """Let an operation of this client also return response members that the SDK does not know.

    Args:
        client: a boto3 client of a service with JSON responses.
        operation: the operation's name in the API, such as ``DescribeUserPool``.
    """
    service_id = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"after-call.{service_id}.{operation}", _add_unknown_members)


def _add_unknown_members(http_response: AWSResponse, parsed: dict[str, Any], model: OperationModel, **_: Any) -> None:
    if http_response.status_code == 200:  # noqa: PLR2004
        _merge(json.loads(http_response.content), parsed, model.output_shape)


def _merge(raw: Any, parsed: Any, shape: Any) -> None:
    """Add the members that the SDK's model lacks, in nested structures too."""
    if shape.type_name == "structure":
        for name, value in raw.items():
            if name not in shape.members:
                parsed.setdefault(name, value)
            elif name in parsed:
                _merge(value, parsed[name], shape.members[name])
    elif shape.type_name == "list":
        for raw_each, parsed_each in zip(raw, parsed, strict=True):
            _merge(raw_each, parsed_each, shape.member)


def update_parameters(
    client: BaseClient, operation: str, described: Mapping[str, Any], *, instead: str | None = None
) -> dict[str, Any]:
    """Return parameters for an update that keeps all settings of a pool.

    Args:
        client: the boto3 client of the service.
        operation: the update, such as ``UpdateUserPool``.
        described: the pool as its Describe operation returns it, with :func:`keep_unknown_members`.
        instead: what the user can do if the update is not possible.

    Raises:
        SettingsWouldBeLostError: the update does not accept a setting of the pool, or the SDK does not know it.
    """
    shape: Any = client.meta.service_model.operation_model(operation).input_shape
    if lost := [*_lost(described, shape)]:
        raise SettingsWouldBeLostError(
            f"{operation} would reset {', '.join(lost)} of the pool: the AWS SDK here (botocore "
            f"{botocore.__version__}) cannot send it. Nothing was changed. {instead or _SELF_ATTACH}"
        )
    parameters = {name: value for name, value in described.items() if name in shape.members and value not in _EMPTY}
    for tags in parameters.keys() & {*_TAGS}:  # AWS returns its own tags, but rejects them
        parameters[tags] = {key: value for key, value in parameters[tags].items() if not key.startswith("aws:")}
    return parameters


def _lost(described: Any, shape: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of settings that the update cannot send."""
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
