"""What keeps Lambda from running a function of the chain; most of these states the local cloud cannot be in."""

from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.check import Check
from pubsub_cli.checks.functions import OtherFunctionsCanRun, SignInFunctionsCanRun
from pubsub_cli.checks.self_attach import SelfAttachRouteWorks
from pubsub_cli.checks.trigger import TriggerIsAsDeployed
from pubsub_cli.finding import Finding, Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.answers import OUTPUTS, Answers, error, find, functions, template

SIGN_IN = {"Trigger": "post_authentication.handler", "Challenge": "auth_challenge.handler"}
OTHERS = {"Worker": "attachment_retry.handler", "Sweep": "sweep.handler", "DetachAll": "detach_all.handler"}
OTHER_OUTPUTS = {
    **OUTPUTS,
    Output.RETRY_QUEUE_URL: "https://sqs.eu-west-1.amazonaws.com/123456789012/queue",
    Output.SWEEP_STATE_MACHINE_ARN: "arn:aws:states:eu-west-1:123456789012:stateMachine:sweep",
    Output.DETACH_ALL_STATE_MACHINE_ARN: "arn:aws:states:eu-west-1:123456789012:stateMachine:leave",
}


async def look(
    check: type[Check],
    handlers: dict[str, str],
    states: dict[str, Any],
    concurrency: int | None = None,
    variables: dict[str, str] | None = None,
) -> Finding:
    """Run a check where one function is in a state, and the others are active."""
    broken = next(iter(handlers))
    stack = template(**handlers)
    stack["TemplateBody"]["Resources"][broken]["Properties"]["Environment"] = {
        "Variables": {
            "MAC_KEY_ID": {"Ref": "Key"},
            "MFA": "off",
            "POLICY_GENERATION": {"Fn::GetAtt": ["Policy", "Epoch"]},
            "REGION": {"Ref": "AWS::Region"},
        }
    }

    def configuration(asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["FunctionName"]
        given = {"MAC_KEY_ID": "key", "MFA": "off"} if variables is None or name != broken else variables
        active = {
            "FunctionName": name,
            "FunctionArn": f"arn:aws:lambda:eu-west-1:123456789012:function:{name}",
            "Handler": handlers[name],
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "Environment": {"Variables": given},
        }
        return active | states if name == broken else active

    def reserved(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["FunctionName"] != broken or concurrency is None:
            return {}
        return {"ReservedConcurrentExecutions": concurrency}

    listed = functions(**{each: each for each in handlers})
    listed["StackResourceSummaries"].append(
        {"LogicalResourceId": "Key", "PhysicalResourceId": "key", "ResourceType": "AWS::KMS::Key"}
    )
    aws = Answers(
        ListStackResources=listed,
        GetTemplate=stack,
        GetFunctionConfiguration=configuration,
        GetFunctionConcurrency=reserved,
    )
    return await find(check, aws, outputs=OTHER_OUTPUTS)


CHECKS = [(SignInFunctionsCanRun, SIGN_IN), (OtherFunctionsCanRun, OTHERS)]


@pytest.mark.parametrize(("check", "handlers"), CHECKS)
@pytest.mark.parametrize(
    ("states", "concurrency", "status", "said"),
    [
        ({}, None, Status.PASSED, ""),
        ({}, 5, Status.PASSED, ""),
        ({}, 0, Status.FAILED, "reserved concurrency"),
        ({"State": "Failed", "StateReason": "no role"}, None, Status.FAILED, "no role"),
        ({"State": "Inactive"}, None, Status.WARNING, "Inactive, not Active"),
        ({"State": "Pending"}, None, Status.WARNING, "Pending, not Active"),
        ({"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no key"}, None, Status.WARNING, "no key"),
        ({"LastUpdateStatus": "InProgress"}, None, Status.PASSED, ""),
    ],
)
async def test_a_function_that_lambda_does_not_run_is_named_with_its_state(
    check: type[Check],
    handlers: dict[str, str],
    states: dict[str, Any],
    concurrency: int | None,
    status: Status,
    said: str,
) -> None:
    finding = await look(check, handlers, states, concurrency)
    assert finding.status is status
    assert said in str(finding.cause)
    assert status is Status.PASSED or finding.resource == next(iter(handlers))


@pytest.mark.parametrize(("check", "handlers"), CHECKS)
async def test_a_function_that_was_deleted_is_restored_from_the_template(
    check: type[Check], handlers: dict[str, str]
) -> None:
    aws = Answers(
        ListStackResources=functions(**{each: each for each in handlers}),
        GetTemplate=template(**handlers),
        GetFunctionConfiguration=error("ResourceNotFoundException", 404),
    )
    finding = await find(check, aws, outputs=OTHER_OUTPUTS)
    assert finding.status is Status.FAILED
    assert "was deleted" in str(finding.cause)
    assert "cdk deploy --revert-drift" in str(finding.fix)


@pytest.mark.parametrize(("check", "handlers"), CHECKS)
async def test_a_template_without_one_of_the_functions_does_not_pass(
    check: type[Check], handlers: dict[str, str]
) -> None:
    first, *others = handlers
    finding = await look(check, {each: handlers[each] for each in others}, {})
    assert finding.status is Status.FAILED
    assert handlers[first] in str(finding.cause)


@pytest.mark.parametrize("handlers", [SIGN_IN, OTHERS], ids=["sign-in", "others"])
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"MAC_KEY_ID": "another", "MFA": "off"}, "MAC_KEY_ID another instead of key"),
        ({"MAC_KEY_ID": "key"}, "MFA missing instead of off"),
        ({"MAC_KEY_ID": "key", "MFA": "off", "MORE": "1"}, None),
    ],
)
async def test_variables_are_restored_and_those_that_were_added_stay(
    handlers: dict[str, str], variables: dict[str, str], said: str | None
) -> None:
    check = TriggerIsAsDeployed if handlers is SIGN_IN else OtherFunctionsCanRun
    finding = await look(check, handlers, {}, variables=variables)
    assert finding.status is (Status.FAILED if said else Status.PASSED)
    if said:
        assert said in str(finding.cause)
        (command,) = finding.safe_commands
        assert "MAC_KEY_ID" in str(command)
        assert variables.keys() <= {*str(command).replace('"', " ").split()} | {"MFA"}


async def test_self_attach_fails_with_its_function() -> None:
    aws = Answers(
        ListStackResources={
            "StackResourceSummaries": [
                *functions(Function="self-attach")["StackResourceSummaries"],
                {
                    "LogicalResourceId": "SelfAttachApi1",
                    "PhysicalResourceId": "api",
                    "ResourceType": "AWS::ApiGatewayV2::Api",
                },
            ]
        },
        GetTemplate=template(Function="self_attach.handler"),
        GetFunctionConfiguration={"FunctionName": "self-attach", "Handler": "gone.handler"},
        GetFunctionConcurrency={},
    )
    url = {Output.SELF_ATTACH_URL.value: "https://api.execute-api.eu-west-1.amazonaws.com/self-attach"}
    finding = await find(SelfAttachRouteWorks, aws, outputs={**OUTPUTS, **url})
    assert finding.status is Status.FAILED
    assert "Handler gone.handler instead of self_attach.handler" in str(finding.cause)
