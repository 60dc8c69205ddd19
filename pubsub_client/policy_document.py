"""The IoT policy's document, which the stack deploys and the checks tell how to make again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST: Final = 2048
"""Characters of a policy document, spaces aside: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""

_ON_TOPICS = {
    "topic": ["iot:Publish", "iot:Receive", "iot:RetainPublish"],
    "topicfilter": ["iot:Subscribe"],
}


def policy_document(arn_prefix: str, topics: Sequence[str]) -> dict[str, Any]:
    """Return what signed-in users may do: connect under any client id, and everything on the topics.

    Args:
        arn_prefix: what the resources begin with, ``arn:<partition>:iot:<region>:<account id>``.
        topics: patterns of topics, in which ``*`` stands for any characters.
    """
    statements = [{"Effect": "Allow", "Action": ["iot:Connect"], "Resource": [f"{arn_prefix}:client/*"]}]
    statements += [
        {"Effect": "Allow", "Action": actions, "Resource": [f"{arn_prefix}:{kind}/{topic}" for topic in topics]}
        for kind, actions in _ON_TOPICS.items()
    ]
    return {"Version": "2012-10-17", "Statement": statements}
