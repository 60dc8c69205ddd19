"""The route by which users attach themselves, and the stack that has no other way."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pubsub_client.outputs import SIGN_IN_OUTPUTS, Output
from stacks.settings import Settings
from tests.unit.stacks.conftest import PROD, SELF_ATTACH, UNGUARDED, Template


class TestRoute:
    def test_the_api_has_one_route_and_iam_authorizes_it(self, template: Template) -> None:
        route = template.only("AWS::ApiGatewayV2::Route")
        assert (route["RouteKey"], route["AuthorizationType"]) == ("POST /self-attach", "AWS_IAM")
        assert template.only("AWS::ApiGatewayV2::Stage")["StageName"] == "$default"

    def test_the_output_is_its_whole_address(self, template: Template) -> None:
        (api,) = template.resources("AWS::ApiGatewayV2::Api")
        address = {"Fn::Join": ["", [{"Fn::GetAtt": [api, "ApiEndpoint"]}, "/self-attach"]]}
        assert template.json["Outputs"]["SelfAttachUrl"]["Value"] == address

    @pytest.mark.parametrize(
        ("made", "origins"), [("alone", ["*"]), ("everything", ["https://app.example.com", "http://localhost:5173"])]
    )
    def test_pages_of_the_origins_of_the_settings_may_sign_and_call(
        self, request: pytest.FixtureRequest, made: str, origins: list[str]
    ) -> None:
        template: Template = request.getfixturevalue(made)
        cors = template.only("AWS::ApiGatewayV2::Api")["CorsConfiguration"]
        assert (cors["AllowOrigins"], cors["AllowMethods"]) == (origins, ["POST"])
        assert set(cors["AllowHeaders"]) == {
            "authorization", "content-type", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"
        }  # fmt: skip
        assert cors["ExposeHeaders"] == ["retry-after"]
        assert "AllowCredentials" not in cors

    def test_route_has_the_rate_of_sign_ins_and_of_the_absent_worker(self, template: Template, alone: Template) -> None:
        rates = [
            each.only("AWS::ApiGatewayV2::Stage")["DefaultRouteSettings"]["ThrottlingRateLimit"]
            for each in (template, alone)
        ]
        assert rates == [5, 13]

    def test_the_access_log_does_not_tell_who_called(self, template: Template) -> None:
        told = template.only("AWS::ApiGatewayV2::Stage")["AccessLogSettings"]["Format"]
        assert "$context.requestId" in told
        assert not re.search(r"\$context\.(identity|authorizer\.(?!error)|customDomain)", told)

    def test_its_function_may_list_and_attach_and_nothing_else(self, template: Template) -> None:
        attaching, switch = template.statements_of("SelfAttachFunction")
        assert (attaching["Action"], attaching["Resource"]) == (["iot:AttachPolicy", "iot:ListAttachedPolicies"], "*")
        assert switch["Action"] == "ssm:GetParameters"
        assert "AttachmentPause" in json.dumps(switch["Resource"])

    def test_only_this_api_may_invoke_its_function(self, template: Template) -> None:
        (permission,) = template.invoked_by("apigateway").values()
        (api,) = template.resources("AWS::ApiGatewayV2::Api")
        assert permission["SourceArn"]["Fn::Join"][1][-2:] == [{"Ref": api}, "/*/*/self-attach"]


def test_access_log_group_needs_no_statement_in_the_resource_policy(everything: Template) -> None:
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


class TestUsers:
    @pytest.mark.parametrize(
        "settings",
        [PROD, UNGUARDED, {"groups": ["admins"], "permissionsBoundary": "Developers"}, SELF_ATTACH],
        ids=["guarded", "unguarded", "under a boundary", "self-attach"],
    )
    def test_signed_in_roles_can_call_only_the_route(self, settings: dict[str, Any]) -> None:
        template = Template(Settings.model_validate(settings))
        policy = template.only("AWS::IAM::Policy", lambda logical_id: logical_id.startswith("SelfAttachInvocation"))
        theirs = {name for name in template.resources("AWS::IAM::Role") if name.startswith("IdentityPoolSignedIn")}
        assert {each["Ref"] for each in policy["Roles"]} == theirs
        assert len(theirs) == 2
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Action"] == "execute-api:Invoke"
        (api,) = template.resources("AWS::ApiGatewayV2::Api")
        assert statement["Resource"]["Fn::Join"][1][-2:] == [{"Ref": api}, "/$default/POST/self-attach"]


class TestAlone:
    def test_there_is_nothing_of_the_internal_sign_in(self, alone: Template) -> None:
        for kind in ("AWS::KMS::Key", "AWS::SQS::Queue", "AWS::Lambda::EventSourceMapping"):
            assert alone.resources(kind) == {}, kind
        assert alone.only("AWS::SSM::Parameter")["Name"].endswith("/attachment-paused")
        assert "SignInAttachment" not in json.dumps(alone.json)
        assert alone.invoked_by("cognito-idp") == {}
        assert "LambdaConfig" not in alone.only("AWS::Cognito::UserPool")
        (client,) = alone.resources("AWS::Cognito::UserPoolClient").values()
        assert client["ExplicitAuthFlows"] == ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        assert len(alone.only("AWS::Cognito::IdentityPool")["CognitoIdentityProviders"]) == 1

    def test_the_outputs_are_those_of_the_contract_less_the_triggers(self, alone: Template) -> None:
        assert set(alone.json["Outputs"]) == set(Output) - SIGN_IN_OUTPUTS - {Output.CHAINED_TRIGGERS}

    def test_groups_are_created_and_former_triggers_removed(self, alone: Template) -> None:
        triggers = alone.only("Custom::UserPoolTriggers")
        assert [each["Name"] for each in triggers["Groups"]] == ["admins"]
        assert triggers["Triggers"] == {}
        assert "MarkerAttribute" not in triggers

    def test_its_pool_can_be_that_of_a_stack_that_attached_at_sign_in(self, alone: Template) -> None:
        """CloudFormation's update would fail without one of the attributes."""
        at_sign_in = Template(Settings.model_validate({"groups": ["admins"]})).resources("AWS::Cognito::UserPool")
        ((logical_id, pool),) = alone.resources("AWS::Cognito::UserPool").items()
        assert pool == {name: value for name, value in at_sign_in[logical_id].items() if name != "LambdaConfig"}


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
