"""A run as JUnit XML, which pipelines show: a test suite, with a test case for each check."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from pubsub_cli.checks.runner import Result
from pubsub_cli.finding import Status
from pubsub_client._printable import printable

_ELEMENTS = {Status.FAILED: "failure", Status.UNKNOWN: "error", Status.SKIPPED: "skipped"}


def as_junit(command: str, stack: str, results: Sequence[Result]) -> str:
    """Return the XML; what could not be told is an error, as it does not pass either."""
    counts = {name: sum(_ELEMENTS.get(each.finding.status) == name for each in results) for name in _ELEMENTS.values()}
    seconds = sum(each.seconds for each in results)
    suite = ET.Element(
        "testsuite",
        name=f"pubsub {command} {stack}",
        tests=str(len(results)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
        time=f"{seconds:.3f}",
    )
    for result in results:
        _add_case(suite, result)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    # XML cannot write most controls, not even as references.
    return printable(ET.tostring(root, encoding="unicode", xml_declaration=True)) + "\n"


def _add_case(suite: ET.Element, result: Result) -> None:
    finding = result.finding
    case = ET.SubElement(
        suite,
        "testcase",
        classname=result.check.group.value,
        name=f"{result.check.id} {result.check.title}",
        time=f"{result.seconds:.3f}",
    )
    if name := _ELEMENTS.get(finding.status):
        told = ET.SubElement(case, name, message=finding.cause or "")
        told.text = "\n".join(part for part in (finding.resource, finding.fix, result.check.docs()) if part)
