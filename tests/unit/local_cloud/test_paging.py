from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.paging import Page, SortedKeys, TokenError

KEYS = st.sets(st.text(alphabet="abcdef", min_size=1, max_size=4), max_size=12)


def pages(keys: SortedKeys, size: int) -> list[str]:
    page, found = Page([], None), []
    while True:
        page = keys.page("owner", page.next_token, size)
        found += page.keys
        if page.next_token is None:
            return found


@given(KEYS, st.integers(1, 5))
def test_pages_contain_each_key_once_in_order(keys: set[str], size: int) -> None:
    assert pages(SortedKeys(keys), size) == sorted(keys)


@given(KEYS, KEYS, KEYS, st.integers(1, 5))
def test_changes_between_pages_neither_skip_nor_repeat_other_keys(
    kept: set[str], removed: set[str], added: set[str], size: int
) -> None:
    keys = SortedKeys(kept | removed)
    first = keys.page("owner", None, size)
    for key in removed - kept:
        keys.remove(key)
    for key in added - kept - removed:
        keys.append(key)
    rest = []
    token = first.next_token
    while token is not None:
        page = keys.page("owner", token, size)
        rest += page.keys
        token = page.next_token
    seen = [key for key in first.keys + rest if key in kept]
    assert sorted(seen) == sorted(kept)


@given(KEYS, KEYS)
def test_keys_behave_as_a_set(added: set[str], removed: set[str]) -> None:
    keys = SortedKeys()
    for key in [*added, *added]:
        keys.append(key)
    for key in removed:
        keys.remove(key)
    assert list(keys) == sorted(added - removed)
    assert len(keys) == len(added - removed)
    assert all((key in keys) == (key in added - removed) for key in added | removed)


@pytest.mark.parametrize("token", ["", "5", "not a token", "AAAA", "\u00e9"])
def test_invalid_token_is_rejected(token: str) -> None:
    with pytest.raises(TokenError):
        SortedKeys("ab").page("owner", token, 1)


def test_token_of_another_owner_is_rejected() -> None:
    keys = SortedKeys("ab")
    token = keys.page("owner", None, 1).next_token
    assert keys.page("owner", token, 1).keys == ["b"]
    with pytest.raises(TokenError):
        keys.page("other", token, 1)
