"""Each scenario breaks a healthy deployment. The doctor must report the cause, and the printed fix must work."""

from __future__ import annotations

import re

import pytest

from tests.e2e.doctor.doctor_run import Report, commands_of, run_doctor, run_fix
from tests.e2e.doctor.scenario import FailureScenario
from tests.e2e.doctor.scenarios import NOT_TESTED, SCENARIOS
from tests.e2e.doctor.simulated_user import SimulatedUser, Stage

_UPDATED = re.compile(r"^aws lambda update-function-configuration --function-name (\S+)", re.MULTILINE)
_DEPENDENCY = re.compile(r"(PS\d+) did not pass")
_NOTHING_TO_TEST = ("no user gets a group's role", "no run within the last hour")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_doctor_reports_the_cause_and_prints_a_fix_that_works(scenario: FailureScenario, user: SimulatedUser) -> None:
    user = scenario.break_it(user) or user
    if scenario.symptom:
        assert scenario.observe(user) is scenario.symptom
    options, cloud = scenario.options(user), user.deployment.cloud

    report = run_doctor(cloud, options)
    assert [each["id"] for each in report.findings] == [scenario.check], report.texts
    (found,) = report.findings
    assert found["status"] == scenario.status
    assert re.search(scenario.reports, found["cause"]), found["cause"]
    assert report.exit_code == (scenario.status == "failed")
    assert _skipped_for_another_reason(report, scenario.check) == []

    fix, followed = found["fix"], None
    if isinstance(scenario.fix, tuple):
        assert commands_of(fix) == scenario.fix
    if scenario.follow:
        followed = scenario.follow(user, fix)
    else:
        run_fix(cloud, fix, options.stdin)
        for function in _UPDATED.findall(fix):
            user.client("lambda").get_waiter("function_updated_v2").wait(FunctionName=function)

    fixed = run_doctor(cloud, (followed or options).plus("--only", scenario.check))
    assert fixed.texts == [], f"after {fix}: {fixed.texts}"
    if not followed:
        assert (scenario.observe_fixed or scenario.observe)(user) is Stage.DELIVERED


def test_every_root_cause_has_one_scenario_or_a_reason() -> None:
    assert sorted([*(scenario.cause for scenario in SCENARIOS), *NOT_TESTED]) == [*range(1, 32)]


def _skipped_for_another_reason(report: Report, check_id: str) -> list[str]:
    """Return the skipped checks, except those that lack an option or a dependency, or have nothing to test."""
    failed, others = {check_id}, []
    for check in report.checks:
        if check["status"] != "skipped" or check["cause"].startswith(("needs ", "left out", "skipped by")):
            continue
        if check["cause"] in _NOTHING_TO_TEST:
            continue
        dependency = _DEPENDENCY.fullmatch(check["cause"])
        if dependency and dependency[1] in failed:
            failed.add(check["id"])
        else:
            others.append(f"{check['id']}: {check['cause']}")
    return others
