"""Generate the page of the settings: ``python -m tools.settings_page > docs/reference/settings.md``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from textwrap import fill
from typing import Any, NamedTuple

from stacks.settings import Settings

_HEAD = """# The settings

The settings are in the context key `amplify-pubsub` of `cdk.json`. This page is generated from `stacks/settings.py`.

```json
"amplify-pubsub": {
  "topics": ["chat/*", "orders/*"],
  "environments": { "prod": { "removalPolicy": "retain", "terminationProtection": true } }
}
```

All keys are optional. An unknown key or a wrong value stops synthesis with one line: the key, the given value and the
allowed values. A pattern is a regular expression for the whole value.

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
    """Return the page: a list of all keys, and a section for each."""
    keys = list(settings())
    links = ", ".join(f"[`{key.path}`](#{key.path.replace('.', '').lower()})" for key in keys)
    sections = [f"\n## `{key.path}`\n\n{_wrap(key.text)}\n" + (f"\n{key.facts}\n" if key.facts else "") for key in keys]
    return _HEAD + _wrap(f"Keys: {links}.") + "\n" + "".join(sections)


def _wrap(text: str) -> str:
    return fill(text, _WIDTH, break_on_hyphens=False, break_long_words=False)


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
            yield Setting(path, _text(field), f"Default: {default}. Allowed: {_allowed(value)}.")


def _allowed(schema: Mapping[str, Any]) -> str:
    """Return in words what a JSON schema allows."""
    if "anyOf" in schema:  # a value or null
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
            return f"a list, each item {_allowed(schema['items'])}"
        case "object":
            ((pattern, value),) = schema["patternProperties"].items()
            return f"an object, each key of the pattern `{pattern}`, each value {_allowed(value)}"
        case _:
            more = f" that {_text(schema)}" if "description" in schema else ""
            return f"text of the pattern `{schema['pattern']}`{more}"


def _text(schema: Mapping[str, Any]) -> str:
    """Return a description as Markdown, in which a path of the documentation is a link."""
    text = " ".join(str(schema["description"]).split()).replace("``", "`")
    return _PATH.sub(r"[\2](../\1)", text)


def _code(value: object) -> str:
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    print(document(), end="")
