"""`pubsub doctor --policy-file`: what an IoT policy document in a file allows, and its mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pubsub_cli.app import app

PREFIX = "arn:aws:iot:eu-west-1:123456789012"
IDENTITY = "eu-west-1:0a1b2c3d-1111-2222-3333-444455556666"
SUB = "${cognito-identity.amazonaws.com:sub}"


def allow(action: str | list[str], *resources: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": list(resources), **more}


OWN = [
    allow("iot:Connect", f"{PREFIX}:client/{SUB}"),
    allow("iot:Subscribe", f"{PREFIX}:topicfilter/{SUB}/*"),
    allow(["iot:Publish", "iot:RetainPublish", "iot:Receive"], f"{PREFIX}:topic/{SUB}/*"),
]


@pytest.fixture(autouse=True)
def without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def explain(tmp_path: Path, content: object, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the command. Return the exit code and the JSON document."""
    file = tmp_path / "policy.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    done = CliRunner().invoke(app, ["doctor", "--policy-file", str(file), "--json", *options])
    return done.exit_code, json.loads(done.stdout) if done.stdout else {}


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": list(statements)}


def test_policy_that_allows_all_requests_passes_with_the_deciding_statements(tmp_path: Path) -> None:
    options = ("--topic", f"{IDENTITY}/a", "--client-id", IDENTITY, "--identity-id", IDENTITY)
    code, found = explain(tmp_path, document(*OWN), *options)
    assert (code, found["mistakes"], found["summary"]["passed"]) == (0, [], 5)
    assert [each["cause"][:12] for each in found["requests"]] == [
        "statement 1:",
        "statement 2:",
        "statement 3:",
        "statement 3:",
        "statement 3:",
    ]


@pytest.mark.parametrize("wrapped", ["policyDocument", "Document"])
def test_answer_of_aws_is_accepted_as_a_policy(tmp_path: Path, wrapped: str) -> None:
    inner: Any = json.dumps(document(*OWN)) if wrapped == "policyDocument" else document(*OWN)
    answer = {wrapped: inner} if wrapped == "policyDocument" else {"PolicyVersion": {wrapped: inner}}
    code, _ = explain(tmp_path, answer, "--client-id", IDENTITY, "--identity-id", IDENTITY)
    assert code == 0


def test_result_without_the_identity_is_unknown(tmp_path: Path) -> None:
    code, found = explain(tmp_path, document(*OWN), "--client-id", "browser")
    assert (code, found["requests"][0]["status"]) == (1, "unknown")
    assert "it depends on cognito-identity.amazonaws.com:sub" in found["requests"][0]["cause"]
    assert found["requests"][0]["fix"] == "Give --identity-id."


def test_denied_request_shows_the_statement_to_add_for_all_users(tmp_path: Path) -> None:
    options = ("--topic", f"{IDENTITY}/a", "--client-id", IDENTITY, "--identity-id", IDENTITY)
    code, found = explain(tmp_path, document(OWN[0], OWN[2]), *options)
    (denied,) = (each for each in found["requests"] if each["status"] == "failed")
    assert (code, denied["action"]) == (1, "iot:Subscribe")
    assert f"{PREFIX}:topicfilter/{SUB}/a" in denied["fix"]
    assert IDENTITY not in denied["fix"]
    assert found["mistakes"] == ["no statement allows iot:Subscribe"]


def test_denied_retained_messages_are_a_warning(tmp_path: Path) -> None:
    open_to_all = allow(["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"], "*")
    code, found = explain(tmp_path, document(open_to_all), "--topic", "a")
    assert (code, found["requests"][3]["status"]) == (0, "warning")


@pytest.mark.parametrize(
    ("statement", "mistake"),
    [
        (allow("iot:Publish", "arn:aws:iot:iot:topic/a"), "arn:aws:iot:iot:topic/a is malformed"),
        (allow("iot:Publish", "aws:iot:::topic/a"), "aws:iot:::topic/a is malformed"),
        (allow("iot:Publish", f"{PREFIX}/topic/a"), "is malformed"),
        (allow("iot:Publish", "arn:aws:iot:eu-west-1:123456789012/*"), "is malformed"),
        (allow("iot:Publish", "*****/topic/a"), "*****/topic/a is malformed"),
        (allow("iot:Publish", "arn:aws:iot:::topic/a"), "arn:aws:iot:::topic/a has no region and no account"),
        (allow("iot:Publish", f"{PREFIX}:topic/${{iot:CertificateId}}"), "never matches for a Cognito identity"),
        (allow("iot:GetThingSadow", "*"), "did you mean iot:GetThingShadow?"),
        (allow('"iot:Publish"', "*"), "did you mean iot:Publish?"),
        (allow("iot:*", "*", Principal="*"), "IoT policies have no Principal"),
        (allow("iot:Publish", f"{PREFIX}:topic/${{custom:firm}}/*"), "have no variable ${custom:firm}"),
        (allow("iot:Publish", f"{PREFIX}:topic/rooms/#"), "+ and # are literal"),
        (allow("iot:Publish", f"{PREFIX}:topic/'a'"), "quotation marks"),
        (allow("iot:Publish", f"{PREFIX}:topics/a"), "does not begin with client/, topic/ or topicfilter/"),
        (allow("iot:Subscribe", f"{PREFIX}:topic/a"), "iot:Subscribe needs a resource topicfilter/"),
        (allow("mqtt:Publish", "*"), "mqtt:Publish matches no action that IoT policies can allow"),
        (allow("iot:*.", "*"), "iot:*. matches no action that IoT policies can allow"),
        (allow("iot:AttachPolicy", "*"), "iot:AttachPolicy matches no action that IoT policies can allow"),
        ({"Effect": "allow", "Action": "iot:*", "Resource": "*"}, "its Effect is 'allow'"),
        ({"Effect": "Allow", "Action": "iot:*"}, "it has neither Resource nor NotResource"),
        (allow("iot:Publish", f"{PREFIX}:topic/{IDENTITY}/a"), f"contains the identity id {IDENTITY}"),
        (allow("iot:Publish", *[f"{PREFIX}:topic/{each}" for each in range(60)]), "and AWS IoT accepts 2048"),
        (allow("iot:Publish", "*"), "no statement allows iot:Receive: AWS IoT keeps the connection open"),
    ],
)
def test_mistakes_are_named_without_a_topic(tmp_path: Path, statement: dict[str, Any], mistake: str) -> None:
    _, found = explain(tmp_path, document(statement))
    assert any(mistake in each for each in found["mistakes"]), found["mistakes"]


@pytest.mark.parametrize(
    "resource", ["*", "arn:aws:iot:*", "arn:aws:iot:*:*:*", "arn:aws:iot:eu-west-1:123456789012:*"]
)
@pytest.mark.parametrize("action", ["greengrass:GetComponentVersionArtifact", "iotjobsdata:UpdateJobExecution", "*"])
def test_wildcards_and_actions_of_devices_are_no_mistake(tmp_path: Path, action: str, resource: str) -> None:
    _, found = explain(tmp_path, document(allow([action, "iot:*"], resource)))
    assert found["mistakes"] == []


@pytest.mark.parametrize(
    ("resource", "options", "prefix"),
    [
        ("*", (), "arn:aws:iot:REGION:ACCOUNT"),
        ("*", ("--region", "cn-north-1"), "arn:aws-cn:iot:cn-north-1:ACCOUNT"),
        ("arn:aws:iot:eu-west-1:4************3:topic/*", (), "arn:aws:iot:eu-west-1:ACCOUNT"),
        ("arn:aws:iot:eu-west-1:XXXXXXXX/*", (), "arn:aws:iot:eu-west-1:ACCOUNT"),
        (f"{PREFIX}:topic/b", (), PREFIX),
    ],
)
def test_fix_has_no_account_that_is_not_given(
    tmp_path: Path, resource: str, options: tuple[str, ...], prefix: str
) -> None:
    _, found = explain(tmp_path, document(allow("iot:Publish", resource)), "--topic", "a", *options)
    subscribe = found["requests"][1]
    assert f'"Resource":["{prefix}:topicfilter/a"]' in subscribe["fix"]


def test_reserved_topic_without_a_use_is_a_mistake(tmp_path: Path) -> None:
    _, found = explain(tmp_path, document(*OWN), "--topic", "$SYS/#")
    assert "--topic $SYS/#: AWS IoT does not let clients use this reserved topic" in found["mistakes"]


@pytest.mark.parametrize("key", ["IsAttached", "Attributes[owner]"])
def test_thing_of_a_random_client_id_is_denied(tmp_path: Path, key: str) -> None:
    condition = {"StringEquals": {f"iot:Connection.Thing.{key}": "true"}}
    _, found = explain(tmp_path, document(allow("iot:Connect", "*", Condition=condition)))
    connect = found["requests"][0]
    assert connect["status"] == "failed"
    assert connect["fix"].startswith("Give Amplify PubSub the name of the user's thing as clientId")


def test_variables_need_the_newer_version(tmp_path: Path) -> None:
    _, found = explain(tmp_path, document(*OWN, version="2008-10-17"))
    assert 'is replaced only in a document with "Version":"2012-10-17"' in found["mistakes"][0]


@pytest.mark.parametrize(
    ("prefix", "placeholders"),
    [
        ("arn:aws:iot:eu-west-1:XXX", "XXX"),
        ("arn:aws:iot:eu-west-1:your-account", "your-account"),
        ("arn:aws:iot:<REGION>:*******", "<REGION>, *******"),
        ("*****", "*****"),
        ("arn:aws:iot:[region]:[AWS account ID]", "[region], [AWS account ID]"),
        ("arn:aws:iot:${AWS::Region}:${AWS::AccountId}", "${AWS::Region}, ${AWS::AccountId}"),
        ("arn:${AWS::Partition}:iot:eu-west-1:${self:custom.account}", "${AWS::Partition}, ${self:custom.account}"),
    ],
)
def test_placeholders_of_a_published_policy_are_read_as_real_values(
    tmp_path: Path, prefix: str, placeholders: str
) -> None:
    published = document(allow("iot:Connect", f"{prefix}:client/a"), allow("iot:Subscribe", f"{prefix}:topicfilter/b"))
    options = ("--region", "eu-west-1", "--client-id", "a", "--topic", "c")
    code, found = explain(tmp_path, published, *options)
    connect, subscribe = found["requests"][:2]
    assert (code, connect["status"], subscribe["status"]) == (1, "passed", "failed")
    assert subscribe["cause"] == "no statement of the policy policy.json covers it"
    assert "arn:aws:iot:eu-west-1:ACCOUNT:topicfilter/c" in subscribe["fix"]
    assert found["mistakes"][0] == f"placeholders, read as {PREFIX}: {placeholders}; AWS IoT needs the real values"


@pytest.mark.parametrize(
    "resource", ["arn:aws:iot:iot:eu-west-1:123456789012:topic/a", "arn:aws:iot:eu-west-1:12345:topic/a"]
)
def test_wrong_account_is_no_placeholder(tmp_path: Path, resource: str) -> None:
    _, found = explain(tmp_path, document(allow("iot:*", resource)))
    assert not any(each.startswith("placeholders") for each in found["mistakes"])


def test_things_of_shadow_statements_are_no_mistake(tmp_path: Path) -> None:
    _, found = explain(tmp_path, document(allow("iot:GetThingShadow", f"{PREFIX}:thing/lamp")))
    assert not any("does not begin with client/" in each for each in found["mistakes"])


def test_wildcard_of_policies_in_a_topic_is_a_mistake(tmp_path: Path) -> None:
    _, found = explain(tmp_path, document(*OWN), "--topic", "room*")
    expected = "--topic room*: * is an ordinary character in MQTT; the wildcards of topic filters are + and #"
    assert expected in found["mistakes"]


@pytest.mark.parametrize(("effect", "expected"), [("Allow", True), ("Deny", False)])
def test_own_client_id_as_the_only_client_is_a_mistake(tmp_path: Path, effect: str, expected: bool) -> None:
    statement = allow("iot:Connect", f"{PREFIX}:client/${{iot:ClientId}}") | {"Effect": effect}
    _, found = explain(tmp_path, document(statement))
    assert any("allows every client id, as client/* does" in each for each in found["mistakes"]) is expected


def test_variable_of_a_thing_is_unknown_and_names_the_command(tmp_path: Path) -> None:
    policy = document(allow("iot:Connect", f"{PREFIX}:client/${{iot:Connection.Thing.ThingName}}"))
    _, found = explain(tmp_path, policy, "--client-id", "lamp")
    connect = found["requests"][0]
    assert connect["status"] == "unknown"
    assert "aws iot attach-thing-principal" in connect["fix"]


def test_condition_on_connect_attributes_is_unknown_and_names_them(tmp_path: Path) -> None:
    condition = {"ForAllValues:StringEquals": {"iot:ConnectAttributes": ["LastWill"]}}
    _, found = explain(tmp_path, document(allow("iot:Connect", f"{PREFIX}:client/*", Condition=condition)))
    connect = found["requests"][0]
    assert connect["status"] == "unknown"
    assert "with a will has the value LastWill" in connect["fix"]


@pytest.mark.parametrize(
    ("service", "status"), [("cognito-identity-us-gov", "passed"), ("cognito-identity", "unknown")]
)
def test_variable_of_other_regions_is_unknown(tmp_path: Path, service: str, status: str) -> None:
    identity = f"us-gov-west-1{IDENTITY[9:]}"
    own = f"arn:aws-us-gov:iot:us-gov-west-1:123456789012:client/${{{service}.amazonaws.com:sub}}"
    _, found = explain(tmp_path, document(allow("iot:*", own)), "--client-id", identity, "--identity-id", identity)
    assert found["requests"][0]["status"] == status


def test_region_is_that_of_the_identity(tmp_path: Path) -> None:
    other = f"us-east-1{IDENTITY[9:]}"
    _, found = explain(tmp_path, document(*OWN), "--client-id", other, "--identity-id", other)
    assert "region eu-west-1, not us-east-1" in found["requests"][0]["cause"]


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"Version": "2012-10-17"}', '{"policyDocument": "{"}', '{"Statement": [{"Condition": 1}]}']
)
def test_file_without_a_policy_is_a_usage_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text(content)
    done = CliRunner().invoke(app, ["doctor", "--policy-file", str(file)])
    assert done.exception is not None
    assert "--policy-file" in str(done.exception)


@pytest.mark.parametrize(
    "options",
    [
        ("--fix",),
        ("--yes",),
        ("--skip", "PS101"),
        ("--user", "ada"),
        ("--password-stdin",),
        ("--keep-alive", "30"),
        ("--stack", "Other"),
        ("--profile", "other"),
        ("--endpoint", "example.com"),
    ],
)
def test_options_without_an_effect_are_rejected(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, _ = explain(tmp_path, document(*OWN), *options)
    assert code == 2


def test_text_output_shows_results_reasons_and_fixes(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(document(allow("iot:Connect", "*"))))
    done = CliRunner().invoke(app, ["doctor", "--policy-file", str(file), "--topic", "a"])
    assert done.exit_code == 1
    assert "  ok    connect with a random client id" in done.stdout
    assert "  FAIL  publish to a\n        why  the policy policy.json: no statement" in done.stdout
    assert "        fix  Add to the policy policy.json:" in done.stdout
    assert "1 passed, 3 failed, 5 warnings" in done.stdout
