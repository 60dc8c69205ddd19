"""What the template promises about security; each would open a hole if it changed."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from stacks.settings import Settings
from tests.unit.stacks.conftest import LEAST_PRIVILEGE, UNGUARDED, Template

_MANAGED_POLICIES = Path(__file__).parents[3] / "local_cloud" / "managed_policies"
_TRIGGER = "SignInAttachmentPostAuthentication"
_CHALLENGE = "SignInAttachmentAuthChallenge"
_WORKER = "SignInAttachmentRetryQueueWorker"


def _clients(template: Template) -> tuple[dict[str, object], dict[str, object]]:
    clients = template.resources("AWS::Cognito::UserPoolClient")
    internal = next(each for logical_id, each in clients.items() if "Internal" in logical_id)
    web = next(each for logical_id, each in clients.items() if "Web" in logical_id)
    assert len(clients) == 2
    return web, internal


def _retry_queue(template: Template) -> str:
    (queue,) = (each for each, queue in template.resources("AWS::SQS::Queue").items() if "RedrivePolicy" in queue)
    return queue


def _as_list(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else actions


def test_the_front_ends_client_has_no_secret_and_signs_in_by_srp_alone(template: Template) -> None:
    web, _ = _clients(template)
    assert web["GenerateSecret"] is False
    assert web["ExplicitAuthFlows"] == ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    assert web["PreventUserExistenceErrors"] == "ENABLED"


def test_internal_client_has_a_secret_custom_auth_only_and_the_shortest_tokens(
    template: Template,
) -> None:
    _, internal = _clients(template)
    assert internal["GenerateSecret"] is True  # without one, anybody may sign up and have codes sent on it
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


def test_trigger_checks_mfa_only_if_the_pool_allows_it(template: Template, everything: Template) -> None:
    def asks(each: Template) -> bool:
        return "cognito-idp:AdminGetUser" in json.dumps(each.statements_of(_TRIGGER))

    assert (asks(template), asks(everything)) == (False, True)


def test_a_second_factor_is_a_one_time_password_never_a_message(everything: Template) -> None:
    pool = everything.only("AWS::Cognito::UserPool")
    assert (pool["MfaConfiguration"], pool["EnabledMfas"]) == ("OPTIONAL", ["SOFTWARE_TOKEN_MFA"])
    assert "SmsConfiguration" not in pool


def test_no_second_factor_stands_in_the_way_of_the_internal_sign_in(template: Template) -> None:
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
    role = template.only("AWS::IAM::Role", lambda logical_id: logical_id.startswith("IdentityPoolSignedInAuthRole"))
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    (pool,) = template.resources("AWS::Cognito::IdentityPool")
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {"cognito-identity.amazonaws.com:aud": {"Ref": pool}},
        "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"},
    }


# https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-cog.html
@pytest.mark.parametrize(
    ("region", "service"),
    [
        ("us-gov-east-1", "cognito-identity.us-gov-east-1.amazonaws.com"),
        ("us-gov-west-1", "cognito-identity-us-gov.amazonaws.com"),
    ],
)
def test_in_govcloud_auth_role_trusts_the_identity_pools_of_that_region(region: str, service: str) -> None:
    template = Template(Settings.model_validate(LEAST_PRIVILEGE), region=region)
    role = template.only("AWS::IAM::Role", lambda logical_id: logical_id.startswith("IdentityPoolSignedInAuthRole"))
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Federated": service}
    assert f"{service}:aud" in statement["Condition"]["StringEquals"]


def test_auth_role_holds_both_managed_policies_under_the_boundary(template: Template) -> None:
    role = template.only("AWS::IAM::Role", lambda logical_id: logical_id.startswith("IdentityPoolSignedInAuthRole"))
    names = [arn["Fn::Join"][1][-1] for arn in role["ManagedPolicyArns"]]
    assert names == [":iam::aws:policy/AWSIoTDataAccess", ":iam::aws:policy/AWSIoTConfigAccess"]
    (boundary,) = template.resources("AWS::IAM::ManagedPolicy")
    assert role["PermissionsBoundary"] == {"Ref": boundary}


def test_setting_reserved_topics_opens_them_and_shadows() -> None:
    opened = Template(Settings.model_validate({"reservedTopics": True})).only("AWS::IAM::ManagedPolicy")[
        "PolicyDocument"
    ]["Statement"]
    assert all(each["Effect"] == "Allow" for each in opened)
    assert "iot:UpdateThingShadow" in next(each["Action"] for each in opened if "Action" in each)


def test_the_role_of_a_group_is_like_auth_role(everything: Template) -> None:
    roles = everything.resources("AWS::IAM::Role")
    signed_in = {name: each for name, each in roles.items() if name.startswith("IdentityPoolSignedIn")}
    assert len(signed_in) == 3
    for part in ("AssumeRolePolicyDocument", "ManagedPolicyArns", "PermissionsBoundary"):
        assert len({json.dumps(each[part]) for each in signed_in.values()}) == 1


def test_unguarded_roles_have_no_guard() -> None:
    template = Template(Settings.model_validate(UNGUARDED))
    role = template.only("AWS::IAM::Role", lambda logical_id: logical_id.startswith("IdentityPoolSignedInAuthRole"))
    names = [arn["Fn::Join"][1][-1] for arn in role["ManagedPolicyArns"]]
    assert names == [":iam::aws:policy/AWSIoTDataAccess", ":iam::aws:policy/AWSIoTConfigAccess"]
    assert "PermissionsBoundary" not in role
    assert template.resources("AWS::IAM::ManagedPolicy") == {}


def test_the_accounts_boundary_bounds_every_role(everything: Template) -> None:
    boundaries = {
        json.dumps(each.get("PermissionsBoundary")) for each in everything.resources("AWS::IAM::Role").values()
    }
    (boundary,) = boundaries
    assert ":policy/Developers" in boundary


def test_triggers_function_can_pass_only_signed_in_roles(everything: Template) -> None:
    (passing,) = (
        each for each in everything.statements_of("UserPoolTriggersFunction") if each["Action"] == "iam:PassRole"
    )
    roles = {each["Fn::GetAtt"][0] for each in passing["Resource"]}
    assert roles == {name for name in everything.resources("AWS::IAM::Role") if name.startswith("IdentityPoolSignedIn")}


def test_roles_are_passed_to_cognito_only(everything: Template) -> None:
    passing = [
        each
        for policy in everything.resources("AWS::IAM::Policy").values()
        for each in policy["PolicyDocument"]["Statement"]
        if "iam:PassRole" in _as_list(each["Action"])
    ]
    assert passing
    for each in passing:
        ((operator, condition),) = each["Condition"].items()
        assert operator in ("StringEquals", "StringEqualsIfExists")
        assert set(_as_list(condition["iam:PassedToService"])) <= {
            "cognito-idp.amazonaws.com",
            "cognito-identity.amazonaws.com",
        }


def test_services_assume_roles_only_for_resources_of_this_account(everything: Template) -> None:
    services = {"states.amazonaws.com": ":states:", "events.amazonaws.com": ":events:"}
    seen = []
    for role in everything.resources("AWS::IAM::Role").values():
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            service = statement["Principal"].get("Service")
            if service not in services:
                assert service in (None, "lambda.amazonaws.com")
                continue
            seen.append(service)
            assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
            source = statement["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Join"][1]
            assert services[service] in json.dumps(source)
            assert {"Ref": "AWS::AccountId"} in source
    # The schedule, and the state machines of sweep and bulk detachment.
    assert sorted(seen) == ["events.amazonaws.com"] + 2 * ["states.amazonaws.com"]


def test_targets_are_listed_of_iot_policies_by_name(everything: Template) -> None:
    listing = {
        name: statement["Resource"]
        for name, policy in everything.resources("AWS::IAM::Policy").items()
        for statement in policy["PolicyDocument"]["Statement"]
        if "iot:ListTargetsForPolicy" in _as_list(statement["Action"])
    }
    ends = {name: json.dumps(resource["Fn::Join"][1][-1]) for name, resource in listing.items()}
    (named,) = (name for name, end in ends.items() if end.endswith('policy/myIoTPolicy"'))
    # A renamed policy is detached under its former name, which is in no template any more.
    (any_policy,) = (name for name, end in ends.items() if end.endswith('policy/*"'))
    assert (len(ends), "IotPolicy" in named, "DetachAll" in any_policy) == (2, True, True)


def test_mac_key_allows_generate_and_verify_only_to_their_functions(template: Template) -> None:
    statements = template.only("AWS::KMS::Key")["KeyPolicy"]["Statement"]
    by_action = {each["Action"]: each for each in statements if each["Sid"] != "Administration"}
    users = {
        action: sorted(role["Fn::GetAtt"][0].partition("Role")[0] for role in each["Principal"]["AWS"])
        for action, each in by_action.items()
    }
    assert users == {"kms:GenerateMac": [_TRIGGER, _WORKER], "kms:VerifyMac": [_CHALLENGE, _WORKER]}
    (administration,) = (each["Action"] for each in statements if each["Sid"] == "Administration")
    # Administrators could grant kms:*Mac by IAM policies if the key policy delegated it to the account.
    # CreateGrant would let them grant it to themselves.
    for action in ("kms:GenerateMac", "kms:VerifyMac", "kms:CreateGrant"):
        assert not [pattern for pattern in administration if fnmatchcase(action, pattern)]


def test_trigger_permissions_are_minimal(template: Template) -> None:
    statements = template.statements_of(_TRIGGER)
    (pool,) = template.resources("AWS::Cognito::UserPool")
    allowed = {json.dumps(each["Action"]): each["Resource"] for each in statements}
    assert set(allowed) == {
        '"ssm:GetParameters"',
        '["cognito-idp:AdminInitiateAuth", "cognito-idp:AdminRespondToAuthChallenge", '
        '"cognito-idp:AdminUpdateUserAttributes", "cognito-idp:DescribeUserPoolClient"]',
        '"iot:AttachPolicy"',
        '"sqs:SendMessage"',
    }
    assert allowed['"iot:AttachPolicy"'] == "*"  # a Cognito identity has no ARN
    assert [each for action, each in allowed.items() if "cognito-idp" in action] == [{"Fn::GetAtt": [pool, "Arn"]}]
    configuration, switch = allowed['"ssm:GetParameters"']
    assert configuration["Fn::Join"][1][-1].endswith(":parameter/AmplifyPubSub/sign-in-attachment")
    assert switch["Fn::Join"][1][-1]["Ref"].startswith("PolicyAttachmentPause")
    assert allowed['"sqs:SendMessage"'] == {"Fn::GetAtt": [_retry_queue(template), "Arn"]}


def test_worker_permissions_are_minimal(template: Template) -> None:
    statements = template.statements_of(_WORKER)
    (pool,) = template.resources("AWS::Cognito::UserPool")
    allowed = {action: each["Resource"] for each in statements for action in _as_list(each["Action"])}
    assert {action.partition(":")[0] for action in allowed} == {"ssm", "cognito-idp", "iot", "sqs"}
    assert {action for action in allowed if action.startswith("cognito-idp")} == {
        "cognito-idp:AdminGetUser",
        "cognito-idp:AdminInitiateAuth",
        "cognito-idp:AdminRespondToAuthChallenge",
        "cognito-idp:AdminUpdateUserAttributes",
        "cognito-idp:DescribeUserPoolClient",
    }
    for action, resource in allowed.items():
        if action.startswith("cognito-idp"):
            assert resource == {"Fn::GetAtt": [pool, "Arn"]}
    queue = _retry_queue(template)
    dead_letters = template.resources("AWS::SQS::Queue")[queue]["RedrivePolicy"]["deadLetterTargetArn"]
    assert allowed["sqs:SendMessage"] == dead_letters
    assert allowed["sqs:ReceiveMessage"] == {"Fn::GetAtt": [queue, "Arn"]}


def test_what_is_owed_is_encrypted_at_rest_and_on_its_way(template: Template) -> None:
    queues = template.resources("AWS::SQS::Queue")
    assert len(queues) == 2
    assert all(each["SqsManagedSseEnabled"] for each in queues.values())
    refused = {
        json.dumps(each["Queues"]): statement
        for each in template.resources("AWS::SQS::QueuePolicy").values()
        for statement in each["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }
    assert set(refused) == {json.dumps([{"Ref": queue}]) for queue in queues}


def test_challenge_can_only_read_its_configuration(template: Template) -> None:
    assert [each["Action"] for each in template.statements_of(_CHALLENGE)] == ["ssm:GetParameters"]


def test_only_this_user_pool_may_invoke_the_trigger_functions(template: Template) -> None:
    (pool,) = template.resources("AWS::Cognito::UserPool")
    permissions = template.invoked_by("cognito-idp").values()
    assert len(permissions) == 4
    for permission in permissions:
        assert permission["SourceArn"] == {"Fn::GetAtt": [pool, "Arn"]}


def test_nothing_in_the_template_reads_the_secret_of_the_internal_client(template: Template) -> None:
    """Neither an attribute of the client nor a custom resource that describes it."""
    text = json.dumps({name: each for name, each in template.json.items() if name != "Description"})
    assert "ClientSecret" not in text
    assert [name for name in template.json["Resources"] if "DescribeCognitoUserPoolClient" in name] == []


def test_no_output_and_no_environment_variable_carries_a_secret(template: Template) -> None:
    text = json.dumps(template.json["Outputs"]) + json.dumps(
        [each.get("Environment") for each in template.resources("AWS::Lambda::Function").values()]
    )
    for word in ("secret", "password", "token", "ClientSecret", "InternalClient"):
        assert word.lower() not in text.lower()


def test_the_template_names_no_partition(template: Template) -> None:
    assert '"arn:aws:' not in json.dumps(template.json)
