"""What the trigger said last, when, and to whom it matters."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from pubsub_cli.checks.trigger_log import TriggerWorks
from pubsub_cli.finding import Status
from tests.unit.pubsub_cli.checks.answers import TRIGGER, Answers, error, find

FUNCTION = {"FunctionName": TRIGGER, "Role": "arn:aws:iam::123456789012:role/R", "LoggingConfig": {"LogGroup": "/log"}}
TIMED_OUT = "2026-01-01 Task timed out after 4.00 seconds"
GAVE_UP = json.dumps({"outcome": "Failed", "reason": "AttachPolicy: ServiceFailure"})
ATTACHED = json.dumps({"outcome": "Attached"})


def log(**seconds_ago: tuple[float, str]) -> Answers:
    """Write a log; each of its lines has any name, its age and its text."""
    events = [(int((time.time() - ago) * 1000), message) for ago, message in seconds_ago.values()]

    def within(asked: dict[str, Any]) -> dict[str, Any]:
        return {
            "events": [
                {"timestamp": at, "message": message}
                for at, message in sorted(events)
                if asked["startTime"] <= at < asked["endTime"]
            ]
        }

    return Answers(GetFunctionConfiguration=FUNCTION, FilterLogEvents=within)


@pytest.mark.parametrize("word", [TIMED_OUT, GAVE_UP])
@pytest.mark.parametrize(
    ("signed_in_ago", "status"), [(None, Status.WARNING), (10, Status.WARNING), (100, Status.FAILED)]
)
async def test_a_failure_breaks_the_sign_in_of_this_run_alone(
    word: str, signed_in_ago: float | None, status: Status
) -> None:
    started = None if signed_in_ago is None else time.monotonic() - signed_in_ago
    finding = await find(TriggerWorks, log(last=(30, word)), left={"sign_in_started": started})
    assert finding.status is status
    assert " UTC" in str(finding.cause)


@pytest.mark.parametrize(("ago", "reads"), [(10, 1), (200, 2), (3000, 3)])
async def test_the_log_is_read_no_further_back_than_to_the_last_word(ago: float, reads: int) -> None:
    aws = log(older=(3500, ATTACHED), last=(ago, TIMED_OUT))
    finding = await find(TriggerWorks, aws)
    assert "Task timed out" in str(finding.cause)
    assert [operation for operation, _ in aws.calls].count("FilterLogEvents") == reads


async def test_what_was_said_since_makes_a_failure_good() -> None:
    finding = await find(TriggerWorks, log(first=(100, TIMED_OUT), last=(10, ATTACHED)))
    assert (finding.status, str(finding.detail)[:16]) == (Status.PASSED, "it said Attached")


@pytest.mark.parametrize("word", [TIMED_OUT, GAVE_UP])
async def test_the_fix_shows_the_log_around_the_failure(word: str) -> None:
    finding = await find(TriggerWorks, log(last=(2000, word)))
    start = int(str(finding.fix).rpartition("--start-time ")[2]) / 1000
    assert time.time() - 2100 < start < time.time() - 2000


async def test_a_trigger_that_never_ran_has_said_nothing() -> None:
    aws = Answers(GetFunctionConfiguration=FUNCTION, FilterLogEvents=error("ResourceNotFoundException"))
    finding = await find(TriggerWorks, aws)
    assert (finding.status, finding.detail) == (Status.PASSED, "it has said nothing in the last hour")


@pytest.mark.parametrize(("signed_in_ago", "since"), [(100, True), (10, False), (None, False)])
async def test_what_was_said_in_this_run_is_told_as_such(signed_in_ago: float | None, since: bool) -> None:
    started = None if signed_in_ago is None else time.monotonic() - signed_in_ago
    finding = await find(TriggerWorks, log(last=(30, ATTACHED)), left={"sign_in_started": started})
    assert str(finding.detail).endswith(", since this sign-in began") is since
