"""One scenario for each root cause."""

from __future__ import annotations

from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.scenarios import app, permissions, sign_in

SCENARIOS: list[FailureScenario] = sorted(
    [*app.SCENARIOS, *permissions.SCENARIOS, *sign_in.SCENARIOS], key=lambda scenario: scenario.cause
)

NOT_TESTED = {
    13: (
        "the session token is part of the signature",
        "the app signs, and the doctor cannot see its requests",
    ),
}
"""Root causes without a scenario: what is wrong, and why it cannot be tested here."""
