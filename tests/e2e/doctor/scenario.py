"""One way in which a deployment or an app is wrong: how to break it, what the doctor reports, how it is fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.e2e.doctor.doctor_run import DoctorOptions, with_token
from tests.e2e.doctor.simulated_user import SimulatedUser, Stage


@dataclass(frozen=True)
class FailureScenario:
    """A test, and a row of the table in docs/reference/checks.md.

    Args:
        cause: the number of the root cause in that table.
        title: what is wrong.
        broken_by: how ``break_it`` does it, for the table.
        check: the id of the check that must report it.
        reports: a regular expression for the reported cause.
        fix: the commands of the printed fix without their options, or what the printed sentence asks for.
        break_it: breaks a healthy deployment for a user; may return another user to ask about.
        symptom: how far the user then gets; None where only the doctor's options are wrong.
        observe: what shows the symptom before the fix and its end afterwards.
        observe_fixed: the same after the fix, if something else shows it.
        options: how the doctor is run.
        follow: does what a fix without commands asks for, or what must happen while its commands run; returns the
            options of the next run of the doctor, or None for the same ones.
        status: the check's status.
    """

    cause: int
    title: str
    broken_by: str
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
