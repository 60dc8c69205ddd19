"""What the template promises about security; each would open a hole if it changed."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

from stacks.settings import Settings
from tests.unit.stacks.conftest import Template

_TRIGGER = "SignInAttachmentPostAuthentication"
_CHALLENGE = "SignInAttachmentAuthChallenge"


def _clients(template: Template) -> tuple[dict[str, object], dict[str, object]]:
    clients = template.resources("AWS::Cognito::UserPoolClient")
    internal = next(each for logical_id, each in clients.items() if "Internal" in logical_id)
    web = next(each for logical_id, each in clients.items() if "Web" in logical_id)
    assert len(clients) == 2
    return web, internal


def test_the_front_ends_client_has_no_secret_and_signs_in_by_srp_alone(template: Template) -> None:
    web, _ = _clients(template)
    assert web["GenerateSecret"] is False
    assert web["ExplicitAuthFlows"] == ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    assert web["PreventUserExistenceErrors"] == "ENABLED"


def test_the_internal_client_has_no_secret_the_custom_flow_alone_and_the_shortest_tokens(
    template: Template,
) -> None:
    _, internal = _clients(template)
    assert internal["GenerateSecret"] is False
    assert internal["ExplicitAuthFlows"] == ["ALLOW_CUSTOM_AUTH"]
    assert internal["AllowedOAuthFlowsUserPoolClient"] is False
    assert internal["EnableTokenRevocation"] is True
    assert internal["TokenValidityUnits"] == {
        "AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "minutes"
    }  # fmt: skip
    # The shortest that Cognito accepts: five minutes, and an hour for the refresh token.
    assert (
        internal["AccessTokenValidity"],
        internal["IdTokenValidity"],
        internal["RefreshTokenValidity"],
    ) == (5, 5, 60)


def test_no_client_may_read_or_write_the_marker(template: Template) -> None:
    for client in _clients(template):
        assert client["WriteAttributes"]
        assert client["ReadAttributes"]
        assert "custom:pubsub_attachment" not in client["WriteAttributes"]  # type: ignore[operator]
        assert "custom:pubsub_attachment" not in client["ReadAttributes"]  # type: ignore[operator]


def test_no_second_factor_stands_in_the_way_of_the_nested_sign_in(template: Template) -> None:
    assert template.only("AWS::Cognito::UserPool")["MfaConfiguration"] == "OFF"


def test_guests_are_off_and_tokens_are_checked_with_the_user_pool(template: Template) -> None:
    pool = template.only("AWS::Cognito::IdentityPool")
    assert pool["AllowUnauthenticatedIdentities"] is False
    assert pool["AllowClassicFlow"] is False
    assert [each["ServerSideTokenCheck"] for each in pool["CognitoIdentityProviders"]] == [True, True]
    listed = [each["ClientId"]["Ref"] for each in pool["CognitoIdentityProviders"]]
    assert sorted(listed) == sorted(template.resources("AWS::Cognito::UserPoolClient"))
    roles = template.only("AWS::Cognito::IdentityPoolRoleAttachment")["Roles"]
    assert list(roles) == ["authenticated"]


def test_auth_role_trusts_signed_in_users_of_this_identity_pool_alone(template: Template) -> None:
    role = template.only("AWS::IAM::Role", lambda logical_id: logical_id.startswith("IdentitiesAuthRole"))
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    (pool,) = template.resources("AWS::Cognito::IdentityPool")
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {"cognito-identity.amazonaws.com:aud": {"Ref": pool}},
        "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"},
    }


def test_in_govcloud_auth_role_trusts_the_identity_pools_of_that_partition() -> None:
    template = Template(Settings(), region="us-gov-west-1")
    role = template.only("AWS::IAM::Role", lambda logical_id: logical_id.startswith("IdentitiesAuthRole"))
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Federated": "cognito-identity-us-gov.amazonaws.com"}
    assert "cognito-identity-us-gov.amazonaws.com:aud" in statement["Condition"]["StringEquals"]


def test_auth_role_holds_both_managed_policies_under_the_boundary(template: Template) -> None:
    role = template.only("AWS::IAM::Role", lambda logical_id: logical_id.startswith("IdentitiesAuthRole"))
    names = [arn["Fn::Join"][1][-1] for arn in role["ManagedPolicyArns"]]
    assert names == [":iam::aws:policy/AWSIoTDataAccess", ":iam::aws:policy/AWSIoTConfigAccess"]
    (boundary,) = template.resources("AWS::IAM::ManagedPolicy")
    assert role["PermissionsBoundary"] == {"Ref": boundary}


def test_the_boundary_leaves_only_the_data_actions_of_aws_iot(template: Template) -> None:
    statements = template.only("AWS::IAM::ManagedPolicy")["PolicyDocument"]["Statement"]
    allowed = [each for each in statements if each["Effect"] == "Allow"]
    assert {"Effect": "Allow", "NotAction": "iot:*", "Resource": "*", "Sid": "AnythingButIot"} in allowed
    (data,) = (each for each in allowed if "Action" in each)
    assert sorted(data["Action"]) == [
        "iot:Connect", "iot:Publish", "iot:Receive", "iot:RetainPublish", "iot:Subscribe"
    ]  # fmt: skip
    assert len(allowed) == 2


def test_reserved_topics_are_denied_unless_the_setting_opens_them(template: Template) -> None:
    closed = template.only("AWS::IAM::ManagedPolicy")["PolicyDocument"]["Statement"]
    (deny,) = (each for each in closed if each["Effect"] == "Deny")
    assert [arn["Fn::Join"][1][-1].rpartition(":")[2] for arn in deny["Resource"]] == [
        "topic/$aws/*", "topicfilter/$aws/*"
    ]  # fmt: skip
    opened = Template(Settings.model_validate({"reservedTopics": True})).only("AWS::IAM::ManagedPolicy")[
        "PolicyDocument"
    ]["Statement"]
    assert all(each["Effect"] == "Allow" for each in opened)
    assert "iot:UpdateThingShadow" in next(each["Action"] for each in opened if "Action" in each)


def test_only_the_trigger_makes_macs_and_only_the_challenge_verifies_them(template: Template) -> None:
    statements = template.only("AWS::KMS::Key")["KeyPolicy"]["Statement"]
    by_action = {each["Sid"]: each for each in statements}
    assert set(by_action) == {"Administration", "TriggerProves", "ChallengeVerifies"}
    trigger_role = by_action["TriggerProves"]["Principal"]["AWS"]["Fn::GetAtt"][0]
    challenge_role = by_action["ChallengeVerifies"]["Principal"]["AWS"]["Fn::GetAtt"][0]
    assert trigger_role.startswith(f"{_TRIGGER}Role")
    assert challenge_role.startswith(f"{_CHALLENGE}Role")
    assert by_action["TriggerProves"]["Action"] == "kms:GenerateMac"
    assert by_action["ChallengeVerifies"]["Action"] == "kms:VerifyMac"
    # Administrators could grant kms:*Mac by IAM policies if the key policy delegated it to the account.
    # CreateGrant would let them grant it to themselves.
    administration = by_action["Administration"]["Action"]
    for action in ("kms:GenerateMac", "kms:VerifyMac", "kms:CreateGrant"):
        assert not [pattern for pattern in administration if fnmatchcase(action, pattern)]


def test_the_trigger_may_do_its_four_steps_and_nothing_else(template: Template) -> None:
    statements = template.statements_of(_TRIGGER)
    (pool,) = template.resources("AWS::Cognito::UserPool")
    allowed = {json.dumps(each["Action"]): each["Resource"] for each in statements}
    assert set(allowed) == {
        '"ssm:GetParameter"',
        '["cognito-idp:AdminInitiateAuth", "cognito-idp:AdminRespondToAuthChallenge", '
        '"cognito-idp:AdminUpdateUserAttributes"]',
        '"iot:AttachPolicy"',
    }
    assert allowed['"iot:AttachPolicy"'] == "*"  # a Cognito identity has no ARN
    assert [each for action, each in allowed.items() if "cognito-idp" in action] == [{"Fn::GetAtt": [pool, "Arn"]}]
    assert allowed['"ssm:GetParameter"']["Fn::Join"][1][-1].endswith(":parameter/AmplifyPubSub/sign-in-attachment")


def test_the_challenge_may_read_its_configuration_and_nothing_else(template: Template) -> None:
    assert [each["Action"] for each in template.statements_of(_CHALLENGE)] == ["ssm:GetParameter"]


def test_only_this_user_pool_may_invoke_the_trigger_functions(template: Template) -> None:
    (pool,) = template.resources("AWS::Cognito::UserPool")
    permissions = template.resources("AWS::Lambda::Permission").values()
    assert len(permissions) == 4
    for permission in permissions:
        assert permission["Principal"] == "cognito-idp.amazonaws.com"
        assert permission["SourceArn"] == {"Fn::GetAtt": [pool, "Arn"]}


def test_no_output_and_no_environment_variable_carries_a_secret(template: Template) -> None:
    text = json.dumps(template.json["Outputs"]) + json.dumps(
        [each.get("Environment") for each in template.resources("AWS::Lambda::Function").values()]
    )
    for word in ("secret", "password", "token", "ClientSecret", "InternalClient"):
        assert word.lower() not in text.lower()


def test_the_template_names_no_partition(template: Template) -> None:
    assert '"arn:aws:' not in json.dumps(template.json)
