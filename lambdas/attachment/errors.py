"""Why a user cannot be attached by trigger or worker. Importing this module imports no SDK."""

from __future__ import annotations


class SelfAttachRequiredError(Exception):
    """Nobody but this user can prove who it is, so neither trigger nor worker can attach: self-attach is their way."""


class FederatedUserError(SelfAttachRequiredError):
    """Cognito signs nobody from another identity provider in by a challenge, so there is no internal sign-in."""


class MfaUserError(SelfAttachRequiredError):
    """The user has a second factor, which a internal sign-in would either step around or have sent: neither may be."""


class UnexpectedChallengeError(SelfAttachRequiredError):
    """Cognito asks this user something that nobody can answer here."""

    def __init__(self, challenge: str) -> None:
        super().__init__(challenge)
        self.challenge = challenge


class NewPasswordRequiredError(Exception):
    """Cognito still takes the user's password for a temporary one, which passes once the first sign-in is through."""


class InternalSignInLoopError(Exception):
    """The trigger was fired by a sign-in on the internal app client, which must never start another."""


class AttachmentPausedError(Exception):
    """`pubsub detach --all` has turned attaching off; nothing is owed until `pubsub sweep --resume` turns it on."""


class CannotSignInError(Exception):
    """The user was deleted or disabled since, or must reset the password: nothing is owed before the next sign-in.

    A user who was deleted stays deleted if another one has the name by now.
    """
