from __future__ import annotations

import json
from typing import Any

import pytest

from pubsub_client.first_live.assumption import assumptions
from pubsub_client.first_live.record import NotARecordError, Occasion, Record
from pubsub_client.first_live.verdict import Answer, State, judge
from tests.unit.pubsub_client.first_live.answers import HEALTHY, failed, passed


def _ran(record: Record, date: str, region: str = "eu-west-1", *, on_aws: bool = True, **changes: Answer) -> Record:
    verdicts = {each.number: judge(each, {**HEALTHY, **changes}, on_aws=on_aws) for each in assumptions()}
    cloud = "AWS" if on_aws else "the embedded cloud"
    return record.with_run(Occasion(date, cloud, region, "aws", "AmplifyPubSub", "0.1.0"), verdicts)


def _of(record: Record, number: int) -> list[tuple[str, str, str]]:
    return [(each.state, each.date, each.region) for each in record.observations[number]]


def test_a_record_is_read_as_it_was_written() -> None:
    record = _ran(_ran(Record(), "day 1"), "day 2", PS312=passed("access denied"))
    assert Record.parse(record.text()) == record


def test_it_names_every_assumption_with_its_state_and_what_tells() -> None:
    document = json.loads(_ran(Record(), "day 1").text())
    assert [each["number"] for each in document["assumptions"]] == [each.number for each in assumptions()]
    assert sum(document["counts"].values()) == len(assumptions())
    first = document["assumptions"][0]
    assert first["state"] == "confirmed"
    (observation,) = first["observations"]
    assert observation == {
        "date": "day 1", "cloud": "AWS", "region": "eu-west-1", "partition": "aws", "stack": "AmplifyPubSub",
        "version": "0.1.0", "state": "confirmed", "checks": {"PS112": "passed", "PS203": "passed"},
        "reason": "PS112 passed: AmplifyPubSub-Trigger; PS203 passed: myIoTPolicy",
    }  # fmt: skip


def test_what_was_confirmed_stays_when_a_later_run_tells_nothing() -> None:
    record = _ran(_ran(Record(), "day 1"), "day 2", PS203=failed("no network"))
    assert record.state(1) is State.CONFIRMED
    assert _of(record, 1) == [("confirmed", "day 1", "eu-west-1"), ("not tested", "day 2", "eu-west-1")]


def test_the_same_again_adds_nothing_and_another_region_does() -> None:
    record = _ran(_ran(_ran(Record(), "day 1"), "day 2", "us-east-1"), "day 3")
    assert _of(record, 1) == [("confirmed", "day 1", "eu-west-1"), ("confirmed", "day 2", "us-east-1")]


def test_what_was_refuted_once_is_refuted_with_both_dates() -> None:
    record = _ran(_ran(_ran(Record(), "day 1"), "day 2", PS312=passed("access denied")), "day 3")
    assert record.state(8) is State.REFUTED
    assert [each[:2] for each in _of(record, 8)] == [
        ("confirmed", "day 1"), ("refuted", "day 2"), ("confirmed", "day 3"),
    ]  # fmt: skip


def test_of_runs_that_told_nothing_the_last_alone_is_kept() -> None:
    record = _ran(_ran(Record(), "day 1", on_aws=False), "day 2", on_aws=False)
    assert _of(record, 1) == [("rehearsed", "day 2", "eu-west-1")]
    assert record.state(1) is State.REHEARSED
    assert _of(_ran(record, "day 3"), 1) == [("confirmed", "day 3", "eu-west-1")]


def test_the_embedded_cloud_takes_nothing_from_what_aws_has_told() -> None:
    record = _ran(_ran(Record(), "day 1"), "day 2", on_aws=False)
    assert record.state(1) is State.CONFIRMED
    assert record.counts[State.CONFIRMED] == _ran(Record(), "day 1").counts[State.CONFIRMED]


def _changed(**members: Any) -> str:
    document = json.loads(_ran(Record(), "day 1").text())
    document["assumptions"][0]["observations"][0] |= members
    return json.dumps(document)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "1", "{}", '{"record": 1, "schema": 1}',
        '{"record": "pubsub first live deploy", "schema": 1}',
        '{"record": "pubsub first live deploy", "schema": 1, "assumptions": [{"number": [], "observations": []}]}',
        _changed(state="true"), _changed(date=1), _changed(checks=["PS203"]), _changed(checks={"PS203": 1}),
        _changed(more="members"),
    ],
)  # fmt: skip
def test_anything_else_is_no_record(text: str) -> None:
    with pytest.raises(NotARecordError):
        Record.parse(text)


def test_a_record_of_another_version_says_what_it_has_more() -> None:
    text = '{"record": "pubsub first live deploy", "schema": 1, "assumptions": [{"number": 999, "observations": []}]}'
    with pytest.raises(NotARecordError, match="this version knows no assumption 999"):
        Record.parse(text)
    with pytest.raises(NotARecordError, match="no record of schema 1"):
        Record.parse(text.replace('"schema": 1', '"schema": 2'))
