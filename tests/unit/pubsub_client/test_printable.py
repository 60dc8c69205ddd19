"""Escaping of text from brokers, AWS and files."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsub_client import exceptions
from pubsub_client._printable import one_line, printable

HOSTILE = "\x1b[31mred\x1b]8;;https://evil.example\x1b\\ \x9b2J \r\x07\x7f\x85\u202egnp.exe\u2066\u2028\n\t\ud800\ufffe"


@given(st.text(st.characters(codec=None)))
def test_escaped_json_document_stays_the_same_document(text: str) -> None:
    for written in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        assert json.loads(printable(written)) == text


def test_ordinary_text_is_not_escaped() -> None:
    text = "Grüße, 日本, שלום, \U0001f469\u200d\U0001f4bb: a\tb\nc"
    assert printable(text) == text
    assert one_line("a\tb\nc") == r"a\tb\nc"


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConfigurationError(HOSTILE),
        exceptions.PayloadError("$", HOSTILE),
        exceptions.SignInError("Code", HOSTILE),
        exceptions.ConnectionRefused("host", HOSTILE),
        exceptions.QueueFull(HOSTILE, 1),
        exceptions.SubscribeRefused(HOSTILE, HOSTILE),
        exceptions.PublishRefused(HOSTILE, HOSTILE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_text_of_an_error_is_one_printable_line(error: Exception) -> None:
    assert str(error).replace("\u200d", "").isprintable()


def test_reason_of_a_refusal_is_not_escaped() -> None:
    assert exceptions.PublishRefused("t", HOSTILE).reason == HOSTILE


@pytest.mark.parametrize(
    ("invisible", "escaped"),
    [
        ("\u200b", r"\u200b"),
        ("\u2060", r"\u2060"),
        ("\ufeff", r"\ufeff"),
        ("\xad", r"\u00ad"),
        ("\U000e0041", r"\udb40\udc41"),
    ],
)
def test_printable_escapes_characters_without_width(invisible: str, escaped: str) -> None:
    assert printable(f"pro{invisible}d") == f"pro{escaped}d"
    assert json.loads(printable(json.dumps(invisible, ensure_ascii=False))) == invisible
