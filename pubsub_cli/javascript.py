"""Reads object literals from JavaScript and TypeScript, without running it.

Only literal values are read. Other values, such as ``process.env.NAME``, become an :class:`Expression`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tree_sitter import Node

# https://tc39.es/ecma262/#prod-EscapeSequence
_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]+)\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(\r\n|.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
_LAST_CHARACTER = 0x10FFFF
_CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None}
# https://www.typescriptlang.org/docs/handbook/2/everyday-types.html#type-assertions
_WRAPPERS = {"as_expression", "satisfies_expression", "parenthesized_expression", "non_null_expression"}


@dataclass(frozen=True)
class Expression:
    """A value that is not a literal."""

    text: str

    @property
    def is_name(self) -> bool:
        """Whether it is only a name: that of a variable, or one that receives a value of another object."""
        return re.fullmatch(r"[\w$]+", self.text) is not None


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
    # Imported only now, because few runs of the doctor read JavaScript.
    import tree_sitter_typescript
    from tree_sitter import Language, Parser, Query, QueryCursor

    language = Language(tree_sitter_typescript.language_tsx())  # TSX includes JavaScript, TypeScript and JSX
    tree = Parser(language).parse(source.encode("utf-8", "replace"))
    nodes = QueryCursor(Query(language, "(object) @object")).captures(tree.root_node).get("object", [])
    read: dict[int, dict[str, Any]] = {}
    outer: dict[int, Node] = {}
    # From the last to the first, so that each object finds the objects in it.
    for node in sorted(nodes, key=lambda each: each.start_byte, reverse=True):
        if node.has_error:  # the parser guesses what its values are
            continue
        found = {}
        for member in node.named_children:
            if member.type == "pair":
                key, value = member.child_by_field_name("key"), _unwrapped(member.child_by_field_name("value"))
                if key is None or value is None or key.type == "computed_property_name":
                    continue
                if value.id in read:
                    del outer[value.id]
                found[_text_of(key)] = read[value.id] if value.id in read else _literal(value)
            elif member.type == "shorthand_property_identifier":
                found[_source_of(member)] = Expression(_source_of(member))
        read[node.id], outer[node.id] = found, node
    return [ObjectLiteral(read[each.id], _class_before(each)) for each in reversed(outer.values())]


def _unwrapped(node: Node | None) -> Node | None:
    """Return an expression without parentheses and assertions of TypeScript."""
    while node is not None and node.type in _WRAPPERS:
        node = next((each for each in node.named_children if each.type != "comment"), None)
    return node


def _literal(node: Node) -> Any:
    if node.type in _CONSTANTS:
        return _CONSTANTS[node.type]
    if node.type in {"string", "template_string"} and all(
        each.type != "template_substitution" for each in node.named_children
    ):
        return _text_of(node)
    return Expression(_source_of(node))


def _class_before(node: Node) -> str | None:
    """Return NAME if the object is the first argument of ``new NAME(...)``."""
    while node.parent is not None and node.parent.type in _WRAPPERS:
        node = node.parent
    arguments = node.parent
    if arguments is None or arguments.type != "arguments" or arguments.named_children[0] != node:
        return None
    made = arguments.parent
    name = made.child_by_field_name("constructor") if made is not None and made.type == "new_expression" else None
    return _source_of(name) if name is not None else None


def _source_of(node: Node) -> str:
    return (node.text or b"").decode()


def _text_of(node: Node) -> str:
    """Return the text of a string, or of a name."""
    source = _source_of(node)
    if node.type not in {"string", "template_string"}:
        return source
    text = _ESCAPE.sub(_unescaped, source[1:-1])
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins pairs of surrogates


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        return chr(min(int(code, 16), _LAST_CHARACTER))
    return _ESCAPED.get(match[4], match[4])
