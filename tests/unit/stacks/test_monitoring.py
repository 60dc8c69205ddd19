from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from attachment.metrics import emit_metrics
from stacks.settings import Settings
from tests.unit.stacks.conftest import TOPIC_ARN, Template

_REPOSITORY = Path(__file__).parents[3]
_OPERATIONS = (_REPOSITORY / "docs" / "how-to" / "operate.md").read_text()
_SOURCES = set(
    re.findall(r'source="([^"]+)"', "".join(each.read_text() for each in (_REPOSITORY / "lambdas").glob("*.py")))
)


def _alarms(template: Template) -> dict[str, dict[str, Any]]:
    """Return the alarms by name, without the stack's name."""
    alarms = {each["AlarmName"]: each for each in template.resources("AWS::CloudWatch::Alarm").values()}
    assert all(name.startswith("AmplifyPubSub-") for name in alarms)
    return {name.removeprefix("AmplifyPubSub-"): alarm for name, alarm in alarms.items()}


def _metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics of an alarm."""
    queries = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
    return queries or [alarm]


def _dashboard(template: Template) -> list[dict[str, Any]]:
    """Return the dashboard's widgets, with references as text."""
    parts = template.only("AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"][1]
    known = [each if isinstance(each, str) else json.dumps(each).replace('"', "'") for each in parts]
    widgets: list[dict[str, Any]] = json.loads("".join(known))["widgets"]
    return widgets


def test_alarms_cover_errors_and_throttles_of_attaching_functions(template: Template) -> None:
    attaching = ("SignInAttachment", "SelfAttach", "Sweep")
    functions = {each for each in template.resources("AWS::Lambda::Function") if each.startswith(attaching)}
    assert len(functions) == 5
    for metric in ("Errors", "Throttles"):
        watched = [each["Dimensions"] for each in _alarms(template).values() if each.get("MetricName") == metric]
        assert {dimension["Value"]["Ref"] for (dimension,) in watched} == functions


def test_alarms_cover_both_queues(template: Template) -> None:
    queues, alarms = template.resources("AWS::SQS::Queue"), _alarms(template)
    for name, is_retried in (("retry-queue-age", True), ("dead-letters", False)):
        queue = alarms[name]["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        assert ("RedrivePolicy" in queues[queue]) is is_retried
    # SQS may stop reporting a queue that contains messages, so missing data must not end the alarm.
    assert (alarms["dead-letters"]["Threshold"], alarms["dead-letters"]["TreatMissingData"]) == (0, "ignore")


def test_metrics_of_alarms_and_dashboard_are_reported_by_the_functions(
    template: Template, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACK_NAME", "AmplifyPubSub")
    emit_metrics({"Attached": 1}, source="sign-in", request_id="1", seconds=0.1)
    line = json.loads(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    used = [
        (each["Namespace"], each["MetricName"], {pair["Name"]: pair["Value"] for pair in each["Dimensions"]})
        for alarm in _alarms(template).values()
        for each in _metrics(alarm)
    ]
    for widget in _dashboard(template):
        for namespace, name, *rest in widget["properties"].get("metrics", ()):
            pairs = [each for each in rest if isinstance(each, str)]
            used.append((namespace, name, dict(zip(pairs[::2], pairs[1::2], strict=True))))
    ours = [each for each in used if not each[0].startswith("AWS/")]
    assert {name for _, name, _ in ours} == {metric["Name"] for metric in directive["Metrics"]}
    for namespace, _, dimensions in ours:
        assert namespace == directive["Namespace"]
        assert set(dimensions) == set(directive["Dimensions"][0])
        assert dimensions["Stack"] == line["Stack"]
        assert dimensions["Source"] in _SOURCES


def test_alarms_cover_failures_of_every_source(template: Template) -> None:
    alarms = _alarms(template)
    for source in _SOURCES:
        alarm = alarms["sweep-attach-failed" if source == "sweep" else f"{source}-failed"]
        assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("Failed", "Sum", 0)
        assert {"Name": "Source", "Value": source} in alarm["Dimensions"]


def test_alarm_for_a_slow_trigger_precedes_the_timeout(template: Template) -> None:
    trigger = template.only("AWS::Lambda::Function", lambda each: each.startswith("SignInAttachmentPostAuthentication"))
    alarm = _alarms(template)["trigger-slow"]
    assert (alarm["MetricName"], alarm["Statistic"]) == ("Duration", "Maximum")
    budget = float(trigger["Environment"]["Variables"]["BUDGET_SECONDS"])
    assert budget * 1000 < alarm["Threshold"] < trigger["Timeout"] * 1000


def test_alarm_for_a_missing_trigger_needs_two_periods(template: Template) -> None:
    alarm = _alarms(template)["trigger-not-configured"]
    expression, sign_ins, invocations = alarm["Metrics"]
    assert expression["Expression"] == "IF((signIns1 > 0) AND (FILL(invocations, 0) == 0), 1, 0)"
    web_client = next(each for each in template.resources("AWS::Cognito::UserPoolClient") if "Web" in each)
    assert (sign_ins["Id"], sign_ins["MetricStat"]["Metric"]["MetricName"]) == ("signIns1", "SignInSuccesses")
    assert {"Name": "UserPoolClient", "Value": {"Ref": web_client}} in sign_ins["MetricStat"]["Metric"]["Dimensions"]
    assert (invocations["Id"], invocations["MetricStat"]["Metric"]["MetricName"]) == ("invocations", "Invocations")
    for each in (sign_ins["MetricStat"], invocations["MetricStat"]):
        assert (each["Period"] % 300, each["Stat"]) == (0, "Sum")  # Cognito reports every five minutes
    assert alarm["DatapointsToAlarm"] > 1
    assert alarm["TreatMissingData"] == "notBreaching"


def test_alarms_describe_the_problem_a_command_and_the_docs(adopted_at_sign_in: Template) -> None:
    alarms = _alarms(adopted_at_sign_in)
    for name, alarm in alarms.items():
        text, _, anchor = alarm["AlarmDescription"].partition(". docs/how-to/operate.md#")
        assert re.match(r"[A-Z].*\. Run: (pubsub \w+.* --stack AmplifyPubSub|aws lambda .*)$", text)
        assert anchor == name
    assert set(re.findall(r"^### (.*)$", _OPERATIONS, re.MULTILINE)) == set(alarms)


def test_alarms_notify_only_the_topic_of_the_settings(template: Template, all_settings: Template) -> None:
    for alarm in _alarms(all_settings).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC_ARN]
    assert not any({"AlarmActions", "OKActions"} & alarm.keys() for alarm in _alarms(template).values())


def test_dashboard_has_the_name_of_the_stack_and_every_alarm(prod: Template) -> None:
    assert prod.only("AWS::CloudWatch::Dashboard")["DashboardName"] == "AmplifyPubSub-prod"
    (widget,) = (each for each in _dashboard(prod) if each["type"] == "alarm")
    shown = {re.findall(r"'(Monitoring\w+)'", each)[0] for each in widget["properties"]["alarms"]}
    assert shown == set(prod.resources("AWS::CloudWatch::Alarm"))


def test_alarms_without_sign_in_cover_self_attach_and_sweep(self_attach_only: Template) -> None:
    of_each = {f"{name}-{what}" for name in ("self-attach", "sweep") for what in ("errors", "throttles", "failed")}
    assert set(_alarms(self_attach_only)) == of_each | {"bulk-detach-failed", "sweep-attach-failed", "sweep-failed"}
    assert "sign-in" not in json.dumps(_dashboard(self_attach_only))


@pytest.mark.parametrize(("monitoring", "alarms"), [("alarms", True), ("off", False)])
def test_monitoring_can_leave_out_the_dashboard_and_the_alarms(monitoring: str, alarms: bool) -> None:
    template = Template(Settings.model_validate({"monitoring": monitoring}))
    assert template.resources("AWS::CloudWatch::Dashboard") == {}
    assert bool(template.resources("AWS::CloudWatch::Alarm")) is alarms
