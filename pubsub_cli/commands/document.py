"""The JSON document that every command writes with ``--json``."""

from __future__ import annotations

import json
from typing import Any

SCHEMA = 1


def document(command: str, stack: str | None, region: str | None, **members: Any) -> str:
    """Return the document of a command: what every command says, then its own members."""
    head = {"schema": SCHEMA, "command": command, "stack": stack, "region": region}
    return json.dumps(head | members, indent=2) + "\n"
