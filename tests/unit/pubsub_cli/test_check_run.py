from __future__ import annotations

import io
import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from pubsub_cli.check_run import CheckRun, Progress, as_json, as_junit
from pubsub_cli.checks.check import Result
from pubsub_cli.checks.identity import IdentityIsGiven, PolicyIsAttached
from pubsub_cli.checks.sign_in import RepeatSignInSkipsAttachment, UserSignsIn
from pubsub_cli.errors import ExitCode
from pubsub_cli.finding import Finding, Status, failed, passed, skipped, warning
from pubsub_cli.run_options import RunOptions, mask_identity_ids

_IDENTITY_ID = "us-gov-west-1:1a2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f"
_RUN = RunOptions("smoke", "AmplifyPubSub", "eu-west-1")
_FAILED = failed(f"{_IDENTITY_ID} is not attached.", resource=_IDENTITY_ID, fix="first\nsecond")


def _shown(finding: Finding, *, redact: bool = False) -> list[str]:
    written = io.StringIO()
    progress = Progress(Console(file=written, width=200), RunOptions("doctor", redact=redact))
    progress.started(PolicyIsAttached)
    progress.ended(Result(PolicyIsAttached, finding, 0.25))
    return [line.rstrip() for line in written.getvalue().splitlines()]


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


def test_progress_without_a_terminal_is_one_plain_line() -> None:
    (line,) = _shown(passed("myIoTPolicy"))
    assert line.split() == ["PS203", "identity", *PolicyIsAttached.title.split(), "ok", "0.25", "s", "myIoTPolicy"]
    assert "\x1b" not in line


def test_progress_of_a_failure_has_cause_resource_fix_and_docs() -> None:
    line, *rest = _shown(_FAILED)
    assert "FAILED" in line
    assert [each.split(maxsplit=1)[0] for each in rest] == ["cause", "resource", "fix", "second", "docs"]
    assert rest[3].index("second") == rest[2].index("first")
    assert rest[-1].endswith("docs/reference/checks.md#ps203")


def test_progress_of_a_skipped_check_has_the_reason() -> None:
    (line,) = _shown(skipped("depends on PS201, which did not pass"))
    assert line.endswith("depends on PS201, which did not pass")


def test_redact_masks_only_identity_ids() -> None:
    assert _IDENTITY_ID not in "\n".join(_shown(_FAILED, redact=True))
    assert mask_identity_ids(f"policy myIoTPolicy of {_IDENTITY_ID}") == "policy myIoTPolicy of <identity id>"
    arn = "arn:aws:iam::123456789012:role/us-east-1"
    assert mask_identity_ids(arn) == arn


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
        Result(PolicyIsAttached, skipped("depends on PS201, which did not pass"), 0),
        Result(RepeatSignInSkipsAttachment, Finding(Status.UNKNOWN, cause="not permitted"), 0),
    ]
    (suite,) = ET.fromstring(as_junit(_RUN, CheckRun(results)))
    assert suite.attrib == {
        "name": "pubsub smoke AmplifyPubSub",
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1", "time": "1.250",
    }  # fmt: skip
    assert [case.get("classname") for case in suite] == ["sign-in", "identity", "identity", "sign-in"]
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["skipped"], ["error"]]
    failure = suite[1][0]
    assert (failure.get("message"), failure.text) == ("a < b & c", "r\ndo it\ndocs/reference/checks.md#ps201")
