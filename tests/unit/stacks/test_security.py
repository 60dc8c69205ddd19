"""Security properties of the template."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from stacks.settings import Settings
from tests.unit.stacks.conftest import Template, as_list

_TRIGGER = "SignInAttachmentPostAuthentication"
_CHALLENGE = "SignInAttachmentAuthChallenge"
_WORKER = "SignInAttachmentRetryQueueWorker"
_MANAGED = [":iam::aws:policy/AWSIoTDataAccess", ":iam::aws:policy/AWSIoTConfigAccess"]


def _auth_role(template: Template) -> dict[str, Any]:
    return template.only("AWS::IAM::Role", lambda each: each.startswith("IdentityPoolSignedInAuthRole"))


def _managed_policies(role: dict[str, Any]) -> list[str]:
    return [arn["Fn::Join"][1][-1] for arn in role["ManagedPolicyArns"]]


def _retry_queue(template: Template) -> str:
    (queue,) = (each for each, queue in template.resources("AWS::SQS::Queue").items() if "RedrivePolicy" in queue)
    return queue


def _statements(template: Template, action: str) -> list[dict[str, Any]]:
    """Return the statements of every function that have an action."""
    policies = template.resources("AWS::IAM::Policy").values()
    statements = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    return [each for each in statements if action in as_list(each["Action"])]


class TestAppClients:
    def test_web_client_has_no_secret_and_allows_only_srp(self, template: Template) -> None:
        web = template.only("AWS::Cognito::UserPoolClient", lambda each: "Web" in each)
        assert web["GenerateSecret"] is False
        assert web["ExplicitAuthFlows"] == ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        assert web["PreventUserExistenceErrors"] == "ENABLED"

    def test_internal_client_has_a_secret_one_flow_and_the_shortest_tokens(self, template: Template) -> None:
        internal = template.only("AWS::Cognito::UserPoolClient", lambda each: "Internal" in each)
        assert internal["GenerateSecret"] is True  # without one, the public could sign up and request codes
        assert internal["ExplicitAuthFlows"] == ["ALLOW_CUSTOM_AUTH"]
        assert internal["AllowedOAuthFlowsUserPoolClient"] is False
        assert internal["EnableTokenRevocation"] is True
        tokens = ("AccessToken", "IdToken", "RefreshToken")
        assert internal["TokenValidityUnits"] == dict.fromkeys(tokens, "minutes")
        # The shortest lifetimes that Cognito accepts.
        assert [internal[f"{each}Validity"] for each in tokens] == [5, 5, 60]

    def test_no_client_can_read_or_write_the_marker(self, template: Template) -> None:
        clients = template.resources("AWS::Cognito::UserPoolClient").values()
        attributes = [each[kind] for each in clients for kind in ("ReadAttributes", "WriteAttributes")]
        assert len(attributes) == 4
        assert all(attributes)  # an empty list allows all of them
        assert not [each for each in attributes if "custom:pubsub_attachment" in each]

    def test_template_does_not_contain_the_secret_of_the_internal_client(self, template: Template) -> None:
        """Neither as an attribute of the client nor through a custom resource that describes the client."""
        resources = json.dumps({name: each for name, each in template.json.items() if name != "Description"})
        assert "ClientSecret" not in resources
        assert "DescribeCognitoUserPoolClient" not in resources
        variables = [each.get("Environment") for each in template.resources("AWS::Lambda::Function").values()]
        readable = json.dumps([template.json["Outputs"], variables]).lower()
        assert not [each for each in ("secret", "password", "token", "internalclient") if each in readable]


class TestMfa:
    def test_trigger_checks_mfa_only_if_the_pool_allows_it(self, template: Template, all_settings: Template) -> None:
        checks = ["AdminGetUser" in json.dumps(each.statements_of(_TRIGGER)) for each in (template, all_settings)]
        assert checks == [False, True]

    def test_mfa_is_off_or_a_one_time_password(self, template: Template, all_settings: Template) -> None:
        assert template.only("AWS::Cognito::UserPool")["MfaConfiguration"] == "OFF"
        pool = all_settings.only("AWS::Cognito::UserPool")
        assert (pool["MfaConfiguration"], pool["EnabledMfas"]) == ("OPTIONAL", ["SOFTWARE_TOKEN_MFA"])
        assert "SmsConfiguration" not in pool


class TestRolesOfUsers:
    def test_identity_pool_has_no_guests_and_checks_tokens_with_the_user_pool(self, template: Template) -> None:
        pool = template.only("AWS::Cognito::IdentityPool")
        assert (pool["AllowUnauthenticatedIdentities"], pool["AllowClassicFlow"]) == (False, False)
        assert [each["ServerSideTokenCheck"] for each in pool["CognitoIdentityProviders"]] == [True, True]
        listed = [each["ClientId"]["Ref"] for each in pool["CognitoIdentityProviders"]]
        assert sorted(listed) == sorted(template.resources("AWS::Cognito::UserPoolClient"))
        assert list(template.only("AWS::Cognito::IdentityPoolRoleAttachment")["Roles"]) == ["authenticated"]

    # https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-cog.html
    @pytest.mark.parametrize(
        ("region", "service"),
        [
            (None, "cognito-identity.amazonaws.com"),
            ("us-gov-east-1", "cognito-identity.us-gov-east-1.amazonaws.com"),
            ("us-gov-west-1", "cognito-identity-us-gov.amazonaws.com"),
        ],
    )
    def test_auth_role_trusts_only_signed_in_users_of_this_pool(self, region: str | None, service: str) -> None:
        template = Template(Settings(), region=region)
        (statement,) = _auth_role(template)["AssumeRolePolicyDocument"]["Statement"]
        (pool,) = template.resources("AWS::Cognito::IdentityPool")
        assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert statement["Principal"] == {"Federated": service}
        assert statement["Condition"] == {
            "StringEquals": {f"{service}:aud": {"Ref": pool}},
            "ForAnyValue:StringLike": {f"{service}:amr": "authenticated"},
        }

    def test_guarded_role_has_both_managed_policies_under_the_boundary(self, template: Template) -> None:
        assert _managed_policies(_auth_role(template)) == _MANAGED
        (boundary,) = template.resources("AWS::IAM::ManagedPolicy")
        assert _auth_role(template)["PermissionsBoundary"] == {"Ref": boundary}

    def test_unguarded_role_has_both_managed_policies_without_a_guard(self) -> None:
        template = Template(Settings.model_validate({"accessMode": "unguarded"}))
        assert _managed_policies(_auth_role(template)) == _MANAGED
        assert "PermissionsBoundary" not in _auth_role(template)
        assert template.resources("AWS::IAM::ManagedPolicy") == {}

    def test_reserved_topics_of_the_settings_allow_shadows(self) -> None:
        template = Template(Settings.model_validate({"reservedTopics": True}))
        statements = template.only("AWS::IAM::ManagedPolicy")["PolicyDocument"]["Statement"]
        assert {each["Effect"] for each in statements} == {"Allow"}
        assert "iot:UpdateThingShadow" in next(each["Action"] for each in statements if "Action" in each)

    def test_group_roles_have_the_trust_and_guard_of_auth_role(self, all_settings: Template) -> None:
        roles = all_settings.resources("AWS::IAM::Role").items()
        signed_in = [each for name, each in roles if name.startswith("IdentityPoolSignedIn")]
        assert len(signed_in) == 3
        for part in ("AssumeRolePolicyDocument", "ManagedPolicyArns", "PermissionsBoundary"):
            assert len({json.dumps(each[part]) for each in signed_in}) == 1


class TestRolesOfServices:
    def test_every_role_has_the_boundary_of_the_settings(self, all_settings: Template) -> None:
        roles = all_settings.resources("AWS::IAM::Role").values()
        (boundary,) = {json.dumps(each.get("PermissionsBoundary")) for each in roles}
        assert ":policy/Developers" in boundary

    def test_only_signed_in_roles_are_passed_and_only_to_cognito(self, all_settings: Template) -> None:
        statements = all_settings.statements_of("UserPoolTriggersFunction")
        (passing,) = (each for each in statements if each["Action"] == "iam:PassRole")
        roles = {each for each in all_settings.resources("AWS::IAM::Role") if each.startswith("IdentityPoolSignedIn")}
        assert {each["Fn::GetAtt"][0] for each in passing["Resource"]} == roles
        services = {"cognito-idp.amazonaws.com", "cognito-identity.amazonaws.com"}
        for each in _statements(all_settings, "iam:PassRole"):
            ((operator, condition),) = each["Condition"].items()
            assert operator in ("StringEquals", "StringEqualsIfExists")
            assert set(as_list(condition["iam:PassedToService"])) <= services

    def test_services_assume_roles_only_for_resources_of_this_account(self, all_settings: Template) -> None:
        services = {"states.amazonaws.com": ":states:", "events.amazonaws.com": ":events:"}
        seen = []
        for role in all_settings.resources("AWS::IAM::Role").values():
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

    def test_targets_are_listed_of_iot_policies_by_name(self, all_settings: Template) -> None:
        resources = [each["Resource"]["Fn::Join"][1] for each in _statements(all_settings, "iot:ListTargetsForPolicy")]
        # A renamed policy is detached under its former name, which the template does not contain.
        assert sorted(str(each[-1]).rpartition(":")[2] for each in resources) == ["policy/*", "policy/myIoTPolicy"]

    def test_trigger_permissions_are_minimal(self, template: Template) -> None:
        (pool,) = template.resources("AWS::Cognito::UserPool")
        allowed = {json.dumps(each["Action"]): each["Resource"] for each in template.statements_of(_TRIGGER)}
        configuration, pause_flag = allowed.pop('"ssm:GetParameters"')
        assert configuration["Fn::Join"][1][-1].endswith(":parameter/AmplifyPubSub/sign-in-attachment")
        assert pause_flag["Fn::Join"][1][-1]["Ref"].startswith("PolicyAttachmentPause")
        assert allowed == {
            '["cognito-idp:AdminInitiateAuth", "cognito-idp:AdminRespondToAuthChallenge", '
            '"cognito-idp:AdminUpdateUserAttributes", "cognito-idp:DescribeUserPoolClient"]': {
                "Fn::GetAtt": [pool, "Arn"]
            },
            '"iot:AttachPolicy"': "*",  # a Cognito identity has no ARN
            '"sqs:SendMessage"': {"Fn::GetAtt": [_retry_queue(template), "Arn"]},
        }

    def test_worker_permissions_are_minimal(self, template: Template) -> None:
        (pool,) = template.resources("AWS::Cognito::UserPool")
        statements = template.statements_of(_WORKER)
        allowed = {action: each["Resource"] for each in statements for action in as_list(each["Action"])}
        assert {action.partition(":")[0] for action in allowed} == {"ssm", "cognito-idp", "iot", "sqs"}
        operations = ("GetUser", "InitiateAuth", "RespondToAuthChallenge", "UpdateUserAttributes")
        of_cognito = {action for action in allowed if action.startswith("cognito-idp:")}
        assert of_cognito == {f"cognito-idp:Admin{each}" for each in operations} | {
            "cognito-idp:DescribeUserPoolClient"
        }
        assert [allowed[each] for each in of_cognito] == [{"Fn::GetAtt": [pool, "Arn"]}] * 5
        queue = _retry_queue(template)
        dead_letters = template.resources("AWS::SQS::Queue")[queue]["RedrivePolicy"]["deadLetterTargetArn"]
        assert allowed["sqs:SendMessage"] == dead_letters
        assert allowed["sqs:ReceiveMessage"] == {"Fn::GetAtt": [queue, "Arn"]}

    def test_challenge_can_only_read_its_configuration(self, template: Template) -> None:
        assert [each["Action"] for each in template.statements_of(_CHALLENGE)] == ["ssm:GetParameters"]

    def test_only_this_user_pool_can_invoke_the_triggers(self, template: Template) -> None:
        (pool,) = template.resources("AWS::Cognito::UserPool")
        sources = [each["SourceArn"] for each in template.invoked_by("cognito-idp").values()]
        assert sources == [{"Fn::GetAtt": [pool, "Arn"]}] * 4


def test_mac_key_allows_generate_and_verify_only_to_their_functions(template: Template) -> None:
    statements = template.only("AWS::KMS::Key")["KeyPolicy"]["Statement"]
    users = {
        each["Action"]: sorted(role["Fn::GetAtt"][0].partition("Role")[0] for role in each["Principal"]["AWS"])
        for each in statements
        if each["Sid"] != "Administration"
    }
    assert users == {"kms:GenerateMac": [_TRIGGER, _WORKER], "kms:VerifyMac": [_CHALLENGE, _WORKER]}
    (administration,) = (each["Action"] for each in statements if each["Sid"] == "Administration")
    # Administrators could grant kms:*Mac by IAM policies if the key policy delegated it to the account.
    # CreateGrant would let them grant it to themselves.
    for action in ("kms:GenerateMac", "kms:VerifyMac", "kms:CreateGrant"):
        assert not [pattern for pattern in administration if fnmatchcase(action, pattern)]


def test_queues_are_encrypted_and_reject_plain_http(template: Template) -> None:
    queues = template.resources("AWS::SQS::Queue")
    assert [each["SqsManagedSseEnabled"] for each in queues.values()] == [True, True]
    plain_http = {"Bool": {"aws:SecureTransport": "false"}}
    refusing = [
        policy["Queues"]
        for policy in template.resources("AWS::SQS::QueuePolicy").values()
        for each in policy["PolicyDocument"]["Statement"]
        if each["Effect"] == "Deny" and each["Condition"] == plain_http
    ]
    assert sorted(map(str, refusing)) == sorted(str([{"Ref": queue}]) for queue in queues)


def test_template_names_no_partition(template: Template) -> None:
    assert '"arn:aws:' not in json.dumps(template.json)
