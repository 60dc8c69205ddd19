"""The IoT policy's document, which the stack deploys and the checks tell how to make again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

LONGEST: Final = 2048
"""Characters of a policy document, spaces aside: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""

_ON_TOPICS = {
    "topic": ["iot:Publish", "iot:Receive", "iot:RetainPublish"],
    "topicfilter": ["iot:Subscribe"],
}


def policy_document(arn_prefix: str, topics: Sequence[str], *, own: str | None = None) -> dict[str, Any]:
    """Return what signed-in users may do: connect, and everything on the topics.

    Args:
        arn_prefix: what the resources begin with, ``arn:<partition>:iot:<region>:<account id>``.
        topics: patterns of topics, in which ``*`` stands for any characters.
        own: what Amazon Cognito identities are called in policies of the region, for access mode ``least-privilege``:
            client ids then begin with the identity id, and the topics under it are open besides those given. None lets
            users connect under any client id.
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
