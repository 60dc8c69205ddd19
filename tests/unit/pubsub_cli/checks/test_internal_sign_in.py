"""States of the internal sign-in that the local cloud does not have, and the commands that restore it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pubsub_cli.checks.internal_sign_in import InternalSignInIsConfigured, MacKeyIsUsable, ParametersAreValid
from pubsub_cli.finding import AwsCommand, Finding, Status
from tests.unit.pubsub_cli.checks.stubbed_aws import (
    CLIENT,
    IDENTITY_POOL,
    POOL,
    REGION,
    TRIGGER,
    USER_POOL,
    StubbedAws,
    error,
    run_check,
    stack,
)

KEY = {"KeyId": "key", "KeyState": "Enabled", "KeyUsage": "GENERATE_VERIFY_MAC", "KeySpec": "HMAC_256"}
WITH_KEY = stack(resources={"MacKey": "AWS::KMS::Key"})


@pytest.mark.parametrize(
    ("changes", "cause", "fix"),
    [
        ({"KeyState": "Disabled"}, "is disabled", ["enable-key"]),
        (
            {"KeyState": "PendingDeletion", "DeletionDate": datetime(2026, 1, 2, tzinfo=UTC)},
            "is pending deletion (2026-01-02 00:00 UTC)",
            ["cancel-key-deletion", "enable-key"],
        ),
        ({"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT"}, "not HMAC_256", []),
        ({"KeyState": "Unavailable"}, "is Unavailable", []),
    ],
)
async def test_unusable_mac_key_is_named_with_its_state(changes: dict[str, Any], cause: str, fix: list[str]) -> None:
    finding = await run_check(MacKeyIsUsable, StubbedAws(**WITH_KEY, DescribeKey={"KeyMetadata": KEY | changes}))
    assert finding.status is Status.FAILED
    assert cause in str(finding.cause)
    assert [str(each).split()[2] for each in finding.commands] == fix
    assert not finding.safe_commands, "an operator may have disabled it to stop internal sign-ins"


async def test_mac_key_as_deployed_passes() -> None:
    finding = await run_check(MacKeyIsUsable, StubbedAws(**WITH_KEY, DescribeKey={"KeyMetadata": KEY}))
    assert finding.status is Status.PASSED


@pytest.mark.parametrize("deployed", [stack(), WITH_KEY], ids=["never deployed", "deleted"])
async def test_missing_mac_key_is_restored(deployed: dict[str, Any]) -> None:
    finding = await run_check(MacKeyIsUsable, StubbedAws(**deployed, DescribeKey=error("NotFoundException")))
    assert finding.status is Status.FAILED
    assert "cdk deploy --revert-drift" in str(finding.fix)


PAUSE, CONFIGURATION, INTERNAL = "AttachmentPauseParameter", "SignInAttachmentConfiguration", "InternalClient"
LOGIN = f"cognito-idp.{REGION}.amazonaws.com/{USER_POOL}"
DEPLOYED = {"userPoolProvider": LOGIN, "internalClientId": INTERNAL, "identityPoolId": IDENTITY_POOL}


async def check_parameters(values: dict[str, str], **variables: str) -> Finding:
    """Run the check where the parameters have these values, and the trigger these additional variables."""
    aws = StubbedAws(
        **stack(
            {TRIGGER: "post_authentication.handler"},
            {
                PAUSE: "AWS::SSM::Parameter",
                CONFIGURATION: "AWS::SSM::Parameter",
                INTERNAL: "AWS::Cognito::UserPoolClient",
            },
            Environment={"Variables": {"CONFIGURATION_PARAMETER": CONFIGURATION, **variables}},
        ),
        GetParameters={"Parameters": [{"Name": name, "Value": value} for name, value in values.items()]},
    )
    finding = await run_check(ParametersAreValid, aws)
    assert [given for operation, given in aws.calls if operation == "GetParameters"] == [
        {"Names": [PAUSE, CONFIGURATION]}
    ]
    return finding


def parameters(finding: Finding, number: int = 0) -> Any:
    command = finding.commands[number]
    assert isinstance(command, AwsCommand)
    return command.parameters


async def test_parameters_as_deployed_pass() -> None:
    assert (await check_parameters({PAUSE: "false", CONFIGURATION: json.dumps(DEPLOYED)})).status is Status.PASSED


async def test_pause_fails_and_is_not_ended_automatically() -> None:
    finding = await check_parameters({PAUSE: "true", CONFIGURATION: json.dumps(DEPLOYED)})
    assert finding.status is Status.FAILED
    assert "Attachment is paused" in str(finding.cause)
    assert "pubsub sweep --stack stack --resume" in str(finding.fix)
    assert not finding.safe_commands


@pytest.mark.parametrize("values", [{}, {PAUSE: "maybe"}])
async def test_missing_or_invalid_pause_flag_is_restored(values: dict[str, str]) -> None:
    finding = await check_parameters({**values, CONFIGURATION: json.dumps(DEPLOYED)})
    assert (finding.status, finding.resource) == (Status.FAILED, PAUSE)
    assert parameters(finding) == {"Name": PAUSE, "Type": "String", "Overwrite": True, "Value": "false"}
    assert finding.safe_commands


@pytest.mark.parametrize("value", ["no JSON", "[]", "{}", json.dumps({**DEPLOYED, "userPoolProvider": "another"})])
async def test_wrong_configuration_is_rewritten_and_functions_restart(value: str) -> None:
    finding = await check_parameters({PAUSE: "false", CONFIGURATION: value})
    assert finding.status is Status.FAILED
    assert json.loads(parameters(finding)["Value"]) == DEPLOYED
    assert parameters(finding)["Overwrite"] is True
    assert parameters(finding, 1) == {
        "FunctionName": TRIGGER,
        "Environment": {"Variables": {"CONFIGURATION_PARAMETER": CONFIGURATION, "INTERNAL_CLIENT_ID": INTERNAL}},
    }


async def test_missing_configuration_is_restored_with_the_current_client() -> None:
    finding = await check_parameters({PAUSE: "false"}, INTERNAL_CLIENT_ID="current")
    assert finding.status is Status.FAILED
    assert json.loads(parameters(finding)["Value"]) == {**DEPLOYED, "internalClientId": "current"}
    assert len(finding.safe_commands) == 2


async def test_stack_without_the_parameters_fails() -> None:
    assert (await run_check(ParametersAreValid, StubbedAws(**stack()))).status is Status.FAILED


CHALLENGE = f"arn:aws:lambda:{REGION}:123456789012:function:Challenge"
CHALLENGES = dict.fromkeys(("DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse"), CHALLENGE)


async def check_internal_sign_in(
    *listed: str, configured: str = IDENTITY_POOL, flow: str = "ALLOW_CUSTOM_AUTH", triggers: Any = CHALLENGES
) -> Finding:
    """Run the check where the identity pool lists these app clients, and the trigger uses an identity pool."""
    client = {"UserPoolId": USER_POOL, "ClientId": INTERNAL, "ExplicitAuthFlows": [flow]}
    aws = StubbedAws(
        **stack(
            {TRIGGER: "post_authentication.handler", "Challenge": "auth_challenge.handler"},
            FunctionArn=CHALLENGE,
            Environment={"Variables": {"CONFIGURATION_PARAMETER": CONFIGURATION}},
        ),
        DescribeUserPoolClient={"UserPoolClient": client},
        DescribeIdentityPool={
            **POOL,
            "CognitoIdentityProviders": [{"ClientId": each, "ProviderName": LOGIN} for each in listed],
        },
        DescribeUserPool={"UserPool": {"Id": USER_POOL, "LambdaConfig": triggers}},
    )
    values = {CONFIGURATION: json.dumps({**DEPLOYED, "identityPoolId": configured})}
    return await run_check(InternalSignInIsConfigured, aws, fields={"parameters": values})


async def test_internal_sign_in_as_deployed_passes() -> None:
    assert (await check_internal_sign_in(CLIENT, INTERNAL)).status is Status.PASSED


async def test_internal_app_client_must_allow_the_custom_flow() -> None:
    finding = await check_internal_sign_in(CLIENT, INTERNAL, flow="ALLOW_USER_SRP_AUTH")
    assert finding.status is Status.FAILED
    assert parameters(finding)["ExplicitAuthFlows"] == ["ALLOW_CUSTOM_AUTH", "ALLOW_USER_SRP_AUTH"]


@pytest.mark.parametrize("other", [None, f"{CHALLENGE}Other"])
async def test_replaced_challenge_trigger_is_restored(other: str | None) -> None:
    finding = await check_internal_sign_in(CLIENT, INTERNAL, triggers=CHALLENGES | {"DefineAuthChallenge": other})
    assert finding.status is Status.FAILED
    assert "DefineAuthChallenge" in str(finding.cause)
    assert parameters(finding)["LambdaConfig"] == CHALLENGES


async def test_internal_app_client_is_added_to_the_identity_pool() -> None:
    finding = await check_internal_sign_in(CLIENT)
    assert finding.status is Status.FAILED
    assert finding.safe_commands
    providers = parameters(finding)["CognitoIdentityProviders"]
    assert [(each["ClientId"], each["ProviderName"]) for each in providers] == [(CLIENT, LOGIN), (INTERNAL, LOGIN)]


async def test_trigger_with_another_identity_pool_gets_the_front_ends() -> None:
    finding = await check_internal_sign_in(CLIENT, INTERNAL, configured="eu-west-1:other")
    assert finding.status is Status.FAILED
    assert "eu-west-1:other" in str(finding.cause)
    assert json.loads(parameters(finding)["Value"]) == DEPLOYED
    assert [parameters(finding, number)["FunctionName"] for number in (1, 2)] == [TRIGGER, "Challenge"]
