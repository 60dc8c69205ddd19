"""Generate the page of the settings: ``python -m tools.settings_page > docs/reference/settings.md``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from textwrap import fill
from typing import Any, NamedTuple

from stacks.settings import Settings

_HEAD = """# The settings

The settings are in the context key `amplify-pubsub` of `cdk.json`. `stacks/settings.py` defines them.

```json
"amplify-pubsub": {
  "topics": ["chat/*", "orders/*"],
  "environments": { "prod": { "removalPolicy": "retain", "terminationProtection": true } }
}
```

All keys are optional. An unknown key or a wrong value stops synthesis. Patterns are regular expressions for the whole
text.

`environments.<name>` overrides the shared settings. Select it with `-c environment=<name>`, or with `make deploy
ENVIRONMENT=<name>`. Each environment is another stack, `AmplifyPubSub-<name>`, with its own IoT policy. A name has up
to 32 lower-case letters, digits and hyphens, and begins with a letter. A name that ends in `*` matches [every name with
that prefix](../how-to/deploy.md#environments).
"""
_WIDTH = 120
_PATH = re.compile(r"docs/([\w/-]+/([\w-]+)\.md(?:#[\w-]+)?)")


class Setting(NamedTuple):
    """A key of the section: its path, and the rest as Markdown. A key with inner keys has no facts."""

    path: str
    text: str
    facts: str


def settings() -> Iterator[Setting]:
    """Yield every key, and after it its inner keys, in the order of the models."""
    schema = Settings.model_json_schema()
    yield from _keys(schema, schema["$defs"], Settings().model_dump(mode="json", by_alias=True))


def document() -> str:
    """Return the page: a section for each key."""
    return _HEAD + "".join(_section(key) for key in settings())


def _section(key: Setting) -> str:
    text = fill(key.text, _WIDTH, break_on_hyphens=False, break_long_words=False)
    return f"\n## `{key.path}`\n\n{text}\n" + (f"\n{key.facts}\n" if key.facts else "")


def _keys(
    model: Mapping[str, Any], models: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = ""
) -> Iterator[Setting]:
    for name, field in model["properties"].items():
        if name == "environment":  # selected on the command line
            continue
        path = f"{prefix}{name}"
        inner = models.get(str(field.get("$ref", "")).rpartition("/")[2])
        if inner:
            yield Setting(path, _text(field), "")
            yield from _keys(inner, models, defaults[name], f"{path}.")
        else:
            default = "none" if defaults[name] is None else _code(defaults[name])
            value = {key: each for key, each in field.items() if key != "description"}
            yield Setting(path, _text(field), f"Default: {default}. {_allowed(value)}.")


def _allowed(schema: Mapping[str, Any]) -> str:
    """Return what a JSON schema allows, with a label."""
    if "anyOf" in schema:  # a value or null
        return _allowed(schema["anyOf"][0])
    match schema.get("type"):
        case "array":
            return f"List items: {_value(schema['items'])}"
        case "object":
            ((pattern, value),) = schema["patternProperties"].items()
            return f"Object keys: `{pattern}`, values: {_value(value)}"
        case _:
            return f"{'Pattern' if 'pattern' in schema else 'Allowed'}: {_value(schema)}"


def _value(schema: Mapping[str, Any]) -> str:
    """Return what a JSON schema of a single value allows."""
    if "anyOf" in schema:  # a value or null
        return _value(schema["anyOf"][0])
    if "enum" in schema:
        return ", ".join(_code(value) for value in schema["enum"])
    match schema["type"]:
        case "boolean":
            return "`true`, `false`"
        case "integer":
            return f"{schema['minimum']} to {schema['maximum']}" if "maximum" in schema else f"from {schema['minimum']}"
        case _:
            more = f"; the text {_text(schema)}" if "description" in schema else ""
            return f"`{schema['pattern']}`{more}"


def _text(schema: Mapping[str, Any]) -> str:
    """Return a description as Markdown, in which a path of the documentation is a link."""
    text = " ".join(str(schema["description"]).split()).replace("``", "`")
    return _PATH.sub(r"[\2](../\1)", text)


def _code(value: object) -> str:
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    print(document(), end="")
