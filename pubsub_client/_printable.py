"""Escape untrusted text (from brokers, queues, AWS, files) before a terminal shows it."""

from __future__ import annotations

import re

# Control characters except newline and tab, invisible characters, line and paragraph separators, characters that change
# the direction of text, lone surrogates, and characters that XML 1.0 forbids. ZERO WIDTH JOINER and NON-JOINER are kept
# for emoji and several scripts. https://www.w3.org/TR/xml/#charsets, https://www.unicode.org/reports/tr9/
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufffe\uffff\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    r"""Escape terminal control characters, invisible characters and direction changes, as ``\u001b``.

    Newlines and tabs are kept. A JSON document keeps its value.
    """
    return _UNSAFE.sub(_escape, text)


def one_line(text: str) -> str:
    r"""Also escape newlines and tabs, as ``\n`` and ``\t``, so that the text cannot imitate a line of output."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(found: re.Match[str]) -> str:
    """Return JSON's escape sequence, which is a surrogate pair beyond the basic plane."""
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[index : index + 2].hex()}" for index in range(0, len(units), 2))
