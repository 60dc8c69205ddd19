"""Why an attachment was skipped or failed, and how logs name an error. Does not import the AWS SDK.

Exception
├── AttachmentSkippedError
│   ├── AttachmentPausedError
│   ├── CannotSignInError
│   ├── InternalSignInLoopError
│   └── SelfAttachRequiredError
│       ├── FederatedUserError
│       ├── MfaUserError
│       └── UnexpectedChallengeError
└── NewPasswordRequiredError
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Cognito's message about a trigger that raised an error begins so; the text of the error follows.
_TRIGGER_FAILED = re.compile(
    "(PreSignUp|PreAuthentication|PostAuthentication|PreTokenGeneration|UserMigration|CustomMessage"
    "|DefineAuthChallenge|CreateAuthChallenge|VerifyAuthChallengeResponse) failed with error "
)
# Reports differ on the code for PreAuthentication: https://github.com/floci-io/floci/issues/3851
_TRIGGER_CODES = ("UserLambdaValidationException", "NotAuthorizedException")


class AttachmentSkippedError(Exception):
    """The attachment must not be retried: trigger and worker cannot make it, or are not allowed to."""


class AttachmentPausedError(AttachmentSkippedError):
    """`pubsub detach --all` has paused attachment; `pubsub sweep --resume` resumes it."""


class CannotSignInError(AttachmentSkippedError):
    """The user was deleted or disabled, must reset the password, or the name belongs to another user now."""


class InternalSignInLoopError(AttachmentSkippedError):
    """A sign-in on the internal app client invoked the trigger, which must not start another internal sign-in."""


class SelfAttachRequiredError(AttachmentSkippedError):
    """An internal sign-in is not possible for this user. The user can self-attach."""


class FederatedUserError(SelfAttachRequiredError):
    """The user is federated; Cognito has no custom challenges for federated users."""


class MfaUserError(SelfAttachRequiredError):
    """The user has MFA. An internal sign-in would bypass it, or send the user a code."""


class UnexpectedChallengeError(SelfAttachRequiredError):
    """Cognito asks for a challenge that only the user can answer; the message is its name."""


class NewPasswordRequiredError(Exception):
    """The password is temporary until the user completes the first sign-in."""


def error_label(error: BaseException) -> str:
    """Name an error without its message, which can quote identity ids.

    Returns:
        Operation and code of an AWS error, such as ``AttachPolicy: ThrottlingException``; otherwise the class name.
        If a user pool trigger rejected the sign-in, its name follows: ``(PreAuthentication)``.
    """
    code = _response(error).get("Error", {}).get("Code")
    operation = getattr(error, "operation_name", None)
    trigger = rejecting_trigger(error)
    label = f"{operation}: {code}" if code and operation else type(error).__name__
    return f"{label} ({trigger})" if trigger else label


def rejecting_trigger(error: BaseException) -> str | None:
    """Return the user pool trigger that caused Cognito's error, such as ``PreAuthentication``; otherwise None."""
    details = _response(error).get("Error", {})
    if details.get("Code") not in _TRIGGER_CODES:
        return None
    found = _TRIGGER_FAILED.match(details.get("Message") or "")
    return found[1] if found else None


def _response(error: BaseException) -> Mapping[str, Any]:
    return getattr(error, "response", None) or {}  # botocore's connection errors have a response of None
