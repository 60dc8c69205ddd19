"""Simulated policies of roles, and the permissions of state machines and rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import (
    ALLOW_IOT,
    Account,
    allow,
    document,
    make_role,
    unique,
    wait_until,
)
from tests.integration.local_cloud.state_machine import make_state_machine, outcome, start

LAMBDA = {"Service": "lambda.amazonaws.com"}
OTHER = allow("lambda:InvokeFunction", "arn:aws:lambda:*:*:function:other")


def simulate(account: Account, role_arn: str, action: str, *resources: str, **options: Any) -> Any:
    answer = account.cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=role_arn,
        ActionNames=[action],
        ResourceArns=[account.arn(each) for each in resources],
        **options,
    )
    (result,) = answer["EvaluationResults"]
    return result


def test_simulated_role_without_a_boundary_may_do_what_its_policies_allow(account: Account) -> None:
    result = simulate(account, make_role(account.cloud, ALLOW_IOT, trusts=LAMBDA), "iot:Connect", "client/any")
    assert result["EvalDecision"] == "allowed"
    assert "PermissionsBoundaryDecisionDetail" not in result


def test_simulated_action_on_several_resources_has_the_severest_decision(account: Account) -> None:
    deny = {"Effect": "Deny", "Action": "iot:Publish", "Resource": account.arn("topic/closed")}
    role = make_role(account.cloud, ALLOW_IOT, deny, trusts=LAMBDA)
    result = simulate(account, role, "iot:Publish", "topic/open", "topic/closed")
    assert result["EvalDecision"] == "explicitDeny"


def test_simulation_uses_the_given_context(account: Account) -> None:
    condition = {"StringEquals": {"cognito-identity.amazonaws.com:aud": "pool"}}
    role = make_role(account.cloud, ALLOW_IOT | {"Condition": condition}, trusts=LAMBDA)
    entry = {
        "ContextKeyName": "cognito-identity.amazonaws.com:aud",
        "ContextKeyType": "string",
        "ContextKeyValues": ["pool"],
    }
    assert simulate(account, role, "iot:Connect", "client/a")["EvalDecision"] == "implicitDeny"
    assert simulate(account, role, "iot:Connect", "client/a", ContextEntries=[entry])["EvalDecision"] == "allowed"


def test_simulation_reports_condition_keys_and_variables_without_a_value(account: Account) -> None:
    own = allow("iot:Publish", account.arn("topic/${iot:ClientId}/${*}"))
    role = make_role(account.cloud, own | {"Condition": {"Null": {"aws:SourceVpc": "true"}}}, trusts=LAMBDA)
    missing = simulate(account, role, "iot:Publish", "topic/a/*")["MissingContextValues"]
    assert missing == ["aws:sourcevpc", "iot:clientid"]


def test_simulation_finds_a_role_with_a_path_and_no_missing_role(account: Account) -> None:
    iam, name = account.cloud.client("iam"), unique("role")
    trust = document({"Effect": "Allow", "Principal": LAMBDA, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName=name, Path="/signed-in/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=document(ALLOW_IOT))
    assert simulate(account, role, "iot:Connect", "client/any")["EvalDecision"] == "allowed"
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        simulate(account, f"{role}-missing", "iot:Connect", "client/any")


def inputs(cloud: LocalCloud, machine_arn: str) -> list[str]:
    """Return the inputs of a state machine's executions."""
    stepfunctions = cloud.client("stepfunctions")
    listed = stepfunctions.list_executions(stateMachineArn=machine_arn)["executions"]
    return [stepfunctions.describe_execution(executionArn=each["executionArn"])["input"] for each in listed]


@pytest.mark.parametrize("is_allowed", [True, False])
def test_task_starts_only_an_execution_that_the_role_may_start(cloud: LocalCloud, *, is_allowed: bool) -> None:
    other = make_state_machine(cloud, {"Type": "Succeed"}, OTHER)
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution",
        "Parameters": {"StateMachineArn": other, "Input": {}},
        "End": True,
    }
    statement = allow("states:StartExecution", other) if is_allowed else OTHER
    ended = outcome(cloud, start(cloud, make_state_machine(cloud, task, statement)))
    error = None if is_allowed else "StepFunctions.AWSStepFunctionsException"
    assert (ended["status"], ended.get("error")) == ("SUCCEEDED" if is_allowed else "FAILED", error)
    assert inputs(cloud, other) == (["{}"] if is_allowed else [])


def test_rule_starts_only_executions_that_its_role_may_start(cloud: LocalCloud) -> None:
    forbidden, permitted = (make_state_machine(cloud, {"Type": "Succeed"}, OTHER) for _ in range(2))
    role = make_role(cloud, allow("states:StartExecution", permitted), trusts={"Service": "events.amazonaws.com"})
    events, name = cloud.client("events"), unique("rule")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    target = {"RoleArn": role, "Input": '{"full": true}'}
    events.put_targets(
        Rule=name, Targets=[{"Id": "1", "Arn": forbidden, **target}, {"Id": "2", "Arn": permitted, **target}]
    )
    events.put_events(Entries=[{"Source": name, "DetailType": "test", "Detail": "{}"}])
    wait_until(lambda: inputs(cloud, permitted) == ['{"full": true}'])
    assert inputs(cloud, forbidden) == []
