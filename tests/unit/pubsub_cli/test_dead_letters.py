from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from pubsub_cli.aws import Aws
from pubsub_cli.finding import OperationError
from pubsub_cli.operations.dead_letters import (
    HOLD_SECONDS,
    DeadLetter,
    RetryQueues,
    held_dead_letters,
    wait_until_worked_off,
)

_RETRY, _DEAD = "https://sqs/retry", "https://sqs/dead"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unit")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unit")
    return Aws(region="eu-west-1", endpoint_url="http://127.0.0.1:9")


@pytest.fixture
def sqs(aws: Aws) -> Iterator[Stubber]:
    with Stubber(aws.queues) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def queues(aws: Aws) -> RetryQueues:
    return RetryQueues(aws.queues, _RETRY, _DEAD)


def _receives(sqs: Stubber, *numbers: int) -> None:
    messages = [{"MessageId": f"m{each}", "Body": f"b{each}", "ReceiptHandle": f"r{each}"} for each in numbers]
    wanted = {
        "QueueUrl": _DEAD,
        "MaxNumberOfMessages": ANY,
        "MessageAttributeNames": ["Reason"],
        "VisibilityTimeout": HOLD_SECONDS,
        "WaitTimeSeconds": 1,
    }
    sqs.add_response("receive_message", {"Messages": messages} if messages else {}, wanted)


def _sent(*ids: str) -> dict[str, Any]:
    return {"Successful": [{"Id": each, "MessageId": each, "MD5OfMessageBody": ""} for each in ids], "Failed": []}


def _done(*ids: str) -> dict[str, Any]:
    return {"Successful": [{"Id": each} for each in ids], "Failed": []}


def _failed(done: dict[str, Any], number: str) -> dict[str, Any]:
    return done | {"Failed": [{"Id": number, "Code": "InternalError", "SenderFault": False}]}


def _releases(sqs: Stubber, *numbers: int) -> None:
    entries = [
        {"Id": str(index), "ReceiptHandle": f"r{number}", "VisibilityTimeout": 0}
        for index, number in enumerate(numbers)
    ]
    sqs.add_response("change_message_visibility_batch", _done(), {"QueueUrl": _DEAD, "Entries": entries})


def test_what_could_not_be_sent_is_not_deleted_and_is_let_go(queues: RetryQueues, sqs: Stubber) -> None:
    _receives(sqs, 1, 2)
    _receives(sqs)
    sqs.add_response("send_message_batch", _failed(_sent("1"), "0"))
    deleted = {"QueueUrl": _DEAD, "Entries": [{"Id": "1", "ReceiptHandle": "r2"}]}
    sqs.add_response("delete_message_batch", _done("1"), deleted)
    _releases(sqs, 1)
    with (
        pytest.raises(OperationError, match=r"1 message\(s\) could not be sent .* dead letters still: InternalError"),
        held_dead_letters(queues) as held,
    ):
        list(held.move())
    assert [letter.body for letter in held.letters] == ["b1"]


def test_what_was_sent_but_could_not_be_deleted_is_told(queues: RetryQueues, sqs: Stubber) -> None:
    _receives(sqs, 1)
    _receives(sqs)
    sqs.add_response("send_message_batch", _sent("0"))
    sqs.add_response("delete_message_batch", _failed(_done(), "0"))
    _releases(sqs, 1)
    with (
        pytest.raises(OperationError, match=r"were sent to the retry queue, but are dead letters still"),
        held_dead_letters(queues) as held,
    ):
        list(held.move())


def test_the_error_that_ends_it_is_told_though_letting_go_fails_too(queues: RetryQueues, sqs: Stubber) -> None:
    _receives(sqs, 1)
    _receives(sqs)
    sqs.add_client_error("send_message_batch", "KMS.AccessDeniedException")
    sqs.add_client_error("change_message_visibility_batch", "RequestThrottled")
    with pytest.raises(ClientError, match="SendMessageBatch"), held_dead_letters(queues) as held:
        list(held.move())


def test_they_are_moved_ten_at_a_time(queues: RetryQueues, sqs: Stubber) -> None:
    _receives(sqs, *range(10))
    _receives(sqs, 10, 11)
    _receives(sqs)
    for batch in (range(10), range(10, 12)):
        sent = [{"Id": str(index), "MessageBody": f"b{number}"} for index, number in enumerate(batch)]
        ids = [entry["Id"] for entry in sent]
        sqs.add_response("send_message_batch", _sent(*ids), {"QueueUrl": _RETRY, "Entries": sent})
        sqs.add_response("delete_message_batch", _done(*ids))
    with held_dead_letters(queues) as held:
        assert len(list(held.move())) == 12


def test_no_more_are_read_than_wanted(queues: RetryQueues, sqs: Stubber) -> None:
    _receives(sqs, *range(10))
    _receives(sqs, 10)
    _releases(sqs, *range(10))
    _releases(sqs, 10)
    with held_dead_letters(queues, 11) as held:
        assert len(held.letters) == 11


def test_an_empty_queue_is_believed_only_when_several_looks_agree(
    queues: RetryQueues, sqs: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    for counts in ((0, 0), (0, 0), (0, 3), (0, 0), (0, 0), (0, 0), (0, 0)):
        attributes = {name: str(count) for name, count in zip(names, counts, strict=True)}
        sqs.add_response("get_queue_attributes", {"Attributes": attributes})
    assert wait_until_worked_off(queues, 60) == 0


@pytest.mark.parametrize("body", ["rubbish", "[]", "null", "{}", '{"userName": 7}'])
def test_a_message_that_is_none_of_ours_names_nobody(body: str) -> None:
    assert DeadLetter("m", body, "r", None).user_name is None
