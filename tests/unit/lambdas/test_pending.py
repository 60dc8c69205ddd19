from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attachment.mac import MAC_BYTES, pending_mac_input, sign_in_mac_input
from attachment.pending import PendingAttachment, PendingQueue, UnreadableMessageError
from tests.unit.lambdas.conftest import ENVIRONMENT
from tests.unit.lambdas.fake_aws import FakeKms

_TEXT = st.text(min_size=1)
_MAC = bytes(range(32))
_PARTS = ("user_pool_id", "user_name", "sub", "identity_id", "fingerprint")
_SIGN_IN_PARTS = ("user_pool_id", "client_id", "user_name", "nonce")
_ADA = PendingAttachment("pool", "ada", "sub", "identity", _MAC)


@given(st.tuples(_TEXT, _TEXT, _TEXT, _TEXT, st.binary(min_size=MAC_BYTES, max_size=MAC_BYTES)))
def test_message_keeps_the_pending_attachment(parts: Any) -> None:
    pending = PendingAttachment(*parts)
    assert PendingAttachment.parse(pending.to_message()) == pending


def test_message_has_no_identity_id_without_the_mac() -> None:
    message = PendingAttachment("pool", "ada", "sub", "identity").to_message()
    assert PendingAttachment.parse(message) == PendingAttachment("pool", "ada", "sub")


@pytest.mark.parametrize("message", ["", "null", "[]", "7", "{}"])
def test_other_json_is_unreadable(message: str) -> None:
    with pytest.raises(UnreadableMessageError):
        PendingAttachment.parse(message)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("version", 2),
        ("sub", ""),
        ("sub", 7),
        ("userName", ""),
        ("userName", None),
        ("userPoolId", 7),
        ("identityId", ["a"]),
        ("mac", "not base64"),
        ("mac", {}),
    ],
)
def test_message_with_a_wrong_member_is_unreadable(member: str, value: object) -> None:
    with pytest.raises(UnreadableMessageError):
        PendingAttachment.parse(json.dumps(json.loads(_ADA.to_message()) | {member: value}))


@given(*[st.tuples(*[_TEXT] * 5)] * 2)
def test_mac_input_of_an_attachment_differs_for_different_parts(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    first, second = (pending_mac_input(**dict(zip(_PARTS, parts, strict=True))) for parts in (one, other))
    assert (first == second) == (one == other)


@given(*[st.tuples(*[_TEXT] * 4)] * 2)
def test_mac_input_of_a_sign_in_differs_for_different_parts(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    first, second = (sign_in_mac_input(**dict(zip(_SIGN_IN_PARTS, parts, strict=True))) for parts in (one, other))
    assert (first == second) == (one == other)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> PendingQueue:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    kms = boto3.client("kms")
    FakeKms(kms)
    return PendingQueue(boto3.client("sqs"), kms)


@pytest.mark.parametrize("member", ["user_pool_id", "user_name", "sub", "identity_id"])
def test_queue_verifies_the_mac_over_the_whole_message(queue: PendingQueue, member: str) -> None:
    pending = PendingAttachment("pool", "ada", "sub", "identity")
    pending.mac = queue.generate_mac(pending)
    assert queue.is_verified(pending)
    other: dict[str, Any] = {member: "other"}
    assert not queue.is_verified(replace(pending, **other))


def test_queue_rejects_the_mac_of_another_policy(queue: PendingQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    pending = PendingAttachment("pool", "ada", "sub", "identity")
    pending.mac = queue.generate_mac(pending)
    monkeypatch.setenv("ATTACHMENT_MARKER", "another-policy")
    kms = boto3.client("kms")
    FakeKms(kms)
    assert not PendingQueue(boto3.client("sqs"), kms).is_verified(pending)


@pytest.mark.parametrize("changes", [{"mac": None}, {"sub": None}, {"identity_id": None}, {"mac": bytes(31)}], ids=str)
def test_queue_does_not_verify_an_incomplete_message(queue: PendingQueue, changes: dict[str, Any]) -> None:
    assert not queue.is_verified(replace(_ADA, **changes))
