"""A sign-in with boto3 and pycognito alone, as any application makes it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from pubsub_client.outputs import Output
from tests.jwt import claims

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Deployment

_MARKER = "custom:pubsub_attachment"
_SIGN_IN = {"cognito-idp:InitiateAuth": 1, "cognito-idp:RespondToAuthChallenge": 1}


def test_the_policy_is_attached_when_the_tokens_arrive(deployment: Deployment) -> None:
    tokens = deployment.sign_in(deployment.make_user())
    assert deployment.attached_policies(deployment.identity_id(tokens)) == ["myIoTPolicy"]


def test_a_repeat_sign_in_makes_no_call_to_aws(deployment: Deployment) -> None:
    user = deployment.make_user()
    deployment.sign_in(user)
    before = deployment.cloud.calls()
    deployment.sign_in(user)
    assert deployment.calls_of(before) == _SIGN_IN


def test_a_first_sign_in_makes_each_call_of_the_chain_once(deployment: Deployment) -> None:
    deployment.sign_in(deployment.make_user())  # the functions are warm and have read their configuration
    user = deployment.make_user()
    before = deployment.cloud.calls()
    deployment.sign_in(user)
    chain = {
        "cognito-idp:AdminInitiateAuth": 1,
        "kms:GenerateMac": 1,
        "cognito-idp:AdminRespondToAuthChallenge": 1,
        "kms:VerifyMac": 1,
        "cognito-identity:GetId": 1,
        "iot:AttachPolicy": 1,
        "cognito-idp:AdminUpdateUserAttributes": 1,
    }
    called = {name: count for name, count in deployment.calls_of(before).items() if name != "ssm:GetParameters"}
    assert called == _SIGN_IN | chain


def test_a_refresh_does_not_fire_the_trigger(deployment: Deployment) -> None:
    tokens = deployment.sign_in(deployment.make_user())
    lines = len(deployment.trigger_lines())
    deployment.public("cognito-idp").initiate_auth(
        ClientId=deployment.client_id,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
    )
    assert len(deployment.trigger_lines()) == lines


def test_an_alias_and_another_letter_case_lead_to_the_same_identity(deployment: Deployment) -> None:
    user = deployment.make_user()
    by_name = deployment.identity_id(deployment.sign_in(user))
    by_email = deployment.identity_id(deployment.sign_in(f"{user}@example.com"))
    assert by_name == by_email
    assert deployment.attached_policies(by_name) == ["myIoTPolicy"]


def test_one_line_a_sign_in_and_nothing_in_it_tells_who_it_was(deployment: Deployment) -> None:
    user = deployment.make_user()
    before = len(deployment.trigger_lines())
    tokens = deployment.sign_in(user)
    deployment.sign_in(user)
    lines = deployment.trigger_lines()[before:]
    assert [line["outcome"] for line in lines] == ["Attached", "Skipped"]
    written = json.dumps(deployment.trigger_lines())
    subject = str(claims(tokens["IdToken"])["sub"])
    for secret in (user, subject, deployment.identity_id(tokens), tokens["IdToken"].split(".")[2]):
        assert secret not in written


def test_the_marker_is_in_no_token_and_no_user_can_read_it(deployment: Deployment) -> None:
    user = deployment.make_user()
    deployment.sign_in(user)
    tokens = deployment.sign_in(user)
    for token in (tokens["IdToken"], tokens["AccessToken"]):
        assert _MARKER not in claims(token)
    seen = deployment.public("cognito-idp").get_user(AccessToken=tokens["AccessToken"])["UserAttributes"]
    assert _MARKER not in {attribute["Name"] for attribute in seen}
    assert _marker(deployment, user).startswith(deployment.outputs[Output.ATTACHMENT_MARKER] + "/")


def test_no_user_can_write_the_marker(deployment: Deployment) -> None:
    public = deployment.public("cognito-idp")
    tokens = deployment.sign_in(deployment.make_user())
    forged = [{"Name": _MARKER, "Value": f"{deployment.outputs[Output.ATTACHMENT_MARKER]}/x/{int(time.time())}"}]
    with pytest.raises(public.exceptions.NotAuthorizedException):
        public.update_user_attributes(AccessToken=tokens["AccessToken"], UserAttributes=forged)
    with pytest.raises(public.exceptions.NotAuthorizedException):
        public.sign_up(
            ClientId=deployment.client_id,
            Username="mallory",
            Password="Sup3r-secret-passw0rd!",  # noqa: S106
            UserAttributes=[{"Name": "email", "Value": "mallory@example.com"}, *forged],
        )


def test_a_marker_of_another_epoch_does_not_save_the_attachment(deployment: Deployment) -> None:
    stale = f"{deployment.outputs[Output.ATTACHMENT_MARKER]}x/us-east-1:0/{int(time.time())}"
    user = deployment.make_user(**{_MARKER: stale})
    tokens = deployment.sign_in(user)
    assert deployment.attached_policies(deployment.identity_id(tokens)) == ["myIoTPolicy"]
    assert _marker(deployment, user) != stale


class TestWithoutAPermission:
    """The trigger cannot attach, and what it owes is done by the retry queue's worker, which may."""

    @pytest.fixture(params=["attach", "sign-in", "secret", "configuration"])
    def denied(self, deployment: Deployment, request: pytest.FixtureRequest) -> Iterator[str]:
        """Take one permission of the trigger away; yield the reason its log must give."""
        action, reason = {
            "attach": ("iot:AttachPolicy", "AttachPolicy: AccessDeniedException"),
            "sign-in": ("cognito-idp:AdminInitiateAuth", "AdminInitiateAuth: AccessDeniedException"),
            "secret": ("cognito-idp:DescribeUserPoolClient", "DescribeUserPoolClient: AccessDeniedException"),
            "configuration": ("ssm:GetParameters", "GetParameters: AccessDeniedException"),
        }[request.param]
        role, name, document = deployment.inline_policy(Output.POST_AUTHENTICATION_FUNCTION_NAME, action)
        iam = deployment.cloud.client("iam")
        changed = json.loads(json.dumps(document).replace(action, f"{action}Not"))
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(changed))
        self._forget_the_configuration(deployment)
        yield reason
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    def test_the_sign_in_succeeds_and_the_worker_attaches(self, deployment: Deployment, denied: str) -> None:
        tokens = deployment.sign_in(deployment.make_user())
        line = deployment.trigger_lines()[-1]
        assert (line["outcome"], line["reason"], line["Queued"]) == ("Queued", denied, 1)
        deployment.wait_until_attached(deployment.identity_id(tokens))

    def _forget_the_configuration(self, deployment: Deployment) -> None:
        """Let the trigger start cold, so that it reads its configuration again."""
        functions = deployment.cloud.client("lambda")
        name = deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def _marker(deployment: Deployment, user: str) -> str:
    found = deployment.cloud.client("cognito-idp").admin_get_user(UserPoolId=deployment.user_pool_id, Username=user)
    return str({each["Name"]: each["Value"] for each in found["UserAttributes"]}[_MARKER])
