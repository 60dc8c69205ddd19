from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from attachment.mac import MAC_BYTES, pending_mac_input, sign_in_mac_input
from attachment.pending import PendingAttachment, PendingQueue, UnreadableMessageError
from tests.unit.lambdas.conftest import ENVIRONMENT

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
def kms(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with Stubber(boto3.client("kms")) as stubber:
        yield stubber


def _verify(kms: Any, pending: PendingAttachment) -> bool:
    return PendingQueue(boto3.client("sqs"), kms.client).is_verified(pending)


def test_queue_verifies_the_mac_over_the_whole_message(kms: Any) -> None:
    mac_input = pending_mac_input(
        user_pool_id="pool",
        user_name="ada",
        sub="sub",
        identity_id="identity",
        fingerprint=ENVIRONMENT["ATTACHMENT_MARKER"],
    )
    request = {"KeyId": "mac-key", "MacAlgorithm": "HMAC_SHA_256", "Message": mac_input, "Mac": _MAC}
    kms.add_response("verify_mac", {"MacValid": True}, request)
    assert _verify(kms, _ADA)
    kms.add_client_error("verify_mac", "KMSInvalidMacException")
    assert not _verify(kms, _ADA)


@pytest.mark.parametrize(
    "pending",
    [
        PendingAttachment("pool", "ada"),
        PendingAttachment("pool", "ada", None, "identity", _MAC),
        PendingAttachment("pool", "ada", "sub", "identity", bytes(31)),
    ],
    ids=["no MAC", "no sub", "short MAC"],
)
def test_queue_does_not_ask_kms_without_sub_identity_and_mac(kms: Any, pending: PendingAttachment) -> None:
    assert not _verify(kms, pending)
