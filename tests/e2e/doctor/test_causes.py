"""Each cause is made on a healthy deployment; the doctor must name it, and what it prints must mend it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.doctor.cause import Cause
from tests.e2e.doctor.causes import CAUSES, FIRST, NOT_MADE
from tests.e2e.doctor.patient import Patient, Stage
from tests.e2e.doctor.restoring import Restorer
from tests.e2e.doctor.running import Report, commands, run_doctor, run_fix

_UPDATED = re.compile(r"^aws lambda update-function-configuration --function-name (\S+)", re.MULTILINE)
_DEPENDS_ON = re.compile(r"depends on (PS\d+), which did not pass")


@pytest.mark.parametrize("cause", CAUSES, ids=str)
def test_the_doctor_names_the_cause_and_what_it_prints_mends_it(
    cause: Cause, patient: Patient, restorer: Restorer
) -> None:
    patient = cause.make(patient) or patient
    if cause.symptom:
        assert cause.see(patient) is cause.symptom
    asked, cloud = cause.ask(patient), patient.deployment.cloud
    only = ("--only", cause.check)

    # The first cause of each number is the only one that the whole run finds; of the others, what it depends on passes.
    report = run_doctor(cloud, asked if cause in FIRST else asked.and_(*only))

    assert [each["id"] for each in report.bad] == [cause.check], report.told
    (found,) = report.bad
    assert found["status"] == cause.status
    assert re.search(cause.says, found["cause"]), found["cause"]
    assert report.exit_code == (cause.status == "failed")
    assert _skipped_for_another_reason(report, cause.check) == []

    if cause.follow:
        asked = cause.follow(patient, found["fix"])
    else:
        assert commands(found["fix"]) == cause.fix
        with happening(cause, patient):
            run_fix(cloud, found["fix"], asked.stdin)
        for function in _UPDATED.findall(found["fix"]):
            patient.wait_until_updated(function)

    mended = run_doctor(cloud, asked.and_(*only))
    assert mended.told == [], f"after {found['fix']}: {mended.told}"
    assert mended.exit_code == 0
    if cause.works and not cause.follow:
        assert cause.works(patient) is Stage.ALL
    if cause.lasting:
        restorer.learn()


@contextmanager
def happening(cause: Cause, patient: Patient) -> Iterator[None]:
    """Let happen in this block what happens by itself, a second after its begin."""
    if cause.meanwhile is None:
        yield
        return
    timer = threading.Timer(1, cause.meanwhile, [patient])
    timer.start()
    yield
    timer.join()


def test_at_least_28_of_the_31_causes_are_made() -> None:
    numbers = {cause.number for cause in CAUSES}
    assert numbers | NOT_MADE.keys() == set(range(1, 32))
    assert len(numbers) >= 28


def _skipped_for_another_reason(report: Report, check_id: str) -> list[str]:
    """Return the checks that were skipped neither for want of an option nor for resting on the one that failed."""
    resting, others = {check_id}, []
    for check in report.checks:
        if check["status"] != "skipped" or check["cause"].startswith(("needs ", "left out")):
            continue
        ground = _DEPENDS_ON.fullmatch(check["cause"])
        if ground and ground[1] in resting:
            resting.add(check["id"])
        else:
            others.append(f"{check['id']}: {check['cause']}")
    return others
