from __future__ import annotations

from xml.etree import ElementTree as ET

from pubsub_cli.checks.identity import IdentityIsGiven, PolicyIsAttached
from pubsub_cli.checks.runner import Result
from pubsub_cli.checks.sign_in import RepeatSignInIsQuick, UserSignsIn
from pubsub_cli.commands.junit import as_junit
from pubsub_cli.finding import Finding, Status, failed, passed, skipped

_RESULTS = [
    Result(UserSignsIn, passed("1.0 s"), 1.0),
    Result(IdentityIsGiven, failed("a < b & c", resource="r", fix="do it"), 0.25),
    Result(PolicyIsAttached, skipped("depends on PS201, which did not pass"), 0),
    Result(RepeatSignInIsQuick, Finding(Status.UNKNOWN, cause="not permitted"), 0),
]


def test_each_check_is_a_test_case_of_its_group() -> None:
    (suite,) = ET.fromstring(as_junit("smoke", "AmplifyPubSub", _RESULTS))
    assert suite.attrib == {
        "name": "pubsub smoke AmplifyPubSub",
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1", "time": "1.250",
    }  # fmt: skip
    assert [case.get("classname") for case in suite] == ["sign-in", "identity", "identity", "sign-in"]
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["skipped"], ["error"]]


def test_a_failure_carries_cause_resource_and_fix() -> None:
    (suite,) = ET.fromstring(as_junit("smoke", "AmplifyPubSub", _RESULTS))
    failure = suite[1][0]
    assert failure.get("message") == "a < b & c"
    assert failure.text == "r\ndo it\ndocs/checks.md#ps201"
