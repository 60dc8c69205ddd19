"""Synthesized templates, each made once per process: jsii takes a second to start, and half a second for each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from stacks.settings import Settings


class Template:
    """A stack's template, with the few questions the tests ask of it."""

    def __init__(self, settings: Settings, region: str | None = None) -> None:
        self.json = synthesized(settings.model_dump_json(by_alias=True), region)

    def resources(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Return the properties of each resource of a type, by logical id."""
        return {
            logical_id: resource["Properties"]
            for logical_id, resource in self.json["Resources"].items()
            if resource["Type"] == resource_type
        }

    def entire(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Return each resource of a type, by logical id, with what CloudFormation does when it goes."""
        resources = self.json["Resources"].items()
        return {logical_id: each for logical_id, each in resources if each["Type"] == resource_type}

    def only(self, resource_type: str, matches: Callable[[str], bool] = lambda _id: True) -> dict[str, Any]:
        """Return the properties of the one resource of a type whose logical id matches."""
        (found,) = (each for logical_id, each in self.resources(resource_type).items() if matches(logical_id))
        return found

    def invoked_by(self, service: str) -> dict[str, dict[str, Any]]:
        """Return the permissions of a service to invoke our functions, by logical id."""
        permissions = self.resources("AWS::Lambda::Permission").items()
        return {logical_id: each for logical_id, each in permissions if each["Principal"] == f"{service}.amazonaws.com"}

    def statements_of(self, function: str) -> list[dict[str, Any]]:
        """Return every statement attached to the role of one of our functions, logs aside."""
        role = next(each for each in self.resources("AWS::IAM::Role") if each.startswith(f"{function}Role"))
        policies = [each for each in self.resources("AWS::IAM::Policy").values() if {"Ref": role} in each["Roles"]]
        statements = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
        return [each for each in statements if each["Action"] != ["logs:CreateLogStream", "logs:PutLogEvents"]]


@functools.cache
def synthesized(settings: str, region: str | None) -> dict[str, Any]:
    """Return the template of settings in JSON."""
    from aws_cdk import App, Environment  # every process collects these tests, and one runs them
    from aws_cdk.assertions import Template as CdkTemplate

    from stacks.amplify_pubsub_stack import AmplifyPubSubStack

    # What CDK's validation finds, `cdk synth` and tools.check_templates say; it takes seconds to load.
    app = App(builtin_cloud_formation_validation=False)
    stack = AmplifyPubSubStack(app, Settings.model_validate_json(settings), env=Environment(region=region))
    return dict(CdkTemplate.from_stack(stack).to_json())


KEY_ARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:alarms"

# Tests of the same settings share a template, which takes half a second to make.
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
UNGUARDED: dict[str, Any] = {"accessMode": "unguarded", "groups": ["admins"]}
LEAST_PRIVILEGE: dict[str, Any] = {"accessMode": "least-privilege", "groups": ["admins"], "topics": ["room/*"]}
SELF_ATTACH: dict[str, Any] = {"allowOrigins": ["*"], "attachment": "self-attach", "groups": ["admins"]}
PROD: dict[str, Any] = {"environment": "prod", "groups": ["admins"]}


@pytest.fixture(scope="session")
def everything() -> Template:
    """Every setting that adds something, at once."""
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
    return Template(Settings.model_validate(PROD))


@pytest.fixture(scope="session")
def alone() -> Template:
    """Users attach themselves, and nothing else does."""
    return Template(Settings.model_validate(SELF_ATTACH))


@pytest.fixture(scope="session")
def whole() -> Template:
    """Everything adopted, and left as it is."""
    return Template(Settings.model_validate({"adopt": USERS | IDENTITIES}))


@pytest.fixture(scope="session")
def at_sign_in() -> Template:
    """Everything adopted, with every alarm there is: some are for adopted pools alone."""
    return Template(Settings.model_validate({"adopt": USERS | IDENTITIES, "attachment": "sign-in"}))


@pytest.fixture(scope="session")
def users_at_sign_in() -> Template:
    """A user pool adopted, with what its triggers need."""
    adopt = USERS | {"smsRoleArn": SMS_ROLE, "customSenderKeyArn": SENDER_KEY}
    return Template(Settings.model_validate({"adopt": adopt, "attachment": "sign-in", "groups": ["admins"]}))
