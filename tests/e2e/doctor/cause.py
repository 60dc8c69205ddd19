"""A cause for which a signed-in user cannot publish, as a test and a row of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.e2e.doctor.asked import Asked, about_token
from tests.e2e.doctor.patient import Patient, Stage


def chat(patient: Patient) -> Stage:
    """What a user sees who has signed in and sends a message."""
    return patient.chat(patient.tokens)


def sign_in_and_chat(patient: Patient) -> Stage:
    """What a user sees who signs in and sends a message."""
    return patient.chat()


@dataclass(frozen=True)
class Cause:
    """One way in which a deployment or an app is wrong.

    Args:
        number: its number among the causes that people met.
        name: what is wrong.
        made: how the test makes it.
        check: the id of the check that must name it.
        says: what the check's cause must say; a regular expression.
        fix: the commands of the fix, without their options; in words where it is no command.
        make: makes it, for one user of a healthy deployment; returns another user if it is about another.
        symptom: how far the user then comes; None where only the doctor's options are wrong.
        ask: how the doctor is asked.
        see: what the symptom is seen by.
        works: what it is seen by that users get through again; None where the fix gives another password.
        follow: reads the fix where it is no command but a thing to do in the app, does it, and tells how the doctor is
            asked then.
        meanwhile: what happens by itself while the fix is run.
        lasting: the fix makes something else than there was, and the deployment goes on with it.
        status: what the check's result is.
    """

    number: int
    name: str
    made: str
    check: str
    says: str
    fix: tuple[str, ...] | str
    symptom: Stage | None = None
    make: Callable[[Patient], Patient | None] = lambda patient: patient
    ask: Callable[[Patient], Asked] = about_token
    see: Callable[[Patient], Stage] = chat
    works: Callable[[Patient], Stage] | None = chat
    follow: Callable[[Patient, str], Asked] | None = None
    meanwhile: Callable[[Patient], None] | None = None
    status: str = "failed"
    lasting: bool = False

    def __str__(self) -> str:
        """Return what the test is called by."""
        return f"{self.number} {self.name}"
