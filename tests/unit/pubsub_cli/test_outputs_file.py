"""`pubsub outputs --file` never loses what an existing file has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from pubsub_cli.app import app
from pubsub_cli.commands import outputs as command
from pubsub_cli.errors import PreconditionError
from pubsub_cli.json_file import CannotMergeError, dump, merge_objects
from tests.unit.pubsub_cli.test_front_end import OUTPUTS

# Sections and keys as in https://docs.amplify.aws/react/reference/amplify_outputs/
AMPLIFY: dict[str, Any] = {
    "version": "1.3",
    "auth": {
        "user_pool_id": "eu-west-1_abc",
        "aws_region": "eu-west-1",
        "user_pool_client_id": "3n4b5c",
        "identity_pool_id": "eu-west-1:11111111-2222-3333-4444-555555555555",
        "unauthenticated_identities_enabled": True,
        "oauth": {"domain": "shop.auth.eu-west-1.amazoncognito.com", "scopes": ["openid"]},
        "groups": [{"admins": {"precedence": 0}}],
    },
    "data": {"url": "https://x.appsync-api.eu-west-1.amazonaws.com/graphql", "aws_region": "eu-west-1"},
    "storage": {"bucket_name": "shop-pictures", "aws_region": "eu-west-1"},
    "custom": {"shopName": "Gjørs butikk", "pubsub": {"mine": 1, "endpoint": "old"}},
}


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack with fixed outputs, and without custom endpoints."""
    monkeypatch.setattr(command, "read_complete_outputs", lambda *_: dict(OUTPUTS))
    monkeypatch.setattr(command, "_user_pool", lambda *_: None)
    monkeypatch.setattr(command, "_endpoints", lambda *_: None)


def write(file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["outputs", "--region", "eu-west-1", "--file", str(file), *options])


def merged(tmp_path: Path, document: dict[str, Any], form: str = "amplify-outputs") -> dict[str, Any]:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    assert write(file, "--format", form).exit_code == 0
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def test_amplify_outputs_keep_every_other_section_and_key(tmp_path: Path) -> None:
    found = merged(tmp_path, AMPLIFY)
    assert {key: found[key] for key in ("version", "data", "storage")} == {
        key: AMPLIFY[key] for key in ("version", "data", "storage")
    }
    assert found["auth"] == AMPLIFY["auth"]
    assert found["custom"]["shopName"] == "Gjørs butikk"
    assert found["custom"]["pubsub"] == {
        "mine": 1,
        "endpoint": "wss://abc123-ats.iot.eu-west-1.amazonaws.com/mqtt",
        "aws_region": "eu-west-1",
        "self_attach_url": "https://api.example/self-attach",
        "access_mode": "guarded",
    }


def test_amplify_outputs_of_another_pool_are_replaced_and_reported(tmp_path: Path) -> None:
    file = tmp_path / "amplify_outputs.json"
    other = {**AMPLIFY["auth"], "user_pool_id": "eu-west-1_old", "identity_pool_id": "eu-west-1:old"}
    file.write_text(json.dumps(AMPLIFY | {"auth": other}))
    done = write(file, "--format", "amplify-outputs")
    assert f"{file}: auth.user_pool_id was eu-west-1_old, and is now eu-west-1_abc" in done.stderr
    auth = json.loads(file.read_text())["auth"]
    assert (auth["user_pool_id"], auth["unauthenticated_identities_enabled"]) == ("eu-west-1_abc", False)
    assert auth["oauth"] == AMPLIFY["auth"]["oauth"]


@pytest.mark.parametrize("others", [{}, {"mine": 1}])
def test_amplify_outputs_lose_only_the_local_clouds_endpoints(tmp_path: Path, others: dict[str, Any]) -> None:
    local = {"user_pool_endpoint": "http://127.0.0.1:1/", "identity_pool_endpoint": "http://127.0.0.1:1/"}
    found = merged(tmp_path, {"custom": {"cognito": {**local, **others}}})
    assert found["custom"].get("cognito", {}) == others


def test_plain_outputs_keep_other_keys_but_no_outputs_that_the_stack_lacks(tmp_path: Path) -> None:
    found = merged(tmp_path, {"mine": {"a": [1]}, "RetryQueueUrl": "old", "Region": "old"}, "json")
    assert found == {"mine": {"a": [1]}, **OUTPUTS}


def test_json_document_keeps_other_keys(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text('{"mine": 1, "outputs": {"mine": 2, "RetryQueueUrl": "old"}}')
    assert write(file, "--json").exit_code == 0
    found = json.loads(file.read_text())
    assert (found["mine"], found["outputs"]) == (1, {"mine": 2, **OUTPUTS})


@pytest.mark.parametrize("indent", ["  ", "    ", "\t"])
def test_merged_file_keeps_its_indentation_and_order(tmp_path: Path, indent: str) -> None:
    file = tmp_path / "amplify_outputs.json"
    file.write_text(json.dumps(AMPLIFY, indent=indent, ensure_ascii=False), encoding="utf-8")
    write(file, "--format", "amplify-outputs")
    first = file.read_text(encoding="utf-8")
    assert [*json.loads(first)] == [*AMPLIFY]
    assert first.startswith(f'{{\n{indent}"version"')
    assert "Gjørs" in first
    write(file, "--format", "amplify-outputs")
    assert file.read_text(encoding="utf-8") == first


@pytest.mark.parametrize(
    "line",
    [
        '"number": 1.10',
        '"number": 1E5',
        '"number": 1e999',
        '"number": -0',
        '"number": 0.1000000000000000055511151231257827',
        f'"number": {"9" * 5000}',
        r'"escaped": "Gj\u00f8r \ud800"',
        '"literal": "Gjør"',
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_merged_file_keeps_the_text_of_values_and_its_line_ends(tmp_path: Path, line: str, end: str) -> None:
    file = tmp_path / "amplify_outputs.json"
    file.write_bytes(f"{{\n    {line}\n}}\n".replace("\n", end).encode())
    assert write(file, "--format", "amplify-outputs").exit_code == 0
    text = file.read_bytes().decode()
    assert text.startswith(f"{{{end}    {line},{end}    ")
    assert text.count(end) == text.count("\n")


@pytest.mark.parametrize(
    ("form", "content", "reason"),
    [
        ("amplify-outputs", '{"data": {}', "it is not JSON"),
        ("amplify-outputs", "[1]", "it is not a JSON object"),
        ("amplify-outputs", '{"custom": []}', "custom is no object, but must be an object"),
        ("amplify-outputs", '{"auth": {"aws_region": {}}}', "auth.aws_region is an object, but must be a value"),
        ("amplify-outputs", '{"data": 1, "data": 2}', "it is not JSON: the key 'data' occurs twice"),
        ("amplify-outputs", '{"data": NaN}', "it is not JSON: NaN is not allowed"),
        ("amplify-outputs", '{"a":' * 100_000, "it has too many nested objects"),
        ("json", "# comment", "it is not JSON"),
        ("aws-exports", "const awsmobile = {};\nexport default awsmobile;\n", "--format aws-exports cannot be merged"),
        ("env", "SECRET=1\n", "--format env cannot be merged"),
        ("env", b"\xff", "it is not UTF-8 text"),
    ],
)
def test_file_that_cannot_be_merged_is_replaced_only_with_force(
    tmp_path: Path, form: str, content: str | bytes, reason: str
) -> None:
    file = tmp_path / "file"
    before = content if isinstance(content, bytes) else content.encode()
    file.write_bytes(before)
    refused = write(file, "--format", form)
    assert isinstance(refused.exception, PreconditionError)
    assert f"{file} exists and was not changed, because {reason}" in str(refused.exception)
    assert "give --force" in str(refused.exception)
    assert file.read_bytes() == before
    assert write(file, "--format", form, "--force").exit_code == 0
    assert file.read_text() == refused.stdout  # the text to paste


def test_document_that_is_too_deep_to_write_cannot_be_merged() -> None:
    document: dict[str, Any] = {}
    for _ in range(10_000):
        document = {"a": document}
    with pytest.raises(CannotMergeError, match="too many nested objects"):
        dump(document)


@pytest.mark.parametrize("form", ["json", "amplify-outputs", "aws-exports", "env"])
@pytest.mark.parametrize("content", [None, "", "\n"])
def test_new_empty_or_equal_file_is_written(tmp_path: Path, form: str, content: str | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_text(content)
    for _ in range(2):
        assert write(file, "--format", form).exit_code == 0
    assert "abc123-ats.iot.eu-west-1.amazonaws.com" in file.read_text()


def test_force_still_merges_json(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text('{"mine": 1}')
    assert write(file, "--force").exit_code == 0
    assert json.loads(file.read_text())["mine"] == 1


_VALUES = st.recursive(st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8)
_OBJECTS = st.dictionaries(st.sampled_from("abc"), _VALUES)


@given(_OBJECTS, _OBJECTS)
def test_merge_of_any_objects_has_every_key_of_both(old: dict[str, Any], new: dict[str, Any]) -> None:
    try:
        found = merge_objects(old, new)
    except CannotMergeError:
        return
    assert _paths(found) == _paths(old) | _paths(new)


def _paths(document: dict[str, Any], prefix: str = "") -> set[str]:
    """Return the path of every key."""
    paths = set()
    for key, value in document.items():
        paths |= {prefix + key} | (_paths(value, f"{prefix}{key}.") if isinstance(value, dict) else set())
    return paths
