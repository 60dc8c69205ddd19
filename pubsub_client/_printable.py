"""Text of others, such as brokers, queues, AWS and files, as it may be shown on a terminal."""

from __future__ import annotations

import re

# Controls but newline and tab, line and paragraph separators, what turns the direction of text, lone surrogates, and
# what XML 1.0 forbids besides. https://www.w3.org/TR/xml/#charsets, https://www.unicode.org/reports/tr9/
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def printable(text: str) -> str:
    r"""Escape what steers a terminal or turns the direction of text, as ``\u001b``; newlines and tabs stay.

    A JSON document is the same document afterwards.
    """
    return _STEERING.sub(_escape, text)


def one_line(text: str) -> str:
    r"""Escape newlines and tabs too, for text that must not pretend to be a line of ours: ``\n``, ``\t``."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
