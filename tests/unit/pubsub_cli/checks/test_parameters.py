"""Wrong parameters of the functions, and the commands that restore them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pubsub_cli.checks.internal_sign_in import ParametersAreValid
from pubsub_cli.finding import AwsCommand, Finding, Status
from tests.unit.pubsub_cli.checks.answers import (
    IDENTITY_POOL,
    REGION,
    TRIGGER,
    USER_POOL,
    Answers,
    find,
    functions,
    template,
)

PAUSE, CONFIGURATION = "/stack/attachment-paused", "/stack/sign-in-attachment"
PROVIDER = f"cognito-idp.{REGION}.amazonaws.com/{USER_POOL}"
MADE = {"userPoolProvider": PROVIDER, "internalClientId": "internal", "identityPoolId": IDENTITY_POOL}


async def check_parameters(values: dict[str, str], **variables: str) -> Finding:
    """Run the check where the parameters have these values, and the trigger these additional variables."""
    stack = functions(Trigger=TRIGGER)
    stack["StackResourceSummaries"] += [
        {"LogicalResourceId": logical, "PhysicalResourceId": physical, "ResourceType": kind}
        for logical, physical, kind in (
            ("AttachmentPauseParameter1", PAUSE, "AWS::SSM::Parameter"),
            ("SignInAttachmentConfiguration1", CONFIGURATION, "AWS::SSM::Parameter"),
            ("UsersInternalClient1", "internal", "AWS::Cognito::UserPoolClient"),
        )
    ]
    aws = Answers(
        ListStackResources=stack,
        GetTemplate=template(Trigger="post_authentication.handler"),
        GetFunctionConfiguration={"FunctionName": TRIGGER, "Environment": {"Variables": {"MFA": "off", **variables}}},
        GetFunctionConcurrency={},
        GetParameters={"Parameters": [{"Name": name, "Value": value} for name, value in values.items()]},
    )
    finding = await find(ParametersAreValid, aws)
    asked = [parameters for operation, parameters in aws.calls if operation == "GetParameters"]
    assert asked == [{"Names": [PAUSE, CONFIGURATION]}]
    return finding


def command(finding: Finding, number: int = 0) -> AwsCommand:
    made = finding.commands[number]
    assert isinstance(made, AwsCommand)
    return made


async def test_parameters_as_deployed_pass() -> None:
    assert (await check_parameters({PAUSE: "false", CONFIGURATION: json.dumps(MADE)})).status is Status.PASSED


async def test_pause_fails_and_is_not_ended_automatically() -> None:
    finding = await check_parameters({PAUSE: "true", CONFIGURATION: json.dumps(MADE)})
    assert finding.status is Status.FAILED
    assert "Attachment is paused" in str(finding.cause)
    assert "pubsub sweep --stack stack --resume" in str(finding.fix)
    assert not finding.safe_commands


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ({}, {"Name": PAUSE, "Type": "String", "Value": "false"}),
        ({PAUSE: "maybe"}, {"Name": PAUSE, "Overwrite": True, "Value": "false"}),
    ],
)
async def test_missing_or_invalid_pause_flag_is_restored(values: dict[str, str], options: dict[str, Any]) -> None:
    finding = await check_parameters({**values, CONFIGURATION: json.dumps(MADE)})
    assert finding.status is Status.FAILED
    assert finding.resource == PAUSE
    assert command(finding).parameters == options
    assert finding.safe_commands


@pytest.mark.parametrize(
    "value", ["no JSON", "[]", "{}", json.dumps({**MADE, "userPoolProvider": f"{PROVIDER}-of-another"})]
)
async def test_wrong_configuration_is_rewritten_and_functions_restart(value: str) -> None:
    finding = await check_parameters({PAUSE: "false", CONFIGURATION: value})
    assert finding.status is Status.FAILED
    assert json.loads(command(finding).parameters["Value"]) == MADE
    assert command(finding).parameters["Overwrite"] is True
    restarted = command(finding, 1).parameters
    assert restarted == {
        "FunctionName": TRIGGER,
        "Environment": {"Variables": {"MFA": "off", "INTERNAL_CLIENT_ID": "internal"}},
    }


async def test_missing_configuration_is_restored_with_the_current_client() -> None:
    finding = await check_parameters({PAUSE: "false"}, INTERNAL_CLIENT_ID="made-anew")
    assert finding.status is Status.FAILED
    assert json.loads(command(finding).parameters["Value"]) == {**MADE, "internalClientId": "made-anew"}
    assert len(finding.safe_commands) == 1


async def test_stack_without_the_parameters_fails() -> None:
    aws = Answers(ListStackResources=functions(), GetTemplate=template())
    assert (await find(ParametersAreValid, aws)).status is Status.FAILED
