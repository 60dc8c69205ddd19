"""How user pools call their triggers."""

from __future__ import annotations

from dataclasses import dataclass

AWS_TIMEOUT_SECONDS = 5.0


@dataclass
class TriggerSettings:
    """How long Cognito waits for a trigger at sign-in, three times, and what events contain.

    AWS does not document whether the ReadAttributes of the app client limit what a trigger receives. Tests set this to
    see what happens if they do.
    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
    """

    seconds: float = AWS_TIMEOUT_SECONDS
    only_readable_attributes: bool = False


TRIGGERS = TriggerSettings()
"""This cloud's."""
