"""Generate the page of the settings: ``python -m tools.settings_page > docs/reference/settings.md``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from textwrap import fill
from typing import Any, NamedTuple

from stacks.settings import Settings

_HEAD = """# The settings

All settings, generated from `stacks/settings.py`: context key `amplify-pubsub` in `cdk.json`.

```json
"amplify-pubsub": {
  "topics": ["chat/*", "orders/*"],
  "environments": { "prod": { "removalPolicy": "retain", "terminationProtection": true } }
}
```

`environments.<name>` overrides the shared settings. Select it with `-c environment=<name>`, or with `make deploy
ENVIRONMENT=<name>`. It is another stack, `AmplifyPubSub-<name>`, with its own IoT policy. A name has up to 32
lower-case letters, digits and hyphens, and begins with a letter. A key that ends in `*` matches
[every name with that prefix](../how-to/deploy.md#environments).

All keys are optional. An unknown key or a wrong value stops the synthesis with one line: the path of the key, the given
value and the allowed values. A pattern is a regular expression that must match the whole value.

| key | default |
|---|---|
"""
_WIDTH = 120
_PATH = re.compile(r"docs/([\w/-]+/([\w-]+)\.md(?:#[\w-]+)?)")


class Setting(NamedTuple):
    """One key: its path in the section, what it takes, its default and what it does, as Markdown.

    An object of further keys has no default of its own.
    """

    path: str
    allowed: str
    default: str
    text: str


def settings() -> Iterator[Setting]:
    """Give every key of the section, those of objects after the object, in the order of the models."""
    schema = Settings.model_json_schema()
    yield from _keys(schema, schema["$defs"], Settings().model_dump(mode="json", by_alias=True))


def document() -> str:
    """Return the page: a table of all keys, and a section for each."""
    keys = list(settings())
    rows = [f"| [`{key.path}`](#{key.path.replace('.', '').lower()}) | {key.default} |\n" for key in keys]
    sections = [f"\n## `{key.path}`\n\n{fill(key.text, _WIDTH, break_on_hyphens=False)}\n{_facts(key)}" for key in keys]
    return _HEAD + "".join(rows + sections)


def _facts(key: Setting) -> str:
    return f"\n- Default: {key.default}\n- Takes {key.allowed}\n" if key.default else ""


def _keys(
    model: Mapping[str, Any], models: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = ""
) -> Iterator[Setting]:
    for name, field in model["properties"].items():
        if name == "environment":  # chosen on the command line
            continue
        path = f"{prefix}{name}"
        inner = models.get(str(field.get("$ref", "")).rpartition("/")[2])
        default = defaults[name]
        if inner is None:
            value = {key: each for key, each in field.items() if key != "description"}
            yield Setting(path, _allowed(value), "none" if default is None else _code(default), _text(field))
        else:
            yield Setting(path, "", "", _text(field))
            yield from _keys(inner, models, default, f"{path}.")


def _allowed(schema: Mapping[str, Any]) -> str:
    """Return in words what a JSON schema allows."""
    if "anyOf" in schema:  # a value or nothing
        return _allowed(schema["anyOf"][0])
    if "enum" in schema:
        return ", ".join(_code(value) for value in schema["enum"])
    match schema["type"]:
        case "boolean":
            return "`true`, `false`"
        case "integer":
            upper = f" to {schema['maximum']}" if "maximum" in schema else ""
            return f"a whole number from {schema['minimum']}{upper}"
        case "array":
            return f"a list, each {_allowed(schema['items'])}"
        case "object":
            ((pattern, value),) = schema["patternProperties"].items()
            return f"an object; each key text of the pattern `{pattern}`, each value {_allowed(value)}"
        case _:
            more = f", {_text(schema)}" if "description" in schema else ""
            return f"text of the pattern `{schema['pattern']}`{more}"


def _text(schema: Mapping[str, Any]) -> str:
    """Return a description as Markdown, in which a page of the documentation is a link."""
    text = " ".join(str(schema["description"]).split()).replace("``", "`")
    return _PATH.sub(r"[\2](../\1)", text)


def _code(value: object) -> str:
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    print(document(), end="")
