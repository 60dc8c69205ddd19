"""Reads object literals from JavaScript and TypeScript, without running it.

Only literal values are read. Other values, such as ``process.env.NAME``, become an :class:`Expression`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?(?:\*/|\Z))"""
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
_MODIFIERS = {"async", "get", "set", "*"}
"""What can precede the name of a method: https://tc39.es/ecma262/#prod-MethodDefinition"""
_STATEMENTS = {"if", "for", "while", "switch", "catch", "with", "function"}
"""Names before parentheses and a block that are not methods."""


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Expression:
    """A value that is not a literal."""

    text: str

    @property
    def is_name(self) -> bool:
        """Whether it is only a name: that of a variable, or one that receives a value of another object."""
        return re.fullmatch(r"[\w$]+", self.text) is not None


class _NotALiteralError(Exception):
    """The braces are not an object literal, but for example a block."""


@dataclass(frozen=True)
class ObjectLiteral:
    """An object literal of a program.

    Args:
        value: its keys and values.
        class_name: the class, if the object is the first argument of ``new NAME(...)``.
    """

    value: dict[str, Any]
    class_name: str | None = None


def object_literals(source: str) -> list[ObjectLiteral]:
    """Return the object literals of a program, except those that are values in another one."""
    tokens = [
        _Token(str(match.lastgroup), match[0], match.start(), match.end())
        for match in _TOKEN.finditer(source)
        if match.lastgroup != "space"
    ]
    parser = _Parser(source, tokens, _closing_brackets(tokens))
    # From the last to the first, so that each object finds the objects in it.
    for at in reversed(range(len(tokens))):
        if tokens[at].text == "{":
            parser.read_object(at)
    return [ObjectLiteral(parser.objects[at], parser.class_before(at)) for at in sorted(parser.objects)]


def _closing_brackets(tokens: list[_Token]) -> dict[int, int]:
    """Return the index of the closing bracket, by that of the opening one."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for at, token in enumerate(tokens):
        if token.text in _CLOSING:
            opened.append(at)
        elif opened and token.text == _CLOSING[tokens[opened[-1]].text]:
            closing[opened.pop()] = at
    return closing


@dataclass(frozen=True)
class _Parser:
    source: str
    tokens: list[_Token]
    closing: dict[int, int]
    objects: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The objects that were read and are not values in another one, by the index of the opening brace."""

    def read_object(self, at: int) -> None:
        """Add the object that begins at a token to the objects, if it is one."""
        inner: list[int] = []
        try:
            found = self._members(at, inner)
        except _NotALiteralError:
            return
        for each in inner:
            del self.objects[each]
        self.objects[at] = found

    def class_before(self, at: int) -> str | None:
        """Return NAME if a token follows ``new NAME(``."""
        before = [token.text for token in self.tokens[max(at - 3, 0) : at]]
        return before[1] if before[:1] == ["new"] and before[2:] == ["("] else None

    def _members(self, at: int, inner: list[int]) -> dict[str, Any]:
        """Return the members of the object that begins at a token.

        Args:
            at: the index of the token.
            inner: receives the indexes of the objects that are values.
        """
        found: dict[str, Any] = {}
        at += 1
        while (token := self._token(at)).text != "}":
            following = self._token(at + 1)
            if token.text == "...":
                at = self._end_of_value(at)
            elif token.text in _MODIFIERS and (following.kind in {"string", "name"} or following.text in {"[", "*"}):
                at += 1
                continue
            elif token.kind in {"string", "name"} and following.text == ":":
                found[_unquoted(token)] = self._value(at + 2, inner)
                at = self._end_of_value(at + 2)
            elif token.kind == "name" and following.text in {",", "}"}:  # a variable, or a name of an import
                found[token.text] = Expression(token.text)
                at += 1
            else:
                at = self._end_of_other_member(at)
            if self._token(at).text == ",":
                at += 1
            elif self._token(at).text != "}":
                raise _NotALiteralError
        return found

    def _end_of_other_member(self, at: int) -> int:
        """Return the index of the token after a method, or after a member with a computed name."""
        token = self._token(at)
        if token.text == "[":
            at = self._close_of(at)
            if self._token(at + 1).text == ":":
                return self._end_of_value(at + 2)
        elif token.kind not in {"string", "name"} or token.text in _STATEMENTS:
            raise _NotALiteralError
        if self._token(at + 1).text != "(":
            raise _NotALiteralError
        at = self._close_of(at + 1) + 1
        if self._token(at).text == ":":  # the type of the result
            while self._token(at).text not in {"{", ",", ";", "}"}:
                at += 1
        if self._token(at).text != "{":
            raise _NotALiteralError
        return self._close_of(at) + 1

    def _value(self, at: int, inner: list[int]) -> Any:
        token, end = self._token(at), self._end_of_value(at)
        end_of_literal = self._close_of(at) + 1 if token.text == "{" else at + 1
        # TypeScript: https://www.typescriptlang.org/docs/handbook/2/everyday-types.html#type-assertions
        if end == end_of_literal or self._token(end_of_literal).text in {"as", "satisfies"}:
            if token.text == "{" and at in self.objects:
                inner.append(at)
                return self.objects[at]
            if token.kind == "string" and not (token.text.startswith("`") and "${" in token.text):
                return _unquoted(token)
            if token.text in _CONSTANTS:
                return _CONSTANTS[token.text]
        return Expression(self.source[token.start : self._token(end - 1).end])

    def _end_of_value(self, at: int) -> int:
        """Return the index of the comma or bracket that ends the value."""
        while (text := self._token(at).text) not in {",", "}", "]", ")"}:
            if text == ";":
                raise _NotALiteralError
            at = self._close_of(at) + 1 if text in _CLOSING else at + 1
        return at

    def _close_of(self, at: int) -> int:
        if at not in self.closing:
            raise _NotALiteralError
        return self.closing[at]

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
