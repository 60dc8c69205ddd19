from __future__ import annotations

import io
import json
import shlex
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from pubsub_cli.check_run import CheckRun, Progress, as_json, as_junit
from pubsub_cli.checks.check import Result
from pubsub_cli.checks.identity import IdentityIsGiven, PolicyIsAttached
from pubsub_cli.checks.sign_in import RepeatSignInSkipsAttachment, UserSignsIn
from pubsub_cli.errors import ExitCode
from pubsub_cli.finding import AwsCommand, Finding, Status, failed, passed, skipped, warning
from pubsub_cli.options import RunOptions
from pubsub_cli.terminal import wrap_line

_IDENTITY_ID = "us-gov-west-1:1a2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f"
_RUN = RunOptions("smoke", "AmplifyPubSub", "eu-west-1")
_FAILED = failed(f"{_IDENTITY_ID} is not attached.", resource=_IDENTITY_ID, fix="first\nsecond")


def _shown(
    *findings: Finding, width: int = 80, seconds: float = 0.25, redact: bool = False, verbose: bool = False
) -> list[str]:
    """Return the lines that show these findings of one check."""
    written = io.StringIO()
    progress = Progress(Console(file=written, width=width), RunOptions("doctor", redact=redact, verbose=verbose))
    for finding in findings:
        progress.started(PolicyIsAttached)
        progress.ended(Result(PolicyIsAttached, finding, seconds))
    return written.getvalue().splitlines()


@pytest.mark.parametrize(
    ("finding", "code"),
    [
        (passed(), ExitCode.PASSED),
        (warning("late", resource="r", fix="f"), ExitCode.PASSED),
        (skipped("left out"), ExitCode.PASSED),
        (_FAILED, ExitCode.CHECK_FAILED),
        (Finding(Status.UNKNOWN, cause="not permitted"), ExitCode.CHECK_FAILED),
    ],
)
def test_failed_and_unknown_checks_and_leftovers_do_not_pass(finding: Finding, code: ExitCode) -> None:
    results = [Result(UserSignsIn, passed(), 0), Result(PolicyIsAttached, finding, 0)]
    assert CheckRun(results).exit_code is code
    assert CheckRun(results, not_removed=["a user"]).exit_code is ExitCode.CHECK_FAILED


def test_progress_has_one_line_a_check_under_the_heading_of_its_group() -> None:
    title = PolicyIsAttached.title
    assert _shown(passed("myIoTPolicy"), passed()) == ["identity", f"  ok    {title}", f"  ok    {title}"]


def test_progress_shows_the_time_of_slow_checks_at_the_right() -> None:
    _, line = _shown(passed(), seconds=1.25)
    assert line == f"  ok    {PolicyIsAttached.title}".ljust(75) + "1.2 s"


def test_verbose_progress_shows_id_time_and_details() -> None:
    _, line, detail = _shown(passed("myIoTPolicy"), verbose=True)
    assert line == f"  ok    PS203 {PolicyIsAttached.title}".ljust(75) + "0.2 s"
    assert detail == "        myIoTPolicy"


def test_progress_explains_a_failure_with_cause_fix_and_documentation() -> None:
    assert _shown(failed("It is not attached.", resource="r-1", fix=["first", "second"]))[1:] == [
        f"  FAIL  PS203 {PolicyIsAttached.title}",
        "        why  It is not attached. (r-1)",
        "        fix  first",
        "             second",
        "        see  pubsub explain PS203",
    ]


def test_progress_marks_warnings_and_unknown_results() -> None:
    lines = _shown(warning("late", resource="r", fix="f"), Finding(Status.UNKNOWN, cause="not permitted"))
    assert [line[:14] for line in lines if "PS203 the" in line] == ["  warn  PS203 ", "  ?     PS203 "]


def test_progress_shows_why_a_check_was_skipped_below_if_there_is_no_room() -> None:
    short, long = skipped("PS201 did not pass"), skipped("needs --id-token or --password-stdin")
    assert _shown(short, long, seconds=9)[1:] == [
        f"  -     {PolicyIsAttached.title}",
        "        skipped: PS201 did not pass",
        f"  -     {PolicyIsAttached.title}",
        "        skipped: needs --id-token or --password-stdin",
    ]
    assert _shown(short, width=100)[1:] == [f"  -     {PolicyIsAttached.title}  skipped: PS201 did not pass"]


@pytest.mark.parametrize(("width", "used"), [(40, 60), (60, 60), (80, 80), (90, 90), (200, 100)])
def test_explanation_is_as_wide_as_the_terminal_between_60_and_100_columns(width: int, used: int) -> None:
    lines = _shown(failed("word " * 100, resource="r", fix="word " * 100), width=width)[2:]
    assert used - 5 < max(map(len, lines)) <= used


def test_wrapped_command_is_the_same_command() -> None:
    document = '{"Statement": [{"Action": "a --b"}]}'
    command = AwsCommand("iot", "CreatePolicyVersion", {"PolicyName": "it's", "PolicyDocument": document})
    lines = wrap_line(f"{command} --profile acme", 60)
    assert len(lines) == 3
    assert all(len(line) <= 60 for line in lines if "--policy-document" not in line)
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == shlex.split(f"{command} --profile acme")


def test_redact_masks_only_identity_ids() -> None:
    assert _IDENTITY_ID not in "\n".join(_shown(_FAILED, redact=True))
    masked = RunOptions("doctor", redact=True).masked
    assert masked(f"policy myIoTPolicy of {_IDENTITY_ID}") == "policy myIoTPolicy of <identity id>"
    arn = "arn:aws:iam::123456789012:role/us-east-1"
    assert masked(arn) == arn


def test_json_document_counts_the_listed_checks() -> None:
    results = [
        Result(UserSignsIn, passed("1.0 s"), 1.0),
        Result(IdentityIsGiven, passed(), 0.0125),
        Result(PolicyIsAttached, _FAILED, 0.5),
    ]
    document = json.loads(as_json(_RUN, CheckRun(results)))
    assert document["summary"] == {
        "passed": 2, "failed": 1, "warning": 0, "skipped": 0, "unknown": 0, "duration_ms": 1512, "exit_code": 1
    }  # fmt: skip
    assert document["checks"][2]["resource"] == _IDENTITY_ID
    assert document["checks"][0]["cause"] is None
    masked = as_json(replace(_RUN, redact=True), CheckRun(results))
    assert json.loads(masked)["checks"][2]["resource"] == "<identity id>"


def test_junit_report_has_a_test_case_a_check_with_cause_resource_and_fix() -> None:
    results = [
        Result(UserSignsIn, passed("1.0 s"), 1.0),
        Result(IdentityIsGiven, failed("a < b & c", resource="r", fix="do it"), 0.25),
        Result(PolicyIsAttached, skipped("PS201 did not pass"), 0),
        Result(RepeatSignInSkipsAttachment, Finding(Status.UNKNOWN, cause="not permitted"), 0),
    ]
    (suite,) = ET.fromstring(as_junit(_RUN, CheckRun(results)))
    assert suite.attrib == {
        "name": "pubsub smoke AmplifyPubSub",
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1", "time": "1.250",
    }  # fmt: skip
    assert [case.get("classname") for case in suite] == ["sign-in", "identity", "identity", "identity"]
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["skipped"], ["error"]]
    failure = suite[1][0]
    assert (failure.get("message"), failure.text) == ("a < b & c", "r\ndo it\npubsub explain PS201")
