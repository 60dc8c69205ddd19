"""Synthesized templates. Each is made once per process, because it takes half a second, and jsii a second to start."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from stacks.settings import Settings


class Template:
    """A stack's template."""

    def __init__(self, settings: Settings, region: str | None = None) -> None:
        self.json = synthesized(settings.model_dump_json(by_alias=True), region)

    def resources(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Return the properties of each resource of a type, by logical id."""
        return {logical_id: each["Properties"] for logical_id, each in self.definitions(resource_type).items()}

    def definitions(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Return each resource of a type with its dependencies and policies, by logical id."""
        resources = self.json["Resources"].items()
        return {logical_id: each for logical_id, each in resources if each["Type"] == resource_type}

    def only(self, resource_type: str, matches: Callable[[str], bool] = lambda _id: True) -> dict[str, Any]:
        """Return the properties of the one resource of a type whose logical id matches."""
        (found,) = (each for logical_id, each in self.resources(resource_type).items() if matches(logical_id))
        return found

    def invoked_by(self, service: str) -> dict[str, dict[str, Any]]:
        """Return the permissions of a service to invoke functions of the stack, by logical id."""
        permissions = self.resources("AWS::Lambda::Permission").items()
        return {logical_id: each for logical_id, each in permissions if each["Principal"] == f"{service}.amazonaws.com"}

    def statements_of(self, function: str) -> list[dict[str, Any]]:
        """Return the statements of a function's role, except those for logs."""
        role = next(each for each in self.resources("AWS::IAM::Role") if each.startswith(f"{function}Role"))
        policies = [each for each in self.resources("AWS::IAM::Policy").values() if {"Ref": role} in each["Roles"]]
        statements = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
        return [each for each in statements if each["Action"] != ["logs:CreateLogStream", "logs:PutLogEvents"]]


def allowed_names(document: dict[str, Any]) -> dict[str, list[str]]:
    """Return the clients, topics and topic filters that a policy document allows, by action."""
    statements = document["Statement"]
    assert {each["Effect"] for each in statements} == {"Allow"}
    return {
        action: sorted(arn["Fn::Join"][1][-1].lstrip(":") for arn in as_list(each["Resource"]))
        for each in statements
        for action in as_list(each["Action"])
    }


def as_list(value: Any) -> list[Any]:
    """Return the values of a member that CDK writes as a list only if there are several."""
    return value if isinstance(value, list) else [value]


@functools.cache
def synthesized(settings: str, region: str | None) -> dict[str, Any]:
    """Return the template for settings in JSON."""
    # Imported late, because every process collects these tests and only one runs them.
    from aws_cdk import App, Environment
    from aws_cdk.assertions import Template as CdkTemplate

    from stacks.amplify_pubsub_stack import AmplifyPubSubStack

    # CDK's validation takes seconds to load. tools.check_templates runs it.
    app = App(builtin_cloud_formation_validation=False)
    stack = AmplifyPubSubStack(app, Settings.model_validate_json(settings), env=Environment(region=region))
    return dict(CdkTemplate.from_stack(stack).to_json())


KEY_ARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:alarms"

AUTH_ROLE = "amplify-shop-dev-authRole"
ADMINS = "eu-west-1_abc-adminsGroupRole"
USERS: dict[str, Any] = {"userPoolId": "eu-west-1_abc", "userPoolClientIds": ["web", "native"]}
IDENTITIES: dict[str, Any] = {
    "identityPoolId": "eu-west-1:11111111-2222-3333-4444-555555555555",
    "authRoleArn": f"arn:aws:iam::123456789012:role/{AUTH_ROLE}",
    "groupRoleArns": [f"arn:aws:iam::123456789012:role/{ADMINS}"],
}
SMS_ROLE = "arn:aws:iam::123456789012:role/shop-sns"
SENDER_KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="session")
def all_settings() -> Template:
    """With every setting that adds something."""
    return Template(
        Settings.model_validate(
            {
                "alarmTopicArn": TOPIC_ARN,
                "allowOrigins": ["https://app.example.com", "http://localhost:5173"],
                "groups": ["admins", "editors"],
                "logGroupKeyArn": KEY_ARN,
                "logRetentionDays": 90,
                "mfa": "optional",
                "permissionsBoundary": "Developers",
                "removalPolicy": "retain",
                "tags": {"team": "platform"},
                "terminationProtection": True,
                "topics": ["chat/*", "orders"],
            }
        )
    )


@pytest.fixture(scope="session")
def template() -> Template:
    return Template(Settings())


@pytest.fixture(scope="session")
def prod() -> Template:
    return Template(Settings.model_validate({"environment": "prod"}))


@pytest.fixture(scope="session")
def self_attach_only() -> Template:
    return Template(Settings.model_validate({"attachment": "self-attach", "groups": ["admins"]}))


@pytest.fixture(scope="session")
def adopted() -> Template:
    """Pools and roles adopted, with self-attach."""
    return Template(Settings.model_validate({"adopt": USERS | IDENTITIES}))


@pytest.fixture(scope="session")
def adopted_at_sign_in() -> Template:
    """Pools and roles adopted, with attachment at sign-in. The template has every alarm."""
    return Template(Settings.model_validate({"adopt": USERS | IDENTITIES, "attachment": "sign-in"}))


@pytest.fixture(scope="session")
def adopted_user_pool_at_sign_in() -> Template:
    """A user pool adopted with attachment at sign-in, and everything that changing its triggers requires."""
    adopt = USERS | {"smsRoleArn": SMS_ROLE, "customSenderKeyArn": SENDER_KEY}
    return Template(Settings.model_validate({"adopt": adopt, "attachment": "sign-in", "groups": ["admins"]}))
