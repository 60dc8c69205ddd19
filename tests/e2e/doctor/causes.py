"""All the causes, in the order of their numbers, and those that cannot be made here."""

from __future__ import annotations

from tests.e2e.doctor import app_causes, attachment_causes, chain_causes, policy_causes, role_causes, sign_in_causes

_MODULES = (app_causes, attachment_causes, chain_causes, policy_causes, role_causes, sign_in_causes)

CAUSES = sorted((cause for module in _MODULES for cause in module.CAUSES), key=lambda cause: cause.number)

FIRST = {cause.number: cause for cause in reversed(CAUSES)}.values()
"""One for each number."""

NOT_MADE = {
    13: (
        "the session token was put inside the signature",
        "the app's own code signs; the doctor signs as AWS IoT wants it and cannot see how the app does",
    ),
}
"""What cannot be made: by the cause's number, what it is, and why."""
