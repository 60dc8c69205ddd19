"""The configuration files in `app_configs`, written after Amplify's documentation of each version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pubsub_cli.app import app
from pubsub_cli.app_config import AppConfig, region_of_ids
from pubsub_cli.errors import PreconditionError
from pubsub_cli.javascript import Expression, object_literals

FILES = Path(__file__).parent / "app_configs"
POOLS = {
    "user_pool_id": "eu-west-1_AbC12dEf3",
    "user_pool_client_id": "1h57kf5cpq17m0eml12EXAMPLE",
    "identity_pool_id": "eu-west-1:11111111-2222-4333-8444-555555555555",
}
HOST = "abc123-ats.iot.eu-west-1.amazonaws.com"
URL = f"wss://{HOST}/mqtt"
PUBSUB = {"endpoint": URL, "pubsub_region": "eu-west-1"}
_GEN_1 = "https://docs.amplify.aws/gen1"
_SCHEMA = "https://docs.amplify.aws/react/reference/amplify_outputs/"
_EXPORTS = "https://github.com/aws-amplify/amplify-js/blob/main/packages/core/src/parseAWSExports.ts"

# The file, the page that documents its form, and what is in it.
CASES: dict[str, tuple[str, dict[str, str]]] = {
    "amplify_outputs_v1.json": (_SCHEMA, POOLS | {"endpoint": HOST}),
    "amplify_outputs_v1_3.json": (_SCHEMA, POOLS),
    "amplify_outputs_v1_4.json": (_SCHEMA, POOLS | PUBSUB),
    "amplify_outputs_imported.json": (
        "https://docs.amplify.aws/react/build-a-backend/auth/use-existing-cognito-resources/",
        {name: POOLS[name] for name in ("user_pool_id", "user_pool_client_id")},
    ),
    "amplify_outputs_without_auth.json": (_SCHEMA, {}),
    "aws-exports.js": (_EXPORTS, POOLS),
    "aws-exports.cjs": (f"{_GEN_1}/react/build-a-backend/more-features/pubsub/set-up-pubsub/", POOLS | PUBSUB),
    "amplifyconfiguration.json": (_EXPORTS, POOLS),
    "amplifyconfiguration_mobile.json": (f"{_GEN_1}/swift/build-a-backend/auth/existing-resources/", POOLS),
    "amplifyconfiguration.dart": ("https://docs.amplify.aws/flutter/build-a-backend/auth/existing-resources", POOLS),
    "awsconfiguration.json": ("https://docs.amplify.aws/android/prev/build-a-backend/auth/existing-resources", POOLS),
    "main_v5.js": (
        "https://docs.amplify.aws/react/prev/build-a-backend/more-features/pubsub/set-up-pubsub/",
        POOLS | PUBSUB,
    ),
    "main_v6.ts": (
        "https://docs.amplify.aws/nextjs/build-a-backend/add-aws-services/pubsub/set-up-pubsub/",
        POOLS | PUBSUB,
    ),
    "vite.env": ("docs/how-to/deploy.md", POOLS | PUBSUB),
    "cdk_outputs.json": ("docs/how-to/deploy.md", POOLS | {"endpoint": HOST, "policy_name": "shopPolicy"}),
}


def _values(config: AppConfig) -> dict[str, str]:
    return {name: value for name, value in vars(config).items() if isinstance(value, str) and name != "region"}


@pytest.mark.parametrize("name", CASES)
def test_file_of_each_version_is_read(name: str) -> None:
    _, expected = CASES[name]
    assert _values(AppConfig.read(FILES / name)) == expected


def test_every_file_has_a_case() -> None:
    assert {each.name for each in FILES.iterdir()} == set(CASES)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("amplify_outputs_v1_3.json", "custom.pubsub.endpoint; add the value, or give --endpoint"),
        (
            "amplify_outputs_imported.json",
            "auth.identity_pool_id and no custom.pubsub.endpoint; add the value, or give --identity-pool-id, "
            "--endpoint",
        ),
        (
            "amplify_outputs_without_auth.json",
            "auth.user_pool_id and no auth.identity_pool_id and no custom.pubsub.endpoint; add the value",
        ),
        ("aws-exports.js", "aws_pubsub_endpoint; add"),
        ("amplifyconfiguration.json", "aws_pubsub_endpoint; add"),
        ("amplifyconfiguration_mobile.json", "AWS IoT endpoint; add"),
    ],
)
@pytest.mark.usefixtures("no_credentials")
def test_doctor_names_the_keys_that_a_file_lacks(name: str, missing: str) -> None:
    done = CliRunner().invoke(app, ["doctor", "--config", str(FILES / name)])
    assert isinstance(done.exception, PreconditionError)
    assert f"--config: {FILES / name} has no {missing}" in str(done.exception)


@pytest.mark.usefixtures("no_credentials")
def test_adopt_names_the_keys_of_pools_that_a_file_lacks() -> None:
    done = CliRunner().invoke(app, ["adopt", "--config", str(FILES / "amplify_outputs_without_auth.json")])
    assert "has no auth.user_pool_id and no auth.identity_pool_id: nothing to adopt" in str(done.exception)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("amplify_outputs.json", "{", "is not JSON: Expecting property name"),
        ("amplify_outputs.json", "[]", "is not a JSON object"),
        ("amplify_outputs.json", "{}", "is not a configuration that is supported"),
        ("package.json", '{"name": "shop", "version": "1.0.0", "dependencies": {}}', "has no auth.user_pool_id"),
        ("amplify_outputs.json", '{"auth": {"user_pool_id": 7}}', "auth.user_pool_id in FILE must be a text"),
        (
            "amplify_outputs.json",
            '{"auth": {"user_pool_id": "<your-user-pool>"}}',
            "auth.user_pool_id in FILE is '<your-user-pool>', which is not a user pool id",
        ),
        (
            "aws-exports.js",
            "export default { aws_user_pools_id: import.meta.env.VITE_POOL }",
            "aws_user_pools_id in FILE is code, import.meta.env.VITE_POOL, which is not run",
        ),
        ("aws-exports.js", "export default 1;", "contains no object with literal values"),
        (
            "amplify_outputs.json",
            f'{{"custom": {{"a": "{HOST}", "b": "xyz-ats.iot.us-east-1.amazonaws.com"}}}}',
            "has several endpoints, custom.a, custom.b: give --endpoint",
        ),
        (".env", "SECRET=1\n", "has none of the names of `pubsub outputs --format env`"),
        (
            ".env.local",
            "VITE_PUBSUB_ENDPOINT=a\nREACT_APP_PUBSUB_ENDPOINT=b",
            "VITE_PUBSUB_ENDPOINT and REACT_APP_PUBSUB_ENDPOINT in FILE have different values",
        ),
        (".env", "VITE_PUBSUB_ENDPOINT=a", "has no VITE_USER_POOL_ID and no VITE_IDENTITY_POOL_ID;"),
        ("amplify_outputs.json", None, "cannot be read: No such file"),
        ("amplify_outputs.json", b"\xff", "cannot be read: it is not UTF-8 text"),
    ],
)
@pytest.mark.usefixtures("no_credentials")
def test_invalid_file_ends_the_doctor_with_one_line(
    tmp_path: Path, name: str, text: str | bytes | None, message: str
) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = CliRunner().invoke(app, ["doctor", "--config", str(file)])
    assert isinstance(done.exception, PreconditionError)
    assert message.replace("FILE", str(file)) in str(done.exception)
    assert "\n" not in str(done.exception)


@pytest.mark.usefixtures("no_credentials")
def test_option_overrides_the_file_and_the_region_is_that_of_the_pools() -> None:
    file = str(FILES / "amplify_outputs_v1_4.json")
    done = CliRunner().invoke(app, ["doctor", "--config", file, "--identity-pool-id", "us-east-1:1"])
    assert "are in two regions, which is not supported" in str(done.exception)
    done = CliRunner().invoke(app, ["doctor", "--config", file])
    assert "there are no AWS credentials: give them, or --id-token" in str(done.exception)


def test_region_is_that_of_the_ids() -> None:
    assert region_of_ids(None, "eu-west-1_a", None) == "eu-west-1"
    assert region_of_ids("eu-west-1", "eu-west-1_a", "eu-west-1:1") == "eu-west-1"
    assert region_of_ids("eu-west-1", None, None) == "eu-west-1"
    with pytest.raises(PreconditionError, match="--region is us-east-1, but user pool eu-west-1_a is in eu-west-1"):
        region_of_ids("us-east-1", "eu-west-1_a", None)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = {a: 'b', 'c': \"d\", e: `f`,}", [{"a": "b", "c": "d", "e": "f"}]),
        (r"x = {a: 'it\'s \u0041\x42\u{43}\n'}", [{"a": "it's ABC\n"}]),
        ("x = {a: true, b: false, c: null, d: undefined}", [{"a": True, "b": False, "c": None, "d": None}]),
        (
            "x = {a: `b${c}`, d: 'e' + f, g: 1}",
            [{"a": Expression("`b${c}`"), "d": Expression("'e' + f"), "g": Expression("1")}],
        ),
        ("x = {...base, a: 'b', c, [d]: 'e'}", []),
        ("x = {...base, a: 'b', c}", [{"a": "b"}]),
        ("x = {a: {b: 'c'}, d: f({e: 'g'})}", [{"a": {"b": "c"}, "d": Expression("f({e: 'g'})")}]),
        ("// {a: 'b'}\n/* {c: 'd'} */ x = {e: 'http://f' /* g */} as const", [{"e": "http://f"}]),
        ("function f() { return {a: 'b'}; }", [{"a": "b"}]),
        ("x = {a: 'b'", []),
        ("", []),
    ],
)
def test_object_literals_of_javascript_are_read_and_code_is_not_run(
    source: str, expected: list[dict[str, Any]]
) -> None:
    assert list(object_literals(source)) == expected


@given(st.text(alphabet="{}[]():,.'\"`\\/*$ab \n") | st.text())
def test_any_text_is_accepted_as_javascript(source: str) -> None:
    list(object_literals(source))


_JSON = st.recursive(
    st.text() | st.booleans() | st.none(), lambda inner: st.dictionaries(st.text(min_size=1), inner), max_leaves=10
)


@given(st.dictionaries(st.text(min_size=1), _JSON))
def test_any_json_object_is_read_as_javascript(document: dict[str, Any]) -> None:
    (read,) = object_literals(f"export default {json.dumps(document)};")
    assert read == document
