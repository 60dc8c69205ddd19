"""The IoT policy document that the stack deploys and the checks compare, and the topic patterns in its resources.

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
"""The maximum length of a policy document without spaces: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""

_GOV_CLOUD_SERVICES = {
    "us-gov-east-1": "cognito-identity.us-gov-east-1.amazonaws.com",
    "us-gov-west-1": "cognito-identity-us-gov.amazonaws.com",
}
_IDENTITY_SERVICE = "cognito-identity.amazonaws.com"
IDENTITY_SERVICES: Final = (_IDENTITY_SERVICE, *_GOV_CLOUD_SERVICES.values())
"""The service names of Cognito identity pools in policies, in all regions."""

DATA_ACTIONS: Final = {
    "iot:Connect": "client",
    "iot:Publish": "topic",
    "iot:Receive": "topic",
    "iot:RetainPublish": "topic",
    "iot:Subscribe": "topicfilter",
}
"""The actions of signed-in users, with the kind of resource that AWS IoT checks. IoT policy, role policies, guards and
the doctor's questions are made from this table.
https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html"""

ACTIONS_WITHOUT_MANAGED_POLICY: Final = ("iot:RetainPublish",)
"""The data actions that AWSIoTDataAccess does not allow:
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSIoTDataAccess.html"""

SHADOW_ACTIONS: Final = (
    "iot:GetThingShadow",
    "iot:UpdateThingShadow",
    "iot:DeleteThingShadow",
    "iot:ListNamedShadowsForThing",
)
"""The actions of AWS IoT's API for shadows, for users of reserved topics."""
_MAX_SLASHES: Final = 7
_MQTT_WILDCARDS: Final = frozenset("#+")
# Wildcards, the beginning of a policy variable, whose value is unknown, and the colon, which is in every identity id:
# https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
_CAN_MATCH_IDENTITY_IDS: Final = frozenset("*?$:")


def identity_service(region: str) -> str:
    """Return the service name of Cognito identity pools in the policies of a region; GovCloud has other names.

    https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-cog.html
    """
    return _GOV_CLOUD_SERVICES.get(region, _IDENTITY_SERVICE)


def policy_document(arn_prefix: str, topics: Sequence[str], *, own: str | None = None) -> dict[str, Any]:
    """Return the IoT policy of signed-in users: connect, publish, subscribe and receive on the topics.

    Args:
        arn_prefix: the beginning of the resources, ``arn:<partition>:iot:<region>:<account id>``.
        topics: patterns of topics; ``*`` matches any characters.
        own: the region's :func:`identity_service` for access mode ``least-privilege``. Client ids must then begin with
            the identity id, and users may also use the topics under it. None allows any client id.
    """
    identity_id = own and f"${{{own}:sub}}"
    opened = [*([f"{identity_id}/*"] if identity_id else []), *topics]
    names = {"client": [f"{identity_id or ''}*"], "topic": opened, "topicfilter": opened}
    statements = [
        {
            "Effect": "Allow",
            "Action": [action for action, of_action in DATA_ACTIONS.items() if of_action == kind],
            "Resource": [f"{arn_prefix}:{kind}/{name}" for name in names[kind]],
        }
        for kind in names
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def check_topic_pattern(pattern: str) -> None:
    """Check a topic pattern of the settings.

    https://docs.aws.amazon.com/general/latest/gr/iot-core.html#message-broker-limits

    Raises:
        ValueError: the pattern has MQTT wildcards, reserved topics, or too many slashes.
    """
    if wildcards := sorted(_MQTT_WILDCARDS & set(pattern)):
        raise ValueError(f"{' and '.join(wildcards)} is not a wildcard in an IoT policy; * matches any characters")
    if pattern.startswith("$"):
        raise ValueError("use the setting reservedTopics for reserved topics")
    if pattern.count("/") > _MAX_SLASHES:
        raise ValueError(f"AWS IoT allows at most {_MAX_SLASHES} slashes in a topic")


def check_shared_topics(patterns: Iterable[str]) -> None:
    """Check that patterns of shared topics cannot match a user's own topics, which begin with the identity id.

    A first level of literal characters without a colon cannot equal an identity id.

    Raises:
        ValueError: a pattern could match.
    """
    for pattern in patterns:
        if wrong := sorted(_CAN_MATCH_IDENTITY_IDS & set(pattern.partition("/")[0])):
            raise ValueError(
                f"{pattern} has {' and '.join(wrong)} before its first slash; remove it, because in access mode "
                f"{LEAST_PRIVILEGE} the pattern could match users' own topics, which begin with the identity id"
            )


def check_smoke_test_topics(patterns: Iterable[str]) -> None:
    """Check that the smoke test can use unique topics.

    Raises:
        ValueError: no pattern ends in ``*``.
    """
    if not any(pattern.endswith("*") for pattern in patterns):
        raise ValueError(
            "at least one must end in *, such as pubsub-smoke/*, so that the smoke test can use unique topics"
        )
