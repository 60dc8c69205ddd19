"""How user pools call their triggers: what an event carries, and how long Cognito waits for the answer.

AWS does not document whether the ReadAttributes of the app client limit what a trigger receives. Tests set this to see
what happens if they do.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html

Cognito waits five seconds, three times.
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

ATTRIBUTES_KEY = "only_readable_attributes"
TIMEOUT_KEY = "timeout_seconds"
"""The keys in the document at ``/_local_cloud/trigger-events``: the names of the settings."""

AWS_TIMEOUT_SECONDS = 5.0


@dataclass
class TriggerEvents:
    """What is set."""

    only_readable_attributes: bool = False
    """Whether the attributes that the app client may not read are left out."""

    timeout_seconds: float = AWS_TIMEOUT_SECONDS
    """How long the PreAuthentication and PostAuthentication triggers may take."""


EVENTS = TriggerEvents()
"""This cloud's."""


def read() -> dict[str, Any]:
    """Return what is set."""
    return asdict(EVENTS)


def change(document: object) -> dict[str, Any]:
    """Set one or both.

    Raises:
        ValueError: the document is another; nothing is set.
    """
    accepted: dict[str, Callable[[Any], bool]] = {
        ATTRIBUTES_KEY: lambda value: isinstance(value, bool),
        TIMEOUT_KEY: lambda value: type(value) in {int, float} and 0 < value < math.inf,
    }
    if not isinstance(document, dict) or not all(key in accepted and accepted[key](document[key]) for key in document):
        raise ValueError(
            f"body: allowed is an object with {ATTRIBUTES_KEY}, true or false, and {TIMEOUT_KEY}, a number above 0"
        )
    for key, value in document.items():
        setattr(EVENTS, key, value)
    return read()
