from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attachment import proof
from attachment.owed import Owed, UnreadableMessageError

_TEXT = st.text(min_size=1)
_OWED = st.builds(
    Owed,
    user_pool_id=_TEXT,
    user_name=_TEXT,
    sub=_TEXT,
    identity_id=_TEXT,
    mac=st.binary(min_size=proof.MAC_BYTES, max_size=proof.MAC_BYTES),
)


@given(_OWED)
def test_what_is_owed_survives_the_queue(owed: Owed) -> None:
    assert Owed.parse(owed.to_message()) == owed


@given(_TEXT, _TEXT)
def test_an_identity_id_goes_with_its_proof_or_not_at_all(user_name: str, identity_id: str) -> None:
    written = Owed("pool", user_name, "sub", identity_id).to_message()
    assert Owed.parse(written) == Owed("pool", user_name, "sub")
    assert json.loads(written)["identityId"] is None


def test_of_a_message_of_version_1_only_the_user_is_believed() -> None:
    written = json.loads(Owed("pool", "ada", "sub", "identity", bytes(32)).to_message())
    del written["sub"]
    assert Owed.parse(json.dumps(written | {"version": 1})) == Owed("pool", "ada")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(UnreadableMessageError):
        Owed.parse(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=5,
    )
)
def test_any_other_json_is_refused(value: object) -> None:
    with pytest.raises(UnreadableMessageError):
        Owed.parse(json.dumps(value))


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 3},
        {"sub": ""},
        {"sub": 7},
        {"userName": ""},
        {"userName": None},
        {"userPoolId": 7},
        {"identityId": ["a"]},
        {"mac": "not base64"},
        {"mac": {}},
    ],
    ids=str,
)
def test_a_message_of_another_form_is_refused(changed: dict[str, object]) -> None:
    message = json.loads(Owed("pool", "ada", "sub", "identity", bytes(32)).to_message())
    with pytest.raises(UnreadableMessageError):
        Owed.parse(json.dumps(message | changed))


@given(st.tuples(*[_TEXT] * 5), st.tuples(*[_TEXT] * 5))
def test_no_two_attachments_have_one_proof(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    keys = ("user_pool_id", "user_name", "sub", "identity_id", "fingerprint")
    first, second = (proof.owed_message(**dict(zip(keys, parts, strict=True))) for parts in (one, other))
    assert (first == second) == (one == other)


@given(st.tuples(*[_TEXT] * 5), st.tuples(_TEXT, _TEXT, _TEXT, _TEXT))
def test_the_proof_of_an_attachment_answers_no_challenge(owed: tuple[str, ...], asked: tuple[str, ...]) -> None:
    pool, user, sub, identity, fingerprint = owed
    attachment = proof.owed_message(
        user_pool_id=pool, user_name=user, sub=sub, identity_id=identity, fingerprint=fingerprint
    )
    pool, client, user, nonce = asked
    assert attachment != proof.message(user_pool_id=pool, client_id=client, user_name=user, nonce=nonce)
