"""The self-attach route, and the stack without attachment at sign-in."""

from __future__ import annotations

import json
import re

from stacks.settings import Settings
from tests.unit.stacks.conftest import Template


def test_api_has_one_route_with_iam_authorization(template: Template) -> None:
    route = template.only("AWS::ApiGatewayV2::Route")
    assert (route["RouteKey"], route["AuthorizationType"]) == ("POST /self-attach", "AWS_IAM")
    assert template.only("AWS::ApiGatewayV2::Stage")["StageName"] == "$default"
    (api,) = template.resources("AWS::ApiGatewayV2::Api")
    address = {"Fn::Join": ["", [{"Fn::GetAtt": [api, "ApiEndpoint"]}, "/self-attach"]]}
    assert template.json["Outputs"]["SelfAttachUrl"]["Value"] == address


def test_route_allows_only_the_origins_of_the_settings(self_attach_only: Template, all_settings: Template) -> None:
    of_settings = ["https://app.example.com", "http://localhost:5173"]
    for template, origins in ((self_attach_only, ["*"]), (all_settings, of_settings)):
        cors = template.only("AWS::ApiGatewayV2::Api")["CorsConfiguration"]
        assert (cors["AllowOrigins"], cors["AllowMethods"]) == (origins, ["POST"])
        assert set(cors["AllowHeaders"]) == {
            "authorization", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"
        }  # fmt: skip
        assert cors["ExposeHeaders"] == ["retry-after"]
        assert "AllowCredentials" not in cors


def test_route_has_the_rate_of_sign_ins_and_of_a_missing_worker(template: Template, self_attach_only: Template) -> None:
    stages = [each.only("AWS::ApiGatewayV2::Stage") for each in (template, self_attach_only)]
    assert [each["DefaultRouteSettings"]["ThrottlingRateLimit"] for each in stages] == [5, 13]


def test_function_can_only_list_and_attach_for_this_api(template: Template) -> None:
    attaching, pause_flag = template.statements_of("SelfAttachFunction")
    assert (attaching["Action"], attaching["Resource"]) == (["iot:AttachPolicy", "iot:ListAttachedPolicies"], "*")
    assert pause_flag["Action"] == "ssm:GetParameters"
    assert "AttachmentPause" in json.dumps(pause_flag["Resource"])
    (permission,) = template.invoked_by("apigateway").values()
    (api,) = template.resources("AWS::ApiGatewayV2::Api")
    assert permission["SourceArn"]["Fn::Join"][1][-2:] == [{"Ref": api}, "/*/*/self-attach"]


def test_access_log_does_not_identify_the_caller(template: Template) -> None:
    logged = template.only("AWS::ApiGatewayV2::Stage")["AccessLogSettings"]["Format"]
    assert "$context.requestId" in logged
    assert not re.search(r"\$context\.(identity|authorizer\.(?!error)|customDomain)", logged)


def test_access_log_group_needs_no_resource_policy(all_settings: Template) -> None:
    """Functions write to all other log groups with the permissions of their roles."""
    functions = all_settings.resources("AWS::Lambda::Function").values()
    written = {each["LoggingConfig"]["LogGroup"]["Ref"] for each in functions}
    groups = all_settings.resources("AWS::Logs::LogGroup")
    delivered = {name: groups[name]["LogGroupName"]["Fn::Join"][1] for name in groups.keys() - written}
    (stage,) = all_settings.resources("AWS::ApiGatewayV2::Stage").values()
    assert stage["AccessLogSettings"]["DestinationArn"] == {"Fn::GetAtt": [*delivered, "Arn"]}
    ((prefix, unique),) = delivered.values()
    assert prefix == "/aws/vendedlogs/apis/AmplifyPubSub-AccessLogs-"
    assert "AWS::StackId" in json.dumps(unique)


def test_signed_in_roles_can_call_only_the_route(all_settings: Template) -> None:
    template = all_settings
    policy = template.only("AWS::IAM::Policy", lambda logical_id: logical_id.startswith("SelfAttachInvocation"))
    signed_in = {name for name in template.resources("AWS::IAM::Role") if name.startswith("IdentityPoolSignedIn")}
    assert {each["Ref"] for each in policy["Roles"]} == signed_in
    assert len(signed_in) == 3
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "execute-api:Invoke"
    (api,) = template.resources("AWS::ApiGatewayV2::Api")
    assert statement["Resource"]["Fn::Join"][1][-2:] == [{"Ref": api}, "/$default/POST/self-attach"]


class TestWithoutAttachmentAtSignIn:
    def test_stack_has_no_internal_sign_in(self, self_attach_only: Template) -> None:
        for kind in ("AWS::KMS::Key", "AWS::SQS::Queue", "AWS::Lambda::EventSourceMapping"):
            assert self_attach_only.resources(kind) == {}, kind
        assert self_attach_only.only("AWS::SSM::Parameter")["Name"].endswith("/attachment-paused")
        assert "SignInAttachment" not in json.dumps(self_attach_only.json)
        assert self_attach_only.invoked_by("cognito-idp") == {}
        client = self_attach_only.only("AWS::Cognito::UserPoolClient")
        assert client["ExplicitAuthFlows"] == ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        assert len(self_attach_only.only("AWS::Cognito::IdentityPool")["CognitoIdentityProviders"]) == 1

    def test_groups_are_created_and_former_triggers_removed(self, self_attach_only: Template) -> None:
        triggers = self_attach_only.only("Custom::UserPoolTriggers")
        assert [each["Name"] for each in triggers["Groups"]] == ["admins"]
        assert triggers["Triggers"] == {}
        assert "MarkerAttribute" not in triggers

    def test_user_pool_can_be_updated_from_attachment_at_sign_in(self, self_attach_only: Template) -> None:
        """An update cannot remove an attribute."""
        at_sign_in = Template(Settings.model_validate({"groups": ["admins"]})).resources("AWS::Cognito::UserPool")
        ((logical_id, pool),) = self_attach_only.resources("AWS::Cognito::UserPool").items()
        assert pool == {name: value for name, value in at_sign_in[logical_id].items() if name != "LambdaConfig"}
