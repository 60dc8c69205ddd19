"""Why an attachment was skipped or failed, and how a log names an error. Importing this module imports no SDK.

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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# How Cognito begins the message about a trigger that raised an error; the trigger's own text follows.
_TRIGGER_FAILED = re.compile(
    "(PreSignUp|PreAuthentication|PostAuthentication|PreTokenGeneration|UserMigration|CustomMessage"
    "|DefineAuthChallenge|CreateAuthChallenge|VerifyAuthChallengeResponse) failed with error "
)
# Reports differ on the code for PreAuthentication: https://github.com/floci-io/floci/issues/3851
_TRIGGER_CODES = ("UserLambdaValidationException", "NotAuthorizedException")


class AttachmentSkippedError(Exception):
    """The attachment must not be retried: neither the trigger nor the worker can or may make it."""


class AttachmentPausedError(AttachmentSkippedError):
    """`pubsub detach --all` has paused attachment; `pubsub sweep --resume` resumes it."""


class CannotSignInError(AttachmentSkippedError):
    """The user was deleted or disabled, must reset the password, or another user has the name by now."""


class InternalSignInLoopError(AttachmentSkippedError):
    """A sign-in on the internal app client fired the trigger; it must not start another internal sign-in."""


class SelfAttachRequiredError(AttachmentSkippedError):
    """The internal sign-in is not possible for this user, who can only self-attach."""


class FederatedUserError(SelfAttachRequiredError):
    """The user comes from another identity provider; Cognito offers these users no custom challenge."""


class MfaUserError(SelfAttachRequiredError):
    """The user has MFA. An internal sign-in would bypass it, or have a code sent to the user."""


class UnexpectedChallengeError(SelfAttachRequiredError):
    """Cognito asks for a challenge that only the user can answer; the message names it."""


class NewPasswordRequiredError(Exception):
    """The password is still temporary; this ends with the user's first complete sign-in."""


def error_label(error: BaseException) -> str:
    """Name an error without its message, which can quote identity ids.

    Returns:
        ``AttachPolicy: ThrottlingException`` for an error of AWS, otherwise the class name. If a user pool trigger
        rejected a sign-in, its kind follows: ``(PreAuthentication)``.
    """
    code = _response(error).get("Error", {}).get("Code")
    operation = getattr(error, "operation_name", None)
    trigger = rejecting_trigger(error)
    label = f"{operation}: {code}" if code and operation else type(error).__name__
    return f"{label} ({trigger})" if trigger else label


def rejecting_trigger(error: BaseException) -> str | None:
    """Return the kind of the user pool trigger whose error Cognito passes on, such as ``PreAuthentication``."""
    details = _response(error).get("Error", {})
    if details.get("Code") not in _TRIGGER_CODES:
        return None
    found = _TRIGGER_FAILED.match(details.get("Message") or "")
    return found[1] if found else None


def _response(error: BaseException) -> Mapping[str, Any]:
    return getattr(error, "response", None) or {}  # botocore's connection errors have a response of None
