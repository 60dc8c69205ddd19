"""The route by which users attach themselves, and the stack that has no other way."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from stacks.settings import Settings
from tests.unit.stacks.conftest import PROD, SELF_ATTACH, UNGUARDED, Template


def test_api_has_one_route_with_iam_authorization(template: Template) -> None:
    route = template.only("AWS::ApiGatewayV2::Route")
    assert (route["RouteKey"], route["AuthorizationType"]) == ("POST /self-attach", "AWS_IAM")
    assert template.only("AWS::ApiGatewayV2::Stage")["StageName"] == "$default"
    (api,) = template.resources("AWS::ApiGatewayV2::Api")
    address = {"Fn::Join": ["", [{"Fn::GetAtt": [api, "ApiEndpoint"]}, "/self-attach"]]}
    assert template.json["Outputs"]["SelfAttachUrl"]["Value"] == address


def test_route_allows_only_the_origins_of_the_settings(alone: Template, everything: Template) -> None:
    of_settings = ["https://app.example.com", "http://localhost:5173"]
    for template, origins in ((alone, ["*"]), (everything, of_settings)):
        cors = template.only("AWS::ApiGatewayV2::Api")["CorsConfiguration"]
        assert (cors["AllowOrigins"], cors["AllowMethods"]) == (origins, ["POST"])
        assert set(cors["AllowHeaders"]) == {
            "authorization", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"
        }  # fmt: skip
        assert cors["ExposeHeaders"] == ["retry-after"]
        assert "AllowCredentials" not in cors


def test_route_has_the_rate_of_sign_ins_and_of_the_missing_worker(template: Template, alone: Template) -> None:
    stages = [each.only("AWS::ApiGatewayV2::Stage") for each in (template, alone)]
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


def test_access_log_group_needs_no_resource_policy(everything: Template) -> None:
    """Other log groups are written to by functions, with their roles' permissions."""
    functions = everything.resources("AWS::Lambda::Function").values()
    written = {each["LoggingConfig"]["LogGroup"]["Ref"] for each in functions}
    groups = everything.resources("AWS::Logs::LogGroup")
    delivered = {name: groups[name]["LogGroupName"]["Fn::Join"][1] for name in groups.keys() - written}
    (stage,) = everything.resources("AWS::ApiGatewayV2::Stage").values()
    assert stage["AccessLogSettings"]["DestinationArn"] == {"Fn::GetAtt": [*delivered, "Arn"]}
    ((prefix, unique),) = delivered.values()
    assert prefix == "/aws/vendedlogs/apis/AmplifyPubSub-AccessLogs-"
    assert "AWS::StackId" in json.dumps(unique)


@pytest.mark.parametrize(
    "settings",
    [PROD, UNGUARDED, {"groups": ["admins"], "permissionsBoundary": "Developers"}, SELF_ATTACH],
    ids=["guarded", "unguarded", "under a boundary", "self-attach"],
)
def test_signed_in_roles_can_call_only_the_route(settings: dict[str, Any]) -> None:
    template = Template(Settings.model_validate(settings))
    policy = template.only("AWS::IAM::Policy", lambda logical_id: logical_id.startswith("SelfAttachInvocation"))
    signed_in = {name for name in template.resources("AWS::IAM::Role") if name.startswith("IdentityPoolSignedIn")}
    assert {each["Ref"] for each in policy["Roles"]} == signed_in
    assert len(signed_in) == 2
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "execute-api:Invoke"
    (api,) = template.resources("AWS::ApiGatewayV2::Api")
    assert statement["Resource"]["Fn::Join"][1][-2:] == [{"Ref": api}, "/$default/POST/self-attach"]


class TestWithoutAttachmentAtSignIn:
    def test_stack_has_no_internal_sign_in(self, alone: Template) -> None:
        for kind in ("AWS::KMS::Key", "AWS::SQS::Queue", "AWS::Lambda::EventSourceMapping"):
            assert alone.resources(kind) == {}, kind
        assert alone.only("AWS::SSM::Parameter")["Name"].endswith("/attachment-paused")
        assert "SignInAttachment" not in json.dumps(alone.json)
        assert alone.invoked_by("cognito-idp") == {}
        client = alone.only("AWS::Cognito::UserPoolClient")
        assert client["ExplicitAuthFlows"] == ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        assert len(alone.only("AWS::Cognito::IdentityPool")["CognitoIdentityProviders"]) == 1

    def test_groups_are_created_and_former_triggers_removed(self, alone: Template) -> None:
        triggers = alone.only("Custom::UserPoolTriggers")
        assert [each["Name"] for each in triggers["Groups"]] == ["admins"]
        assert triggers["Triggers"] == {}
        assert "MarkerAttribute" not in triggers

    def test_user_pool_can_be_updated_from_attachment_at_sign_in(self, alone: Template) -> None:
        """CloudFormation's update would fail without one of the attributes."""
        at_sign_in = Template(Settings.model_validate({"groups": ["admins"]})).resources("AWS::Cognito::UserPool")
        ((logical_id, pool),) = alone.resources("AWS::Cognito::UserPool").items()
        assert pool == {name: value for name, value in at_sign_in[logical_id].items() if name != "LambdaConfig"}
