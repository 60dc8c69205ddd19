from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pubsub_client.outputs import MARKER_ATTRIBUTE, Output
from stacks.settings import Settings
from tests.unit.stacks.conftest import Template

if TYPE_CHECKING:
    from typing import Any

CONTRACT = [
    "AccessMode", "AttachmentMarker", "AuthRoleArn", "IdentityPoolId", "PolicyName", "PostAuthenticationFunctionName",
    "PubSubEndpoint", "Region", "UserPoolClientId", "UserPoolId",
]  # fmt: skip


def test_the_outputs_are_those_of_the_contract(template: Template) -> None:
    assert sorted(template.json["Outputs"]) == CONTRACT
    assert sorted(Output) == CONTRACT


def test_the_iot_policy_gives_full_topic_access_in_this_account_and_region(template: Template) -> None:
    policy = template.only("AWS::IoT::Policy")
    assert policy["PolicyName"] == "myIoTPolicy"
    resources = {
        action: [arn["Fn::Join"][1][-1].lstrip(":") for arn in statement["Resource"]]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }
    assert resources == {
        "iot:Connect": ["client/*"],
        "iot:Publish": ["topic/*"],
        "iot:Receive": ["topic/*"],
        "iot:RetainPublish": ["topic/*"],
        "iot:Subscribe": ["topicfilter/*"],
    }
    # AWS IoT's limit for a policy document.
    assert len(json.dumps(policy["PolicyDocument"])) < 2048


def test_lambda_gives_up_before_cognito_does_and_the_trigger_before_lambda(template: Template) -> None:
    for name in ("PostAuthentication", "AuthChallenge"):
        function = _function(template, name)
        assert function["Timeout"] < 5  # Cognito's limit for a trigger, a cold start included
        assert "ReservedConcurrentExecutions" not in function  # a nested sign-in needs a second environment
    trigger = _function(template, "PostAuthentication")
    assert float(trigger["Environment"]["Variables"]["BUDGET_SECONDS"]) < trigger["Timeout"]
    assert trigger["Environment"]["Variables"]["MARKER_ATTRIBUTE"] == f"custom:{MARKER_ATTRIBUTE}"


def test_every_log_group_keeps_its_records_as_long_as_the_settings_say() -> None:
    groups = Template(Settings.model_validate({"logRetentionDays": 90})).resources("AWS::Logs::LogGroup").values()
    assert groups
    assert {each["RetentionInDays"] for each in groups} == {90}


def test_another_policy_name_or_generation_has_another_fingerprint(template: Template) -> None:
    def fingerprint(each: Template) -> Any:
        return each.json["Outputs"]["AttachmentMarker"]["Value"]["Fn::Join"][1][0]

    assert fingerprint(template) != fingerprint(Template(Settings.model_validate({"policyName": "other"})))
    assert fingerprint(template) != fingerprint(Template(Settings.model_validate({"markerGeneration": 2})))


def test_whoever_attaches_is_destroyed_before_the_policy_is_detached(template: Template) -> None:
    (lifecycle,) = template.resources("Custom::IotPolicyLifecycle")
    trigger = _function(template, "PostAuthentication")
    assert lifecycle in json.dumps(trigger["Environment"]["Variables"]["ATTACHMENT_MARKER"])


def test_an_environment_has_a_stack_and_a_parameter_of_its_own() -> None:
    template = Template(Settings(environment="prod"))
    assert template.only("AWS::SSM::Parameter")["Name"] == "/AmplifyPubSub-prod/sign-in-attachment"


def _function(template: Template, name: str) -> dict[str, Any]:
    return template.only("AWS::Lambda::Function", lambda logical_id: logical_id.startswith(f"SignInAttachment{name}"))
