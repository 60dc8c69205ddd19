"""Merges generated JSON into an existing file, without losing anything of the file."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Mapping
from typing import Any

_NUMBER = f"number {uuid.uuid4()} "
_NUMBERS = re.compile(rf'"{_NUMBER}([^"]+)"')
_INDENT = re.compile(r"\A\ufeff?\s*\{\r?\n([ \t]+)")


class CannotMergeError(Exception):
    """The existing text cannot be merged; the message is the reason."""


def parse_object(text: str) -> dict[str, Any]:
    """Return the JSON object in a text, with numbers as texts that :func:`dump` writes as they were.

    Raises:
        CannotMergeError: the text is no JSON object, or a key occurs twice.
    """
    try:
        document = json.loads(
            text.removeprefix("\ufeff"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_reject,
            parse_float=_NUMBER.__add__,
            parse_int=_NUMBER.__add__,
        )
    except RecursionError:
        raise CannotMergeError("it has too many nested objects") from None
    except ValueError as error:
        raise CannotMergeError(f"it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise CannotMergeError("it is not a JSON object")
    return document


def merge_objects(existing: Mapping[str, Any], generated: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return ``existing`` with the values of ``generated``; objects are merged, other values are replaced.

    Raises:
        CannotMergeError: one of the two has an object where the other has another value.
    """
    merged = dict(existing)
    for key, value in generated.items():
        old = existing.get(key)
        if old is not None and isinstance(old, Mapping) is not isinstance(value, Mapping):
            wrong, right = ("an object", "a value") if isinstance(old, Mapping) else ("no object", "an object")
            raise CannotMergeError(f"{path}{key} is {wrong}, but must be {right}")
        merged[key] = merge_objects(old, value, f"{path}{key}.") if old and isinstance(value, Mapping) else value
    return merged


def merge_amplify_outputs(existing: Mapping[str, Any], generated: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ``amplify_outputs.json`` with the generated sections and everything else that it had.

    Raises:
        CannotMergeError: the file has another structure.
    """
    merged = merge_objects(existing, generated)
    merged["version"] = existing.get("version") or generated["version"]
    auth = existing.get("auth") or {}
    guests = "unauthenticated_identities_enabled"
    if guests in auth and auth.get("identity_pool_id") == generated["auth"]["identity_pool_id"]:
        merged["auth"][guests] = auth[guests]  # the adopted identity pool decides
    if "cognito" not in generated["custom"] and isinstance(cognito := merged["custom"].get("cognito"), dict):
        # The endpoints of an earlier run with the local cloud.
        others = {key: cognito[key] for key in cognito if key not in ("user_pool_endpoint", "identity_pool_endpoint")}
        merged["custom"] = {key: value for key, value in merged["custom"].items() if key != "cognito"}
        if others:
            merged["custom"]["cognito"] = others
    return merged


def merge_outputs(existing: Mapping[str, Any], generated: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a file of the stack's outputs: the generated ones, and the keys that are not names of outputs."""
    merged = {key: value for key, value in existing.items() if key not in names} | dict(generated)
    old, new = existing.get("outputs"), generated.get("outputs")
    if isinstance(old, dict) and isinstance(new, dict):  # of --json
        merged["outputs"] = merge_outputs(old, new, names)
    return merged


def dump(document: Mapping[str, Any], existing: str = "") -> str:
    """Return a document as text, with the indentation, escapes and line ends of the existing text.

    Raises:
        CannotMergeError: the document has too many nested objects.
    """
    found = _INDENT.match(existing)
    try:
        text = json.dumps(document, indent=found[1] if found else 2, ensure_ascii="\\u" in existing) + "\n"
    except RecursionError:
        raise CannotMergeError("it has too many nested objects") from None
    text = _NUMBERS.sub(r"\1", text)
    return text.replace("\n", "\r\n") if "\r\n" in existing else text


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"the key {key!r} occurs twice")
        document[key] = value
    return document


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not allowed")
