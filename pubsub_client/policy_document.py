"""The IoT policy's document, which the stack deploys and the checks compare; and the topic patterns in its resources.

``*`` and ``?`` are wildcards in the resources of AWS IoT's and IAM's policies, and ``${...}`` is a policy variable; the
MQTT wildcards ``+`` and ``#`` are literals.
https://docs.aws.amazon.com/iot/latest/developerguide/pub-sub-policy.html
https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pubsub_client.outputs import LEAST_PRIVILEGE

MAX_CHARACTERS: Final = 2048
"""Of a policy document, without spaces: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""

_GOV_CLOUD_SERVICES = {
    "us-gov-east-1": "cognito-identity.us-gov-east-1.amazonaws.com",
    "us-gov-west-1": "cognito-identity-us-gov.amazonaws.com",
}
_IDENTITY_SERVICE = "cognito-identity.amazonaws.com"
IDENTITY_SERVICES: Final = (_IDENTITY_SERVICE, *_GOV_CLOUD_SERVICES.values())
"""The names of Amazon Cognito identity pools in policies, of all regions."""

_TOPIC_ACTIONS = {
    "topic": ["iot:Publish", "iot:Receive", "iot:RetainPublish"],
    "topicfilter": ["iot:Subscribe"],
}
_MAX_SLASHES: Final = 7
_MQTT_WILDCARDS: Final = frozenset("#+")
# The wildcards; the beginning of a variable, whose value is unchecked; and the colon, which every identity id has
# (https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html) and no other first level needs.
_CAN_MATCH_IDENTITY_IDS: Final = frozenset("*?$:")


def identity_service(region: str) -> str:
    """Return the name of Amazon Cognito identity pools in the policies of a region; GovCloud's have other names.

    https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-cog.html
    """
    return _GOV_CLOUD_SERVICES.get(region, _IDENTITY_SERVICE)


def policy_document(arn_prefix: str, topics: Sequence[str], *, own: str | None = None) -> dict[str, Any]:
    """Return the permissions of signed-in users: connect, and everything on the topics.

    Args:
        arn_prefix: the beginning of the resources, ``arn:<partition>:iot:<region>:<account id>``.
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
        for kind, actions in _TOPIC_ACTIONS.items()
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def check_topic_pattern(pattern: str) -> None:
    """Check a pattern of topics in the settings.

    https://docs.aws.amazon.com/general/latest/gr/iot-core.html#message-broker-limits

    Raises:
        ValueError: the settings must not open it.
    """
    if wildcards := sorted(_MQTT_WILDCARDS & set(pattern)):
        raise ValueError(f"an IoT policy takes {' and '.join(wildcards)} literally; * stands for any characters there")
    if pattern.startswith("$"):
        raise ValueError("reserved topics are opened by reservedTopics, not here")
    if pattern.count("/") > _MAX_SLASHES:
        raise ValueError(f"AWS IoT takes at most {_MAX_SLASHES} slashes in a topic")


def check_shared_topics(patterns: Iterable[str]) -> None:
    """Check that patterns of shared topics cannot match a user's own topics, which begin with the identity id.

    A first level of literal characters without a colon equals no identity id, whatever the other levels match.

    Raises:
        ValueError: one of them could match.
    """
    for pattern in patterns:
        if wrong := sorted(_CAN_MATCH_IDENTITY_IDS & set(pattern.partition("/")[0])):
            raise ValueError(
                f"in access mode {LEAST_PRIVILEGE} a shared topic has no {' and no '.join(wrong)} before its first "
                f"slash, and {pattern} has: it could match users' own topics, which begin with the identity id"
            )


def check_smoke_test_topics(patterns: Iterable[str]) -> None:
    """Check that the smoke test can use topics of its own.

    Raises:
        ValueError: no pattern ends in ``*``.
    """
    if not any(pattern.endswith("*") for pattern in patterns):
        raise ValueError(
            "at least one must end in *, so that the smoke test has topics of its own, such as pubsub-smoke/*"
        )
