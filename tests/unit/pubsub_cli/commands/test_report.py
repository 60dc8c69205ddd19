from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from pubsub_cli.checks.identity import IdentityIsGiven, PolicyIsAttached
from pubsub_cli.checks.runner import Result
from pubsub_cli.checks.sign_in import UserSignsIn
from pubsub_cli.commands.exit_code import ExitCode
from pubsub_cli.commands.options import stack_name
from pubsub_cli.commands.report import Progress, as_json, exit_code
from pubsub_cli.commands.told import redacted
from pubsub_cli.finding import Finding, Status, failed, passed, skipped, warning

_IDENTITY_ID = "us-gov-west-1:1a2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f"
_FAILED = failed(f"{_IDENTITY_ID} is not attached.", resource=_IDENTITY_ID, fix="first\nsecond")


def _shown(finding: Finding, *, redact: bool = False) -> list[str]:
    written = io.StringIO()
    progress = Progress(Console(file=written, width=200), redact)
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
def test_what_failed_or_could_not_be_told_does_not_pass(finding: Finding, code: ExitCode) -> None:
    assert exit_code([Result(UserSignsIn, passed(), 0), Result(PolicyIsAttached, finding, 0)]) is code


def test_without_a_terminal_a_check_is_one_plain_line() -> None:
    (line,) = _shown(passed("myIoTPolicy"))
    assert line.split() == ["PS203", "identity", *PolicyIsAttached.title.split(), "ok", "0.25", "s", "myIoTPolicy"]
    assert "\x1b" not in line


def test_a_failure_shows_cause_resource_fix_and_docs() -> None:
    line, *rest = _shown(_FAILED)
    assert "FAILED" in line
    assert [each.split(maxsplit=1)[0] for each in rest] == ["cause", "resource", "fix", "second", "docs"]
    assert rest[3].index("second") == rest[2].index("first")
    assert rest[-1].endswith("docs/checks.md#ps203")


def test_a_skipped_check_says_what_it_rests_on() -> None:
    (line,) = _shown(skipped("depends on PS201, which did not pass"))
    assert line.endswith("depends on PS201, which did not pass")


def test_redact_masks_identity_ids_and_nothing_else() -> None:
    assert _IDENTITY_ID not in "\n".join(_shown(_FAILED, redact=True))
    assert redacted(f"policy myIoTPolicy of {_IDENTITY_ID}") == "policy myIoTPolicy of <identity id>"
    arn = "arn:aws:iam::123456789012:role/us-east-1"
    assert redacted(arn) == arn


def test_the_json_document_counts_what_it_lists() -> None:
    results = [
        Result(UserSignsIn, passed("1.0 s"), 1.0),
        Result(IdentityIsGiven, passed(), 0.0125),
        Result(PolicyIsAttached, _FAILED, 0.5),
    ]
    document = json.loads(as_json("smoke", "AmplifyPubSub", "eu-west-1", results, redact=False))
    assert document["summary"] == {
        "passed": 2, "failed": 1, "warning": 0, "skipped": 0, "unknown": 0, "duration_ms": 1512, "exit_code": 1
    }  # fmt: skip
    assert document["checks"][2]["resource"] == _IDENTITY_ID
    assert document["checks"][0]["cause"] is None
    masked = as_json("smoke", "AmplifyPubSub", "eu-west-1", results, redact=True)
    assert json.loads(masked)["checks"][2]["resource"] == "<identity id>"


def test_the_environment_names_the_stack_unless_the_stack_is_named() -> None:
    assert stack_name("AmplifyPubSub", None) == "AmplifyPubSub"
    assert stack_name("AmplifyPubSub", "default") == "AmplifyPubSub"
    assert stack_name("AmplifyPubSub", "prod") == "AmplifyPubSub-prod"
    assert stack_name("Other", "prod") == "Other"
