from __future__ import annotations

import json
import re
from typing import Any

from pubsub_cli.stack import CONTROL_PLANE_DENY, DRIFT_SCHEDULE, RESOURCES, Function
from pubsub_client.outputs import MARKER_ATTRIBUTE, SIGN_IN_OUTPUTS, Output
from stacks.settings import Settings
from tests.unit.stacks.conftest import KEY_ARN, Template, allowed_names, synthesized


def _function(template: Template, name: str) -> dict[str, Any]:
    return template.only("AWS::Lambda::Function", lambda logical_id: logical_id.startswith(f"SignInAttachment{name}"))


def _settings(**settings: Any) -> Template:
    return Template(Settings.model_validate(settings))


def test_outputs_are_those_of_the_contract(template: Template, self_attach_only: Template) -> None:
    always = set(Output) - {Output.CHAINED_TRIGGERS}
    assert set(template.json["Outputs"]) == always
    assert set(self_attach_only.json["Outputs"]) == always - SIGN_IN_OUTPUTS


def test_template_contains_the_resources_that_the_doctor_finds_by_name(
    template: Template, all_settings: Template, adopted_at_sign_in: Template
) -> None:
    expected = [(template, each) for each in RESOURCES]
    expected += [(adopted_at_sign_in, DRIFT_SCHEDULE), (all_settings, CONTROL_PLANE_DENY)]
    for synthesized_template, resource in expected:
        assert any(resource.construct_id in each for each in synthesized_template.resources(resource.type)), resource
    functions = adopted_at_sign_in.resources("AWS::Lambda::Function").values()
    assert {each.value for each in Function} <= {each.get("Handler") for each in functions}


def test_same_settings_make_the_same_template(template: Template) -> None:
    assert synthesized.__wrapped__(Settings().model_dump_json(by_alias=True), None) == template.json


def test_iot_policy_allows_the_topics_of_the_settings(template: Template, all_settings: Template) -> None:
    policy = template.only("AWS::IoT::Policy")
    assert policy["PolicyName"] == "myIoTPolicy"
    assert len(json.dumps(policy["PolicyDocument"])) < 2048  # AWS IoT's limit for a policy document
    topic_actions = ("iot:Publish", "iot:Receive", "iot:RetainPublish")
    assert allowed_names(policy["PolicyDocument"]) == {
        "iot:Connect": ["client/*"],
        "iot:Subscribe": ["topicfilter/*"],
        **{action: ["topic/*"] for action in topic_actions},
    }
    assert allowed_names(all_settings.only("AWS::IoT::Policy")["PolicyDocument"]) == {
        "iot:Connect": ["client/*"],
        "iot:Subscribe": ["topicfilter/chat/*", "topicfilter/orders"],
        **{action: ["topic/chat/*", "topic/orders"] for action in topic_actions},
    }
    assert all_settings.json["Outputs"]["Topics"]["Value"] == "chat/*,orders"


def test_trigger_times_out_before_cognito(template: Template) -> None:
    for name in ("PostAuthentication", "AuthChallenge"):
        function = _function(template, name)
        assert function["Timeout"] < 5  # Cognito's limit for a trigger, including its cold start
        assert "ReservedConcurrentExecutions" not in function  # an internal sign-in needs a second environment
    trigger = _function(template, "PostAuthentication")
    assert float(trigger["Environment"]["Variables"]["BUDGET_SECONDS"]) < trigger["Timeout"]
    assert trigger["Environment"]["Variables"]["MARKER_ATTRIBUTE"] == f"custom:{MARKER_ATTRIBUTE}"


def test_marker_changes_with_policy_name_and_version(template: Template) -> None:
    templates = (template, _settings(policyName="other"), _settings(attachmentCacheVersion=2))
    markers = {each.json["Outputs"]["AttachmentMarker"]["Value"]["Fn::Join"][1][0] for each in templates}
    assert len(markers) == 3


def test_functions_that_attach_are_deleted_before_the_policy_is_detached(template: Template) -> None:
    (lifecycle,) = template.resources("Custom::IotPolicyLifecycle")
    for name, function in template.definitions("AWS::Lambda::Function").items():
        if name.startswith(("SignInAttachmentPostAuthentication", "SignInAttachmentRetryQueueWorker")):
            variables = function["Properties"]["Environment"]["Variables"]
            assert lifecycle in json.dumps(variables["ATTACHMENT_MARKER"]), name
        elif name.startswith(("SelfAttach", "Sweep")):
            assert lifecycle in function["DependsOn"], name


def test_renamed_policy_is_created_beside_the_old_one(template: Template) -> None:
    renamed = _settings(policyName="other")
    for kind in ("AWS::IoT::Policy", "Custom::IotPolicyLifecycle", "Custom::IotPolicyVersions"):
        assert not template.resources(kind).keys() & renamed.resources(kind).keys(), kind
    assert template.resources("AWS::Lambda::Function").keys() == renamed.resources("AWS::Lambda::Function").keys()


def test_changed_document_deletes_old_versions_first(template: Template) -> None:
    (versions,) = template.definitions("Custom::IotPolicyVersions")
    (policy,) = template.definitions("AWS::IoT::Policy").values()
    assert versions in policy["DependsOn"]
    assert "topicfilter/*" in json.dumps(template.resources("Custom::IotPolicyVersions")[versions]["Document"])


def test_deletion_guard_depends_on_everything_else(template: Template) -> None:
    ((guard, resource),) = template.definitions("Custom::DeletionGuard").items()
    others = {each for each in template.json["Resources"] if not each.startswith("DeletionGuard")}
    assert others <= set(resource["DependsOn"])
    assert not [each for each in template.json["Resources"].values() if guard in each.get("DependsOn", ())]


def test_environment_has_its_own_parameters(prod: Template) -> None:
    names = {each["Name"] for each in prod.resources("AWS::SSM::Parameter").values()}
    assert names == {"/AmplifyPubSub-prod/attachment-paused", "/AmplifyPubSub-prod/sign-in-attachment"}


def test_groups_have_the_order_of_the_settings_and_choose_the_role(all_settings: Template) -> None:
    assert [each["Name"] for each in all_settings.only("Custom::UserPoolTriggers")["Groups"]] == ["admins", "editors"]
    (mapping,) = all_settings.only("AWS::Cognito::IdentityPoolRoleAttachment")["RoleMappings"].values()
    assert (mapping["Type"], mapping["AmbiguousRoleResolution"]) == ("Token", "AuthenticatedRole")


def test_only_the_retained_user_pool_outlives_the_stack(template: Template, all_settings: Template) -> None:
    def outliving(each: Template) -> set[str]:
        resources = each.json["Resources"].items()
        kept = [name for name, resource in resources if resource.get("DeletionPolicy", "Delete") != "Delete"]
        return {re.sub(r"[0-9A-F]{8}$", "", name) for name in kept}

    assert outliving(template) == set()
    assert outliving(all_settings) == {"UserPool", "UserPoolWebClient"}
    assert all_settings.only("AWS::Cognito::UserPool")["DeletionProtection"] == "ACTIVE"


def test_triggers_are_removed_before_their_functions(all_settings: Template) -> None:
    (resource,) = all_settings.definitions("Custom::UserPoolTriggers").values()
    triggers = resource["Properties"]
    assert triggers["OutlivesStack"] == "true"
    assert set(triggers["Triggers"]) == set(all_settings.only("AWS::Cognito::UserPool")["LambdaConfig"])
    # CloudFormation deletes a resource before those that it depends on.
    functions = {each["Fn::GetAtt"][0] for each in triggers["Triggers"].values()}
    assert functions <= set(all_settings.resources("AWS::Lambda::Function"))
    needed = all_settings.invoked_by("cognito-idp").keys() | all_settings.resources("AWS::Cognito::UserPool").keys()
    assert needed <= set(resource["DependsOn"])


def test_taggable_resources_are_tagged(all_settings: Template) -> None:
    resources = all_settings.json["Resources"].values()
    assert {each["Type"] for each in resources if '"platform"' in json.dumps(each["Properties"])} >= {
        "AWS::ApiGatewayV2::Api", "AWS::Cognito::IdentityPool", "AWS::Cognito::UserPool", "AWS::IAM::Role",
        "AWS::IoT::Policy", "AWS::KMS::Key", "AWS::Lambda::Function", "AWS::Logs::LogGroup", "AWS::SSM::Parameter",
        "AWS::StepFunctions::StateMachine",
    }  # fmt: skip


def test_log_groups_have_retention_and_key_of_the_settings(all_settings: Template) -> None:
    groups = all_settings.resources("AWS::Logs::LogGroup").values()
    assert {(each["RetentionInDays"], each["KmsKeyId"]) for each in groups} == {(90, KEY_ARN)}
