"""Which user attributes a user pool's triggers receive: all, unless set.

AWS does not document whether the ReadAttributes of the app client limit what a trigger receives. Tests set this to see
what happens if they do.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
"""

from __future__ import annotations

from dataclasses import dataclass

KEY = "only_readable_attributes"
"""The key in the document at ``/_local_cloud/trigger-events``."""


@dataclass
class TriggerEvents:
    """What events carry."""

    only_readable_attributes: bool = False
    """Whether the attributes that the app client may not read are left out."""


EVENTS = TriggerEvents()
"""This cloud's."""


def read() -> dict[str, bool]:
    """Return what is set."""
    return {KEY: EVENTS.only_readable_attributes}


def change(document: object) -> dict[str, bool]:
    """Set it.

    Raises:
        ValueError: the document is another.
    """
    if not isinstance(document, dict) or document.keys() != {KEY} or not isinstance(document[KEY], bool):
        raise ValueError(f"body: allowed is an object with {KEY}, true or false")
    EVENTS.only_readable_attributes = document[KEY]
    return read()
