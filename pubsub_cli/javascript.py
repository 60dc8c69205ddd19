"""Reads object literals from JavaScript and TypeScript, without running it.

Only literal values are read. Other values, such as ``process.env.NAME``, become an :class:`Expression`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)"""
    r"""|(?P<name>[\w$]+)"""
    r"""|(?P<other>\.\.\.|.)""",
    re.DOTALL,
)
# https://tc39.es/ecma262/#prod-EscapeSequence
_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(\r\n|.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
_LAST_CHARACTER = 0x10FFFF
_CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None}
_CLOSING = {"{": "}", "[": "]", "(": ")"}
_MAX_DEPTH = 100


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Expression:
    """A value that is not a literal."""

    text: str


class _NotALiteralError(Exception):
    """The braces are not an object literal, but for example a block."""


def object_literals(source: str) -> Iterator[dict[str, Any]]:
    """Yield the outermost object literals of a program."""
    tokens = [
        _Token(str(match.lastgroup), match[0], match.start(), match.end())
        for match in _TOKEN.finditer(source)
        if match.lastgroup != "space"
    ]
    parser = _Parser(source, tokens)
    at = 0
    while at < len(tokens):
        if tokens[at].text == "{":
            try:
                value, at = parser.object_at(at)
            except _NotALiteralError:
                at += 1
            else:
                yield value
        else:
            at += 1


@dataclass(frozen=True)
class _Parser:
    source: str
    tokens: list[_Token]

    def object_at(self, at: int, depth: int = 0) -> tuple[dict[str, Any], int]:
        """Return the object that begins at a token, and the index of the token after it."""
        if depth > _MAX_DEPTH:
            raise _NotALiteralError
        found: dict[str, Any] = {}
        at += 1
        while (token := self._token(at)).text != "}":
            if token.text == "...":
                at = self._end_of_value(at)
            elif token.kind in {"string", "name"}:
                key = _unquoted(token)
                if self._token(at + 1).text == ":":
                    found[key], at = self._value_at(at + 2, depth)
                elif self._token(at + 1).text in {",", "}"}:  # a variable, or a name of an import
                    at += 1
                else:
                    raise _NotALiteralError
            else:
                raise _NotALiteralError
            if self._token(at).text == ",":
                at += 1
            elif self._token(at).text != "}":
                raise _NotALiteralError
        return found, at + 1

    def _value_at(self, at: int, depth: int) -> tuple[Any, int]:
        token, end = self._token(at), self._end_of_value(at)
        following = self._token(at + 1)
        if token.text == "{":
            value, after = self.object_at(at, depth + 1)
            if after == end:
                return value, end
        elif end == at + 1 or following.text == "as":  # `as const` of TypeScript
            if token.kind == "string" and not (token.text.startswith("`") and "${" in token.text):
                return _unquoted(token), end
            if token.text in _CONSTANTS:
                return _CONSTANTS[token.text], end
        return Expression(self.source[token.start : self._token(end - 1).end]), end

    def _end_of_value(self, at: int) -> int:
        """Return the index of the comma or bracket that ends the value."""
        closing: list[str] = []
        while True:
            text = self._token(at).text
            if not closing and text in {",", "}", "]", ")"}:
                return at
            if text in _CLOSING:
                closing.append(_CLOSING[text])
            elif closing and text == closing[-1]:
                closing.pop()
            elif text == ";":
                raise _NotALiteralError
            at += 1

    def _token(self, at: int) -> _Token:
        if at >= len(self.tokens):
            raise _NotALiteralError
        return self.tokens[at]


def _unquoted(token: _Token) -> str:
    if token.kind != "string":
        return token.text
    text = _ESCAPE.sub(_unescaped, token.text[1:-1])
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins pairs of surrogates


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        return chr(min(int(code, 16), _LAST_CHARACTER))
    return _ESCAPED.get(match[4], match[4])
