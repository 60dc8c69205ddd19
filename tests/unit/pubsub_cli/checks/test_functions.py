"""Functions that cannot run or differ from the template, missing log groups, and the account's concurrency."""

from __future__ import annotations

from typing import Any

import pytest

from pubsub_cli.checks.check import Check
from pubsub_cli.checks.functions import (
    ENOUGH_CONCURRENCY,
    ConcurrencySuffices,
    LogGroupsExist,
    OtherFunctionsCanRun,
    SignInFunctionsCanRun,
)
from pubsub_cli.checks.self_attach import SelfAttachRouteWorks
from pubsub_cli.checks.trigger import TriggerIsAsDeployed
from pubsub_cli.finding import AwsCommand, Finding, Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.stubbed_aws import OUTPUTS, StubbedAws, error, run_check, stack

SIGN_IN = {"Trigger": "post_authentication.handler", "Challenge": "auth_challenge.handler"}
OTHERS = {"Worker": "attachment_retry.handler", "Sweep": "sweep.handler", "DetachAll": "detach_all.handler"}
SETTINGS = {"MemorySize": 256, "Runtime": "python3.13", "Timeout": 4}
CHECKS = pytest.mark.parametrize(
    ("check", "handlers"),
    [(SignInFunctionsCanRun, SIGN_IN), (OtherFunctionsCanRun, OTHERS)],
    ids=["sign-in", "others"],
)
COMPARING_CHECKS = pytest.mark.parametrize(
    ("check", "handlers"), [(TriggerIsAsDeployed, SIGN_IN), (OtherFunctionsCanRun, OTHERS)], ids=["sign-in", "others"]
)


async def check_functions(
    check: type[Check],
    handlers: dict[str, str],
    state: dict[str, Any],
    concurrency: int | None = None,
    variables: dict[str, str] | None = None,
) -> Finding:
    """Run a check where the first function is in a state, and the others are as deployed."""
    broken = next(iter(handlers))
    answers = stack(handlers, {"Key": "AWS::KMS::Key"})
    template: Any = answers["GetTemplate"]
    template["TemplateBody"]["Resources"][broken]["Properties"] |= {
        **SETTINGS,
        "Environment": {
            "Variables": {
                "MAC_KEY_ID": {"Ref": "Key"},
                "MFA": "off",
                "POLICY_GENERATION": {"Fn::GetAtt": ["Policy", "Epoch"]},
                "REGION": {"Ref": "AWS::Region"},
            }
        },
    }

    def configuration(asked: dict[str, Any]) -> dict[str, Any]:
        name = asked["FunctionName"]
        given = {"MAC_KEY_ID": "Key", "MFA": "off"} if variables is None or name != broken else variables
        active = {
            **SETTINGS,
            "FunctionName": name,
            "FunctionArn": f"arn:aws:lambda:eu-west-1:123456789012:function:{name}",
            "Handler": handlers[name],
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "Environment": {"Variables": given},
        }
        return active | state if name == broken else active

    def reserved(asked: dict[str, Any]) -> dict[str, Any]:
        is_reserved = asked["FunctionName"] == broken and concurrency is not None
        return {"ReservedConcurrentExecutions": concurrency} if is_reserved else {}

    aws = StubbedAws(**answers | {"GetFunctionConfiguration": configuration, "GetFunctionConcurrency": reserved})
    return await run_check(check, aws)


@CHECKS
@pytest.mark.parametrize(
    ("state", "concurrency", "status", "cause"),
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
async def test_function_that_lambda_does_not_run_is_named_with_its_state(
    check: type[Check],
    handlers: dict[str, str],
    state: dict[str, Any],
    concurrency: int | None,
    status: Status,
    cause: str,
) -> None:
    finding = await check_functions(check, handlers, state, concurrency)
    assert finding.status is status
    assert cause in str(finding.cause)
    assert status is Status.PASSED or finding.resource == next(iter(handlers))


@CHECKS
async def test_deleted_function_is_restored_from_the_template(check: type[Check], handlers: dict[str, str]) -> None:
    deleted = stack(handlers) | {"GetFunctionConfiguration": error("ResourceNotFoundException", 404)}
    finding = await run_check(check, StubbedAws(**deleted))
    assert "was deleted" in str(finding.cause)
    assert "cdk deploy --revert-drift" in str(finding.fix)


@CHECKS
async def test_function_that_the_template_lacks_fails(check: type[Check], handlers: dict[str, str]) -> None:
    first, *others = handlers
    finding = await check_functions(check, {each: handlers[each] for each in others}, {})
    assert finding.status is Status.FAILED
    assert handlers[first] in str(finding.cause)


@COMPARING_CHECKS
@pytest.mark.parametrize(
    ("variables", "cause"),
    [
        ({"MAC_KEY_ID": "another", "MFA": "off"}, "MAC_KEY_ID another instead of Key"),
        ({"MAC_KEY_ID": "Key"}, "MFA missing instead of off"),
        ({"MAC_KEY_ID": "Key", "MFA": "off", "MORE": "1"}, None),
    ],
)
async def test_variables_are_restored_and_added_ones_stay(
    check: type[Check], handlers: dict[str, str], variables: dict[str, str], cause: str | None
) -> None:
    finding = await check_functions(check, handlers, {}, variables=variables)
    assert finding.status is (Status.FAILED if cause else Status.PASSED)
    if cause:
        assert cause in str(finding.cause)
        (command,) = finding.safe_commands
        assert isinstance(command, AwsCommand)
        assert command.parameters["Environment"]["Variables"] == {**variables, "MAC_KEY_ID": "Key", "MFA": "off"}


@COMPARING_CHECKS
@pytest.mark.parametrize(
    "changes", [{"Handler": "gone.handler"}, {"MemorySize": 128}, {"Timeout": 1}, {"MemorySize": 128, "Timeout": 1}]
)
async def test_less_than_deployed_fails_and_only_that_is_restored(
    check: type[Check], handlers: dict[str, str], changes: dict[str, Any]
) -> None:
    finding = await check_functions(check, handlers, {"Runtime": "python3.14", **changes})
    first = next(iter(handlers))
    deployed = {**SETTINGS, "Handler": handlers[first]}
    (command,) = finding.safe_commands
    assert isinstance(command, AwsCommand)
    assert command.parameters == {"FunctionName": first, **{name: deployed[name] for name in changes}}


@pytest.mark.parametrize("changes", [{"MemorySize": 1024}, {"Timeout": 5}, {"Runtime": "python3.14"}])
async def test_more_than_deployed_passes_and_is_shown(changes: dict[str, Any]) -> None:
    finding = await check_functions(TriggerIsAsDeployed, SIGN_IN, changes)
    ((name, value),) = changes.items()
    assert f"Trigger: {name} {value} instead of {SETTINGS[name]}" == finding.detail


@pytest.mark.parametrize(
    ("concurrency", "status"), [(None, Status.PASSED), (2, Status.PASSED), (1, Status.FAILED), (0, Status.FAILED)]
)
async def test_sign_in_needs_two_concurrent_executions(concurrency: int | None, status: Status) -> None:
    assert (await check_functions(TriggerIsAsDeployed, SIGN_IN, {}, concurrency)).status is status


async def test_self_attach_fails_with_its_function() -> None:
    api = {"SelfAttachApi": "AWS::ApiGatewayV2::Api"}
    aws = StubbedAws(**stack({"Function": "self_attach.handler"}, api, Handler="gone.handler"))
    url = {Output.SELF_ATTACH_URL.value: "https://api.execute-api.eu-west-1.amazonaws.com/self-attach"}
    finding = await run_check(SelfAttachRouteWorks, aws, outputs={**OUTPUTS, **url})
    assert "Handler gone.handler instead of self_attach.handler" in str(finding.cause)


async def check_log_groups(group: dict[str, Any], logging: dict[str, Any]) -> Finding:
    answers = stack({"Trigger": "post_authentication.handler"}, {"Logs": "AWS::Logs::LogGroup"}, **logging)
    template: Any = answers["GetTemplate"]
    template["TemplateBody"]["Resources"]["Logs"]["Properties"] = {"RetentionInDays": 30, "KmsKeyId": "arn:key"}
    return await run_check(
        LogGroupsExist, StubbedAws(**answers, DescribeLogGroups={"logGroups": [group] if group else []})
    )


@pytest.mark.parametrize("retention", [{}, {"retentionInDays": 7}])
async def test_changed_retention_is_restored(retention: dict[str, int]) -> None:
    finding = await check_log_groups({"logGroupName": "Logs", **retention}, {"LoggingConfig": {"LogGroup": "Logs"}})
    (command,) = finding.safe_commands
    assert str(command) == "aws logs put-retention-policy --log-group-name Logs --retention-in-days 30"


async def test_missing_log_group_is_created_with_its_key_and_retention() -> None:
    finding = await check_log_groups({}, {"LoggingConfig": {"LogGroup": "Logs"}})
    create, retain = finding.safe_commands
    assert str(create) == "aws logs create-log-group --log-group-name Logs --kms-key-id arn:key"
    assert str(retain) == "aws logs put-retention-policy --log-group-name Logs --retention-in-days 30"


async def test_function_without_logging_config_has_the_default_log_group() -> None:
    assert (await check_log_groups({"logGroupName": "/aws/lambda/Trigger"}, {})).status is Status.PASSED
    assert (await check_log_groups({}, {})).resource == "/aws/lambda/Trigger"


async def test_log_groups_without_a_common_prefix_are_found() -> None:
    names = {"Trigger": "stack-logs", "Challenge": "/aws/lambda/challenge"}
    answers: dict[str, Any] = {
        **stack(SIGN_IN),
        "GetFunctionConfiguration": lambda asked: {
            **asked,
            "LoggingConfig": {"LogGroup": names[asked["FunctionName"]]},
        },
        "DescribeLogGroups": {"logGroups": [{"logGroupName": each} for each in names.values()]},
    }
    assert (await run_check(LogGroupsExist, StubbedAws(**answers))).status is Status.PASSED


async def check_concurrency(quota: int, free: int) -> Finding:
    limit = {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": free}
    return await run_check(ConcurrencySuffices, StubbedAws(GetAccountSettings={"AccountLimit": limit}))


async def test_concurrency_for_all_first_sign_ins_passes() -> None:
    assert (await check_concurrency(1000, ENOUGH_CONCURRENCY)).status is Status.PASSED


async def test_concurrency_of_a_new_account_fails_with_the_numbers() -> None:
    finding = await check_concurrency(10, 10)
    assert "Lambda runs 10 functions at once" in str(finding.cause)
    assert "so 3 users can sign in for the first time at once" in str(finding.cause)
    assert "15 policies a second, which needs 78 executions" in str(finding.cause)
    assert "--service-code lambda --quota-code L-B99A9384 --desired-value 1000" in str(finding.fix)
    assert not finding.safe_commands


async def test_reserved_concurrency_is_not_available_for_sign_ins() -> None:
    finding = await check_concurrency(1000, ENOUGH_CONCURRENCY - 1)
    assert f"{1000 - ENOUGH_CONCURRENCY + 1} are reserved" in str(finding.cause)
