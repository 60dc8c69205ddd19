"""A root cause: how to break a deployment or an app, what the doctor reports, and how to fix it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.e2e.doctor.doctor_run import DoctorOptions, with_token
from tests.e2e.doctor.simulated_user import SimulatedUser, Stage


@dataclass(frozen=True)
class FailureScenario:
    """A test of a root cause; docs/reference/checks.md lists the checks that report root causes.

    Args:
        cause: the number of the root cause, in the order of that page.
        title: what is wrong.
        check: the id of the check that must report it.
        reports: a regular expression for the reported cause.
        fix: the commands of the printed fix without their options, or a summary of the printed instruction.
        break_it: breaks a healthy deployment for a user; may return another user to check.
        symptom: how far the user then gets; None if only the doctor's options are wrong.
        observe: returns how far the user gets, before and after the fix.
        observe_fixed: replaces ``observe`` after the fix.
        options: the options of the doctor.
        follow: follows a fix that is not only commands, instead of running them. Returns the options of the next run of
            the doctor; None for the same ones.
        status: the check's status.
    """

    cause: int
    title: str
    check: str
    reports: str
    fix: tuple[str, ...] | str
    break_it: Callable[[SimulatedUser], SimulatedUser | None] = lambda user: user
    symptom: Stage | None = None
    observe: Callable[[SimulatedUser], Stage] = SimulatedUser.send_message
    observe_fixed: Callable[[SimulatedUser], Stage] | None = None
    options: Callable[[SimulatedUser], DoctorOptions] = with_token
    follow: Callable[[SimulatedUser, str], DoctorOptions | None] | None = None
    status: str = "failed"

    def __str__(self) -> str:
        """Return the id of the test."""
        return f"{self.cause} {self.title}"
