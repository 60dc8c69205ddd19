"""The IoT policy's document, which the stack deploys and the checks tell how to make again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

LONGEST: Final = 2048
"""Characters of a policy document, spaces aside: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""

_GOV_CLOUD_SERVICES = {
    "us-gov-east-1": "cognito-identity.us-gov-east-1.amazonaws.com",
    "us-gov-west-1": "cognito-identity-us-gov.amazonaws.com",
}
_IDENTITY_SERVICE = "cognito-identity.amazonaws.com"
IDENTITY_SERVICES: Final = (_IDENTITY_SERVICE, *_GOV_CLOUD_SERVICES.values())
"""The names of Amazon Cognito identity pools in policies, of all regions."""

_ON_TOPICS = {
    "topic": ["iot:Publish", "iot:Receive", "iot:RetainPublish"],
    "topicfilter": ["iot:Subscribe"],
}


def identity_service(region: str) -> str:
    """Return the name of Amazon Cognito identity pools in the policies of a region; GovCloud's have other names.

    https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-cog.html
    """
    return _GOV_CLOUD_SERVICES.get(region, _IDENTITY_SERVICE)


def policy_document(arn_prefix: str, topics: Sequence[str], *, own: str | None = None) -> dict[str, Any]:
    """Return what signed-in users may do: connect, and everything on the topics.

    Args:
        arn_prefix: what the resources begin with, ``arn:<partition>:iot:<region>:<account id>``.
        topics: patterns of topics, in which ``*`` stands for any characters.
        own: the region's :func:`identity_service`, for access mode ``least-privilege``: client ids then begin with the
            identity id, and users may also use the topics under it. None lets users connect with any client id.
    """
    identity_id = own and f"${{{own}:sub}}"
    opened = [*([f"{identity_id}/*"] if identity_id else []), *topics]
    client_ids = f"{arn_prefix}:client/{identity_id or ''}*"
    statements = [{"Effect": "Allow", "Action": ["iot:Connect"], "Resource": [client_ids]}]
    statements += [
        {"Effect": "Allow", "Action": actions, "Resource": [f"{arn_prefix}:{kind}/{topic}" for topic in opened]}
        for kind, actions in _ON_TOPICS.items()
    ]
    return {"Version": "2012-10-17", "Statement": statements}
