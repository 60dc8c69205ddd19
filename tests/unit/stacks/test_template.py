from __future__ import annotations

import json
import re
from typing import Any

from pubsub_client.outputs import MARKER_ATTRIBUTE, Output
from stacks.settings import Settings
from tests.unit.stacks.conftest import KEY_ARN, Template, synthesized

CONTRACT = [
    "AccessMode", "AttachmentMarker", "AuthChallengeFunctionName", "AuthRoleArn", "DeadLetterQueueUrl",
    "DetachAllStateMachineArn", "IdentityPoolId", "PolicyName", "PostAuthenticationFunctionName", "PubSubEndpoint",
    "Region", "RetryQueueUrl", "SelfAttachUrl", "SweepStateMachineArn", "Topics", "UserPoolClientId", "UserPoolId",
]  # fmt: skip


def test_the_outputs_are_those_of_the_contract(template: Template) -> None:
    assert sorted(template.json["Outputs"]) == CONTRACT
    assert sorted(set(Output) - {Output.CHAINED_TRIGGERS}) == CONTRACT


def test_same_settings_make_the_same_template(template: Template) -> None:
    another = synthesized.__wrapped__(Settings().model_dump_json(by_alias=True), None)
    assert another == template.json


def test_iot_policy_opens_all_topics_of_account_and_region(template: Template) -> None:
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


def test_trigger_stops_before_lambda_and_lambda_before_cognito(template: Template) -> None:
    for name in ("PostAuthentication", "AuthChallenge"):
        function = _function(template, name)
        assert function["Timeout"] < 5  # Cognito's limit for a trigger, a cold start included
        assert "ReservedConcurrentExecutions" not in function  # a internal sign-in needs a second environment
    trigger = _function(template, "PostAuthentication")
    assert float(trigger["Environment"]["Variables"]["BUDGET_SECONDS"]) < trigger["Timeout"]
    assert trigger["Environment"]["Variables"]["MARKER_ATTRIBUTE"] == f"custom:{MARKER_ATTRIBUTE}"


def test_every_log_group_keeps_its_records_as_long_as_the_settings_say(prod: Template) -> None:
    groups = prod.resources("AWS::Logs::LogGroup").values()
    assert groups
    assert {each["RetentionInDays"] for each in groups} == {90}


def test_another_policy_name_or_generation_has_another_fingerprint(template: Template) -> None:
    def fingerprint(each: Template) -> Any:
        return each.json["Outputs"]["AttachmentMarker"]["Value"]["Fn::Join"][1][0]

    assert fingerprint(template) != fingerprint(Template(Settings.model_validate({"policyName": "other"})))
    assert fingerprint(template) != fingerprint(Template(Settings.model_validate({"attachmentCacheVersion": 2})))


def test_functions_that_attach_are_deleted_before_the_policy_is_detached(template: Template) -> None:
    (lifecycle,) = template.resources("Custom::IotPolicyLifecycle")
    for name, function in template.entire("AWS::Lambda::Function").items():
        if name.startswith(("SignInAttachmentPostAuthentication", "SignInAttachmentRetryQueueWorker")):
            variables = function["Properties"]["Environment"]["Variables"]
            assert lifecycle in json.dumps(variables["ATTACHMENT_MARKER"]), name
        elif name.startswith(("SelfAttach", "Sweep")):
            assert lifecycle in function["DependsOn"], name


def test_another_policy_name_makes_another_policy_beside_the_first(template: Template) -> None:
    renamed = Template(Settings.model_validate({"policyName": "other"}))
    for kind in ("AWS::IoT::Policy", "Custom::IotPolicyLifecycle", "Custom::IotPolicyVersions"):
        assert not template.resources(kind).keys() & renamed.resources(kind).keys(), kind
    assert template.resources("AWS::Lambda::Function").keys() == renamed.resources("AWS::Lambda::Function").keys()


def test_deletion_guard_depends_on_everything_else(template: Template) -> None:
    ((guard, resource),) = template.entire("Custom::DeletionGuard").items()
    others = {each for each in template.json["Resources"] if not each.startswith("DeletionGuard")}
    assert others <= set(resource["DependsOn"])
    assert not [each for each in template.json["Resources"].values() if guard in each.get("DependsOn", ())]


def test_an_environment_has_a_stack_and_parameters_of_its_own(prod: Template) -> None:
    names = {each["Name"] for each in prod.resources("AWS::SSM::Parameter").values()}
    assert names == {"/AmplifyPubSub-prod/attachment-paused", "/AmplifyPubSub-prod/sign-in-attachment"}


def test_the_topics_of_the_settings_are_the_ones_the_policy_opens(everything: Template) -> None:
    statements = everything.only("AWS::IoT::Policy")["PolicyDocument"]["Statement"]
    resources = [arn["Fn::Join"][1][-1].lstrip(":") for each in statements for arn in each["Resource"]]
    assert resources == ["client/*", "topic/chat/*", "topic/orders", "topicfilter/chat/*", "topicfilter/orders"]
    assert everything.json["Outputs"]["Topics"]["Value"] == "chat/*,orders"


def test_a_changed_document_first_makes_room_for_its_version(template: Template) -> None:
    (versions,) = template.entire("Custom::IotPolicyVersions")
    (policy,) = template.entire("AWS::IoT::Policy").values()
    assert versions in policy["DependsOn"]
    document = template.resources("Custom::IotPolicyVersions")[versions]["Document"]
    assert "topicfilter/*" in json.dumps(document)


def test_groups_come_in_the_order_of_the_settings_and_choose_the_role(everything: Template) -> None:
    assert [each["Name"] for each in everything.only("Custom::UserPoolTriggers")["Groups"]] == ["admins", "editors"]
    (mapping,) = everything.only("AWS::Cognito::IdentityPoolRoleAttachment")["RoleMappings"].values()
    assert (mapping["Type"], mapping["AmbiguousRoleResolution"]) == ("Token", "AuthenticatedRole")


def test_what_users_hold_on_to_outlives_the_stack_when_it_is_retained(everything: Template) -> None:
    kept = {
        logical_id
        for logical_id, resource in everything.json["Resources"].items()
        if resource.get("DeletionPolicy") == "Retain"
    }
    assert {re.sub(r"[0-9A-F]{8}$", "", each) for each in kept} == {
        "UserPool", "UserPoolWebClient"
    }  # fmt: skip
    assert everything.only("AWS::Cognito::UserPool")["DeletionProtection"] == "ACTIVE"


def test_by_default_nothing_outlives_the_stack(template: Template) -> None:
    policies = {each.get("DeletionPolicy", "Delete") for each in template.json["Resources"].values()}
    assert policies == {"Delete"}


def test_the_triggers_come_off_before_their_functions_go(everything: Template) -> None:
    triggers = everything.only("Custom::UserPoolTriggers")
    assert triggers["OutlivesStack"] == "true"
    assert set(triggers["Triggers"]) == set(everything.only("AWS::Cognito::UserPool")["LambdaConfig"])
    # CloudFormation deletes what depends on something before that, be it by reference or by name.
    functions = {each["Fn::GetAtt"][0] for each in triggers["Triggers"].values()}
    assert functions <= set(everything.resources("AWS::Lambda::Function"))
    (resource,) = everything.entire("Custom::UserPoolTriggers").values()
    assert set(everything.invoked_by("cognito-idp")) <= set(resource["DependsOn"])
    assert set(everything.resources("AWS::Cognito::UserPool")) <= set(resource["DependsOn"])


def test_every_taggable_resource_is_tagged(everything: Template) -> None:
    text = [json.dumps(each["Properties"]) for each in everything.json["Resources"].values()]
    tagged = {
        each["Type"]
        for each, properties in zip(everything.json["Resources"].values(), text, strict=True)
        if '"platform"' in properties
    }
    assert tagged >= {
        "AWS::ApiGatewayV2::Api", "AWS::Cognito::IdentityPool", "AWS::Cognito::UserPool", "AWS::IAM::Role",
        "AWS::IoT::Policy", "AWS::KMS::Key", "AWS::Lambda::Function", "AWS::Logs::LogGroup", "AWS::SSM::Parameter",
        "AWS::StepFunctions::StateMachine",
    }  # fmt: skip


def test_every_log_group_is_encrypted_with_the_key_of_the_settings(everything: Template) -> None:
    assert {each["KmsKeyId"] for each in everything.resources("AWS::Logs::LogGroup").values()} == {KEY_ARN}


def _function(template: Template, name: str) -> dict[str, Any]:
    return template.only("AWS::Lambda::Function", lambda logical_id: logical_id.startswith(f"SignInAttachment{name}"))
