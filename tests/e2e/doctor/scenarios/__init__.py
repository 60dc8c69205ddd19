"""One scenario for each root cause and each check that reports it."""

from __future__ import annotations

from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.scenarios import app, attachment, dependencies, permissions, sign_in

SCENARIOS: list[FailureScenario] = sorted(
    (scenario for module in (app, attachment, dependencies, permissions, sign_in) for scenario in module.SCENARIOS),
    key=lambda scenario: scenario.cause,
)

NOT_TESTED = {
    13: (
        "the session token is part of the signature",
        "the app signs; the doctor signs correctly and cannot see what the app does",
    ),
}
"""Root causes without a scenario: what is wrong, and why it cannot be tested here."""
