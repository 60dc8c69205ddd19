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
    return {name: value for name, value in vars(config).items() if isinstance(value, str)}


@pytest.mark.parametrize("name", CASES)
def test_file_of_each_version_is_read(name: str) -> None:
    _, expected = CASES[name]
    assert _values(AppConfig.read(FILES / name)) == expected


def test_every_file_has_a_case() -> None:
    assert {each.name for each in FILES.iterdir()} == set(CASES)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("amplify_outputs_v1_3.json", "custom.pubsub.endpoint; change the file, or give --endpoint"),
        (
            "amplify_outputs_imported.json",
            "auth.identity_pool_id and no custom.pubsub.endpoint; change the file, or give --identity-pool-id, "
            "--endpoint",
        ),
        (
            "amplify_outputs_without_auth.json",
            "auth.user_pool_id and no auth.identity_pool_id and no custom.pubsub.endpoint; change the file",
        ),
        ("aws-exports.js", "aws_pubsub_endpoint; change"),
        ("amplifyconfiguration.json", "aws_pubsub_endpoint; change"),
        ("amplifyconfiguration_mobile.json", "AWS IoT endpoint; change"),
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
    assert "has no auth.user_pool_id and no auth.identity_pool_id; change the file" in str(done.exception)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("amplify_outputs.json", "{", "is not JSON: Expecting property name"),
        ("amplify_outputs.json", "[]", "is not a JSON object"),
        ("amplify_outputs.json", "{}", "is not a configuration that is supported"),
        (
            "package.json",
            '{"name": "shop", "version": "1.0.0", "dependencies": {}}',
            "is not a configuration that is supported",
        ),
        (
            "amplify_outputs.json",
            '{"auth": {"user_pool_id": 7}}',
            "FILE has no auth.identity_pool_id and no custom.pubsub.endpoint, and auth.user_pool_id must be a text; ",
        ),
        (
            "amplify_outputs.json",
            '{"auth": {"user_pool_id": "<your-user-pool>"}}',
            "and auth.user_pool_id is '<your-user-pool>', which is not a user pool id",
        ),
        (
            "aws-exports.js",
            "export default { aws_user_pools_id: import.meta.env.VITE_POOL }",
            "and aws_user_pools_id is code that is not run (import.meta.env.VITE_POOL)",
        ),
        ("aws-exports.js", "export default 1;", "contains no object with literal values"),
        (
            "amplify_outputs.json",
            f'{{"custom": {{"a": "{HOST}", "b": "xyz-ats.iot.us-east-1.amazonaws.com"}}}}',
            f"and custom.a is '{HOST}' but custom.b is 'xyz-ats.iot.us-east-1.amazonaws.com'; change",
        ),
        (".env", "SECRET=1\n", "has none of the names of `pubsub outputs --format env`"),
        (
            ".env.local",
            "VITE_PUBSUB_ENDPOINT=a\nREACT_APP_PUBSUB_ENDPOINT=b",
            "and VITE_PUBSUB_ENDPOINT is 'a' but REACT_APP_PUBSUB_ENDPOINT is 'b'",
        ),
        (".env", "VITE_PUBSUB_ENDPOINT=a", "has no VITE_USER_POOL_ID and no VITE_IDENTITY_POOL_ID;"),
        ("amplify_outputs.json", None, "cannot be read: No such file"),
        ("amplify_outputs.json", "\n", "FILE is empty"),
        ("amplify_outputs.json", "<!doctype html>", "is not JSON: Expecting value"),
        ("amplify_outputs.json", '{"a":' * 100_000, "has too many nested objects"),
        ("aws-exports.js", "x = " + "{a:" * 20_000 + "1" + "}" * 20_000, "is not a configuration that is supported"),
        ("amplifyconfiguration.dart", "const a = '';", "has no text in ''' with the configuration"),
        ("App.js", "import a from './aws-exports'; Amplify.configure(a)", "give the imported file"),
        (
            "outputs.json",
            '{"Shop": {"UserPoolId": "eu-west-1_a"}, "Office": {"UserPoolId": "eu-west-1_b"}}',
            "UserPoolId is 'eu-west-1_a' or 'eu-west-1_b'; change the file, or give",
        ),
        (
            "config.js",
            "const dev = {aws_user_pools_id: 'eu-west-1_a'}; const prod = {aws_user_pools_id: 'eu-west-1_b'}",
            "aws_user_pools_id is 'eu-west-1_a' or 'eu-west-1_b'; change the file, or give",
        ),
        (
            "config.js",
            "export default {dev: {aws_user_pools_id: 'eu-west-1_a'}, prod: {aws_user_pools_id: 'eu-west-1_b'}}",
            "aws_user_pools_id is 'eu-west-1_a' or 'eu-west-1_b'; change the file, or give",
        ),
        (
            "config.js",
            "const a = local ? {aws_user_pools_id: 'eu-west-1_a'} : {aws_user_pools_id: process.env.POOL}",
            "aws_user_pools_id is code that is not run (process.env.POOL); change the file, or give",
        ),
        (
            "App.js",
            "Amplify.configure({...awsExports, PubSub: {aws_pubsub_region: 'eu-west-1'}})",
            "has no Auth.userPoolId and no Auth.identityPoolId and no PubSub.aws_pubsub_endpoint; change the file",
        ),
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


_IDS = "userPoolId: '{user_pool_id}', identityPoolId: '{identity_pool_id}'".format_map(POOLS)
_WITHOUT_CLIENT = {name: POOLS[name] for name in ("user_pool_id", "identity_pool_id")}


# Forms of public repositories.
@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "other-clients.ts",
            "new S3Client({region: 'us-east-1', endpoint: 'http://localhost:4566'}); "
            f"const c = {{Auth: {{Cognito: {{{_IDS}}}}}}}; new PubSub({{region: 'eu-west-1', endpoint: '{URL}'}})",
            _WITHOUT_CLIENT | PUBSUB,
        ),
        (
            "functions.js",
            f"Amplify.configure({{Auth: {{{_IDS}}}, API: {{headers: async () => {{const a = 1; return {{a}};}}, "
            f"async token() {{return 1;}}, [key]: 1}}, PubSub: {{aws_pubsub_endpoint: '{URL}'}}}})",
            _WITHOUT_CLIENT | {"endpoint": URL},
        ),
        (
            "method.js",
            f"export default {{created() {{ Amplify.configure({{Auth: {{{_IDS}}}}}); }}, computed: {{a() {{}}}}}}",
            _WITHOUT_CLIENT,
        ),
        (
            "types.ts",
            f"export const config = {{Auth: {{Cognito: {{{_IDS.replace(',', ' satisfies string,')}}}}}}} as const "
            "satisfies ResourcesConfig;",
            _WITHOUT_CLIENT,
        ),
        (
            "region-in-code.js",
            f"Amplify.configure({{Auth: {{{_IDS}}}}}); new AWSIoTProvider({{aws_pubsub_region: config.region, "
            f"aws_pubsub_endpoint: '{URL}'}})",
            _WITHOUT_CLIENT | {"endpoint": URL},
        ),
        (
            "two-forms.js",
            f"const a = {{aws_project_region: 'eu-west-1'}}; Amplify.configure({{Auth: {{Cognito: {{{_IDS}}}}}}})",
            _WITHOUT_CLIENT,
        ),
        (
            "environment.ts",
            f"export const environment = {{production: false, iot: '{HOST}', amplify: {{Auth: {{{_IDS}}}}}}};",
            _WITHOUT_CLIENT | {"endpoint": HOST},
        ),
        (
            "app.json",
            json.dumps({"expo": {"extra": {"aws_user_pools_id": "eu-west-1_a"}}}),
            {"user_pool_id": "eu-west-1_a"},
        ),
        (
            "names.js",
            f"const {{aws_user_pools_id, aws_cognito_identity_pool_id: b}} = c; const c = {{aws_user_pools_id: "
            f"'{POOLS['user_pool_id']}', aws_cognito_identity_pool_id: '{POOLS['identity_pool_id']}'}};",
            _WITHOUT_CLIENT,
        ),
        ("pubsub.ts", f"new PubSub({{region: 'eu-west-1', endpoint: '{URL}'}})", PUBSUB),
        (
            ".env.production",
            f"NEXT_PUBLIC_USER_POOL_ID={POOLS['user_pool_id']}\r\nNEXT_PUBLIC_IOT_ENDPOINT='{HOST}' # ours\r\n",
            {"user_pool_id": POOLS["user_pool_id"], "endpoint": HOST},
        ),
        (
            "awsconfiguration.json",
            json.dumps(
                {"CredentialsProvider": {"CognitoIdentity": {"Default": {"PoolId": POOLS["identity_pool_id"]}}}}
            ),
            {"identity_pool_id": POOLS["identity_pool_id"]},
        ),
    ],
)
def test_values_are_found_among_code_and_other_values(
    tmp_path: Path, name: str, text: str, expected: dict[str, str]
) -> None:
    file = tmp_path / name
    file.write_text(text, newline="")
    assert _values(AppConfig.read(file)) == expected


@pytest.mark.usefixtures("no_credentials")
@pytest.mark.parametrize("command", ["doctor", "adopt"])
def test_values_in_code_can_be_given_by_options(tmp_path: Path, command: str) -> None:
    file = tmp_path / "App.js"
    file.write_text(
        "Amplify.configure({Auth: {userPoolId: process.env.POOL, userPoolWebClientId: process.env.CLIENT, "
        f"identityPoolId: '{POOLS['identity_pool_id']}'}}}}); new AWSIoTProvider({{aws_pubsub_endpoint: `${{a}}`}})"
    )
    arguments = [command, "--config", str(file)]
    done = CliRunner().invoke(app, arguments)
    assert "Auth.userPoolId is code that is not run (process.env.POOL)" in str(done.exception)
    arguments += ["--user-pool-id", POOLS["user_pool_id"], "--user-pool-client-id", POOLS["user_pool_client_id"]]
    if command == "doctor":
        done = CliRunner().invoke(app, arguments)
        assert f"--config: in {file}, aws_pubsub_endpoint is code" in str(done.exception)
        arguments += ["--endpoint", HOST]
    done = CliRunner().invoke(app, arguments)
    assert "credentials" in str(done.exception)


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
    with pytest.raises(PreconditionError, match="--user-pool-id: 'eu-west-1:1' is not a user pool id, REGION_NAME"):
        region_of_ids(None, "eu-west-1:1", None)
    with pytest.raises(PreconditionError, match="--identity-pool-id: 'eu-west-1_a' is not an identity pool id"):
        region_of_ids(None, None, "eu-west-1_a")
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
        ("x = {...base, a: 'b', [d]: 'e'}", [{"a": "b"}]),
        ("x = {a: ('b') as string, c: ({d: 'e'}) satisfies F}", [{"a": "b", "c": {"d": "e"}}]),
        ("x = {a: 'b' c: 'd'}", []),
        ("x = {...base, a: 'b', c}", [{"a": "b", "c": Expression("c")}]),
        ("x = {a: {b: 'c'}, d: f({e: 'g'})}", [{"a": {"b": "c"}, "d": Expression("f({e: 'g'})")}, {"e": "g"}]),
        ("// {a: 'b'}\n/* {c: 'd'} */ x = {e: 'http://f' /* g */} as const", [{"e": "http://f"}]),
        ("function f() { return {a: 'b'}; }", [{"a": "b"}]),
        ("x = {a: 'b'", []),
        ("", []),
    ],
)
def test_object_literals_of_javascript_are_read_and_code_is_not_run(
    source: str, expected: list[dict[str, Any]]
) -> None:
    assert [each.value for each in object_literals(source)] == expected


def test_class_of_an_argument_is_read() -> None:
    found = object_literals(
        "new PubSub({a: 'b'}); new PubSub({c: 'd'} as Options); new Other(1, {e: 'f'}); g({h: 'i'})"
    )
    assert [each.class_name for each in found] == ["PubSub", "PubSub", None, None]


@given(st.text(alphabet="{}[]():,.'\"`\\/*$ab \n") | st.text())
def test_any_text_is_accepted_as_javascript(source: str) -> None:
    object_literals(source)


_PARTS = [
    *"{}[](),:;\n'\"`=#!",
    "...",
    "new ",
    "PubSub",
    "async a",
    "=>",
    "/* a */",
    "// a\n",
    " as const",
    "process.env.A",
]
_PARTS += ["Auth", "Cognito", "userPoolId", "identityPoolId", "aws_user_pools_id", "endpoint", "VITE_USER_POOL_ID"]
_PARTS += ["'eu-west-1_A'", '"eu-west-1:1"', f"`{URL}`", "custom", "1", "\0", "\x1b[31m"]


@given(st.sampled_from(["a.json", "a.ts", "a.dart", ".env"]), st.lists(st.sampled_from(_PARTS)).map("".join))
def test_any_file_is_read_or_rejected_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, text: str
) -> None:
    file = tmp_path_factory.getbasetemp() / name
    file.write_text(text, newline="")
    message = ""
    try:
        AppConfig.read(file).check(dict.fromkeys(POOLS), required=POOLS)
    except PreconditionError as error:
        message = str(error)
    assert "\n" not in message


def test_unclosed_comments_are_read_in_linear_time() -> None:
    assert object_literals("/*" * 100_000) == []


_JSON = st.recursive(
    st.text() | st.booleans() | st.none(), lambda inner: st.dictionaries(st.text(min_size=1), inner), max_leaves=10
)


@given(st.dictionaries(st.text(min_size=1), _JSON))
def test_any_json_object_is_read_as_javascript(document: dict[str, Any]) -> None:
    (read,) = object_literals(f"export default {json.dumps(document)};")
    assert read.value == document
