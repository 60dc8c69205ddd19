"""What of the internal sign-in's configuration can be another than the stack made it."""

from __future__ import annotations

import json
from typing import Any

from pubsub_cli.checks.app_clients import InternalSignInIsWired
from pubsub_cli.finding import AwsCommand, Finding, Status
from tests.unit.pubsub_cli.checks.answers import (
    CLIENT,
    IDENTITY_POOL,
    REGION,
    TRIGGER,
    USER_POOL,
    Answers,
    find,
    functions,
    template,
)

LOGIN = f"cognito-idp.{REGION}.amazonaws.com/{USER_POOL}"
CHALLENGE = "stack-challenge"
CHALLENGE_ARN = f"arn:aws:lambda:{REGION}:123456789012:function:{CHALLENGE}"
TRIGGERS = ("DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse")
MADE = {"internalClientId": "internal", "identityPoolId": IDENTITY_POOL}


async def look(configuration: dict[str, str], *listed: str) -> Finding:
    def function(asked: dict[str, Any]) -> dict[str, Any]:
        return {
            "FunctionName": asked["FunctionName"],
            "Environment": {"Variables": {"CONFIGURATION_PARAMETER": "/stack/parameter"}},
        }

    aws = Answers(
        GetFunctionConfiguration=function,
        DescribeUserPoolClient={"UserPoolClient": {"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"]}},
        DescribeIdentityPool={
            "IdentityPoolId": IDENTITY_POOL,
            "CognitoIdentityProviders": [{"ClientId": each, "ProviderName": LOGIN} for each in listed],
        },
        DescribeUserPool={"UserPool": {"LambdaConfig": dict.fromkeys(TRIGGERS, CHALLENGE_ARN)}},
        ListStackResources=functions(
            SignInAttachmentPostAuthentication1=TRIGGER, SignInAttachmentAuthChallenge1=CHALLENGE
        ),
        GetTemplate=template(
            SignInAttachmentPostAuthentication1="post_authentication.handler",
            SignInAttachmentAuthChallenge1="auth_challenge.handler",
        ),
        GetFunctionConcurrency={},
    )
    return await find(InternalSignInIsWired, aws, left={"parameters": {"/stack/parameter": json.dumps(configuration)}})


async def test_as_the_stack_made_it_it_passes() -> None:
    assert (await look(MADE, CLIENT, "internal")).status is Status.PASSED


async def test_an_identity_pool_that_refuses_the_internal_app_client_is_let_take_it() -> None:
    finding = await look(MADE, CLIENT)
    assert finding.status is Status.FAILED
    (command,) = finding.safe_commands
    assert isinstance(command, AwsCommand)
    providers = command.parameters["CognitoIdentityProviders"]
    assert [(each["ClientId"], each["ProviderName"]) for each in providers] == [(CLIENT, LOGIN), ("internal", LOGIN)]


async def test_a_trigger_that_asks_another_identity_pool_is_told_the_front_ends() -> None:
    finding = await look({**MADE, "identityPoolId": "eu-west-1:other"}, CLIENT, "internal")
    assert finding.status is Status.FAILED
    assert "eu-west-1:other" in str(finding.cause)
    put, *restarts = finding.commands
    assert isinstance(put, AwsCommand)
    assert json.loads(put.parameters["Value"]) == MADE
    assert len(restarts) == 2
