"""The patterns of topics that settings may open, in the form in which a policy's resources contain them.

`*` and `?` are wildcards in the resources of AWS IoT's and IAM's policies, and `${...}` is a policy variable there; the
MQTT wildcards `+` and `#` are literals.
https://docs.aws.amazon.com/iot/latest/developerguide/pub-sub-policy.html
https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pubsub_client.outputs import LEAST_PRIVILEGE

_SLASHES: Final = 7
_MQTT_WILDCARDS: Final = frozenset("#+")
# The two wildcards; the beginning of a variable, whose value nobody checks; and the colon, which every identity id
# has (https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html) and no other first level needs.
_CAN_REACH_IDENTITY_IDS: Final = frozenset("*?$:")


def check_pattern(pattern: str) -> None:
    """Check a pattern of topics.

    https://docs.aws.amazon.com/general/latest/gr/iot-core.html#message-broker-limits

    Raises:
        ValueError: it is not one that the settings may open.
    """
    if wildcards := sorted(_MQTT_WILDCARDS & set(pattern)):
        raise ValueError(f"an IoT policy takes {' and '.join(wildcards)} literally; * stands for any characters there")
    if pattern.startswith("$"):
        raise ValueError("reserved topics are opened by reservedTopics, not here")
    if pattern.count("/") > _SLASHES:
        raise ValueError(f"AWS IoT takes at most {_SLASHES} slashes in a topic")


def check_shared(patterns: Iterable[str]) -> None:
    """Check that patterns of shared topics cannot match topics of one user, which begin with the identity id.

    A first level of literal characters without a colon equals no identity id, whatever the other levels match.

    Raises:
        ValueError: one of them could.
    """
    for pattern in patterns:
        if wrong := sorted(_CAN_REACH_IDENTITY_IDS & set(pattern.partition("/")[0])):
            raise ValueError(
                f"in access mode {LEAST_PRIVILEGE} a shared topic has no {' and no '.join(wrong)} before its first "
                f"slash, and {pattern} has: it could reach users' own topics, which begin with the identity id"
            )


def check_testable(patterns: Iterable[str]) -> None:
    """Check that patterns leave the smoke test topics of its own.

    Raises:
        ValueError: none of them ends in ``*``.
    """
    if not any(pattern.endswith("*") for pattern in patterns):
        raise ValueError(
            "one at least must end in *, so that the smoke test has topics of its own; pubsub-smoke/* will do"
        )
