"""Members of AWS's answers that the AWS SDK does not know, and drops."""

from __future__ import annotations

from typing import Any


def merge_unknown(raw: Any, parsed: Any, shape: Any) -> None:
    """Add to what the SDK has parsed of an answer the members that its model lacks, nested ones included."""
    if shape.type_name == "structure":
        for name, value in raw.items():
            if name not in shape.members:
                parsed.setdefault(name, value)
            elif name in parsed:
                merge_unknown(value, parsed[name], shape.members[name])
    elif shape.type_name == "list":
        for raw_each, parsed_each in zip(raw, parsed, strict=True):
            merge_unknown(raw_each, parsed_each, shape.member)
