"""Probes of CloudFormation, Lambda, HTTP APIs, SQS and Step Functions."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from botocore.exceptions import WaiterError

from tests.integration.local_cloud.account import (
    ALLOW_IOT,
    ECHO,
    OFTEN,
    Account,
    allow,
    document,
    fails_with,
    make_function,
    make_stack,
    physical_id,
    unique,
    wait_until,
)
from tests.integration.local_cloud.http_api import call, http_api, preflight
from tests.integration.local_cloud.state_machine import events, invoke, make_state_machine, outcome, start


def function_logs(account: Account) -> bool:
    """A function without permission creates no log group."""
    cloud = account.cloud
    function_arn = make_function(cloud, ECHO)
    cloud.client("lambda").invoke(FunctionName=function_arn, Payload=b"{}")
    group = f"/aws/lambda/{function_arn.rpartition(':')[2]}"
    return not cloud.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]


def invocations_under_way(account: Account) -> bool:
    """A running invocation survives an update of its function."""
    functions = account.cloud.client("lambda")
    with TemporaryDirectory() as directory, ThreadPoolExecutor(1) as threads:
        begun, updated = Path(directory) / "begun", Path(directory) / "updated"
        source = f"""
import os, time
def handler(event, context):
    open({str(begun)!r}, "w").close()
    deadline = time.monotonic() + 5
    while not os.path.exists({str(updated)!r}) and time.monotonic() < deadline:
        time.sleep(0.02)
    return "done"
"""
        name = make_function(account.cloud, source)
        answer = threads.submit(functions.invoke, FunctionName=name)
        wait_until(begun.exists)
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"CHANGED": "yes"}})
        updated.touch()
        return bool(json.loads(answer.result()["Payload"].read()) == "done")


def prompt_answers(account: Account) -> bool:
    """A function that logs nothing answers in less than the 50 ms that ministack waits for its log."""
    function_arn = make_function(account.cloud, ECHO)
    functions = account.cloud.client("lambda")

    def seconds() -> float:
        begun = time.perf_counter()
        functions.invoke(FunctionName=function_arn, Payload=b"{}")
        return time.perf_counter() - begun

    return any(seconds() < 0.05 for _ in range(50))  # on a busy machine most answers take longer


def node_lambda_client(account: Account) -> bool:
    """A Node function receives the error when it may not call another one."""
    other = make_function(account.cloud, ECHO)
    calling = f"""
const {{ Lambda }} = require("@aws-sdk/client-lambda");
exports.handler = async () => {{
  try {{ await new Lambda({{}}).invoke({{ FunctionName: "{other}", Payload: "{{}}" }}); return "called"; }}
  catch (error) {{ return error.name; }}
}};
"""
    function = make_function(account.cloud, calling, node=True)
    answer = account.cloud.client("lambda").invoke(FunctionName=function, Payload=b"{}")
    return bool(json.load(answer["Payload"]) == "AccessDeniedException")


def http_api_denials(account: Account) -> bool:
    """A route with IAM authorization rejects a header that is not a signature."""
    with http_api(account.cloud) as url:
        return bool(call(url, headers={"Authorization": "Bearer token"}).body == {"message": "Forbidden"})


def http_api_cors(account: Account) -> bool:
    """A preflight request is answered according to the template."""
    with http_api(account.cloud) as url:
        return preflight(url, "https://app.example.com").headers.get("access-control-allow-methods") == "POST"


def message_move_tasks(account: Account) -> bool:
    """A move task empties a dead-letter queue, and needs every permission of a move."""
    sqs = account.cloud.client("sqs")

    def make_queue(**attributes: str) -> tuple[str, str]:
        url = sqs.create_queue(QueueName=unique("queue"), Attributes=attributes)["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    source, source_arn = make_queue()
    redrive = json.dumps({"deadLetterTargetArn": source_arn, "maxReceiveCount": 1})
    target, target_arn = make_queue(RedrivePolicy=redrive)
    task = {"SourceArn": source_arn, "DestinationArn": target_arn}
    if fails_with(partial(sqs.start_message_move_task, **task), "InvalidAction"):
        return False
    wait_until(lambda: sqs.list_message_move_tasks(SourceArn=source_arn)["Results"][0]["Status"] == "COMPLETED")
    reason = {"Reason": {"DataType": "String", "StringValue": "r"}}
    sqs.send_message(QueueUrl=source, MessageBody="dead letter", MessageAttributes=reason)
    actions = ("StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    statements = [*(allow(f"sqs:{each}", source_arn) for each in actions), allow("sqs:SendMessage", target_arn)]
    for left_out in statements:
        client = account.client_that_may("sqs", *(each for each in statements if each is not left_out))
        assert fails_with(partial(client.start_message_move_task, **task), "AccessDenied"), left_out
    account.client_that_may("sqs", *statements).start_message_move_task(**task)
    (received,) = sqs.receive_message(QueueUrl=target, WaitTimeSeconds=2, MessageAttributeNames=["Reason"])["Messages"]
    return bool(received["MessageAttributes"]["Reason"]["StringValue"] == "r")


def role_boundary(account: Account) -> bool:
    """CloudFormation sets the permissions boundary of a role."""
    boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    trust = {"Version": "2012-10-17", "Statement": []}
    properties = {"AssumeRolePolicyDocument": trust, "PermissionsBoundary": boundary}
    stack = make_stack(account.cloud, Role={"Type": "AWS::IAM::Role", "Properties": properties})
    role = account.cloud.client("iam").get_role(RoleName=physical_id(account.cloud, stack, "Role"))["Role"]
    return bool(role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") == boundary)


def function_updates(account: Account) -> bool:
    """A function is active when the update of its stack is complete."""
    formation, functions = account.cloud.client("cloudformation"), account.cloud.client("lambda")
    code = {"ZipFile": "def handler(event, context): pass"}
    properties = {"Runtime": "python3.13", "Handler": "index.handler", "Code": code}
    stack = make_stack(account.cloud, Function={"Type": "AWS::Lambda::Function", "Properties": properties})
    name = physical_id(account.cloud, stack, "Function")
    for number in range(5):  # on a busy machine ministack can be done before the request
        changed = {"Type": "AWS::Lambda::Function", "Properties": properties | {"Description": str(number)}}
        formation.update_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Function": changed}}))
        formation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig=OFTEN)
        if functions.get_function_configuration(FunctionName=name)["State"] != "Active":
            return False
    return True


def user_pool_attributes(account: Account) -> bool:
    """A stack update that removes a custom attribute fails."""
    formation = account.cloud.client("cloudformation")
    pool: dict[str, Any] = {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": unique("users")}}
    attribute = {"Name": "color", "AttributeDataType": "String", "Mutable": True}
    stack = make_stack(account.cloud, Pool=pool | {"Properties": pool["Properties"] | {"Schema": [attribute]}})
    formation.update_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Pool": pool}}))
    with suppress(WaiterError):
        formation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig=OFTEN)
    return bool(formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE")


def metric_math_alarms(account: Account) -> bool:
    """CloudFormation creates an alarm on metric math, which is described with its queries."""
    metric = {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "f"}]}
    queries = [
        {"Id": "e1", "Expression": "FILL(m1, 0)", "ReturnData": True},
        {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}, "ReturnData": False},
    ]
    properties = {
        "AlarmName": unique("alarm"),
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Metrics": queries,
        "Threshold": 0,
    }
    try:
        make_stack(account.cloud, Alarm={"Type": "AWS::CloudWatch::Alarm", "Properties": properties})
    except WaiterError:
        return False
    names = [properties["AlarmName"]]
    (alarm,) = account.cloud.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    return bool(alarm["Metrics"] == queries and "MetricName" not in alarm)


def failed_deletes(account: Account) -> bool:
    """An attached IoT policy and its dependencies are not deleted until it is detached."""
    formation, iot, name = account.cloud.client("cloudformation"), account.cloud.client("iot"), unique("policy")
    target = f"{account.cloud.region}:{uuid.uuid4()}"

    def parameter(**fields: Any) -> dict[str, Any]:
        return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "value"}, **fields}

    properties = {"PolicyName": name, "PolicyDocument": json.loads(document(ALLOW_IOT))}
    stack_id = make_stack(
        account.cloud,
        Far=parameter(),
        Near=parameter(DependsOn="Far"),
        Other=parameter(),
        Policy={"Type": "AWS::IoT::Policy", "Properties": properties, "DependsOn": "Near"},
        Dependent=parameter(DependsOn="Policy"),
    )

    def status() -> str:
        return str(formation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"])

    iot.attach_policy(policyName=name, target=target)
    formation.delete_stack(StackName=stack_id)
    wait_until(lambda: status().startswith("DELETE_") and status() != "DELETE_IN_PROGRESS")
    listed = formation.describe_stack_resources(StackName=stack_id)["StackResources"]
    left = {each["LogicalResourceId"]: each["ResourceStatus"] for each in listed}
    kept = {"Far": "CREATE_COMPLETE", "Near": "CREATE_COMPLETE", "Policy": "DELETE_FAILED"}
    if {each: status for each, status in left.items() if status != "DELETE_COMPLETE"} != kept:
        return False
    iot.detach_policy(policyName=name, target=target)
    formation.delete_stack(StackName=stack_id)
    wait_until(lambda: status() == "DELETE_COMPLETE")
    return True


def stopped_executions(account: Account) -> bool:
    """A stopped execution does not continue when its task succeeds or fails."""
    cloud = account.cloud
    with TemporaryDirectory() as directory:
        stopped, ended = Path(directory) / "stopped", Path(directory) / "ended"
        source = f"""
import json, os, time
def handler(event, context):
    deadline = time.monotonic() + 10
    while not os.path.exists({str(stopped)!r}) and time.monotonic() < deadline:
        time.sleep(0.02)
    with open({str(ended)!r}, "a") as file:
        file.write("ended\\n")
    if event["fails"]:
        raise ValueError
    return {{}}
"""
        allow = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}
        retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 5}]
        machine = make_state_machine(cloud, invoke(make_function(cloud, source), Retry=retry), allow)
        executions = [start(cloud, machine, {"fails": fails}) for fails in (True, False)]
        for execution in executions:
            wait_until(lambda execution=execution: "TaskScheduled" in events(cloud, execution))  # type: ignore[misc]
            cloud.client("stepfunctions").stop_execution(executionArn=execution)
        stopped.touch()
        wait_until(lambda: ended.exists() and len(ended.read_text().splitlines()) == len(executions))

        def aborted() -> bool:
            return all(
                events(cloud, each)[-1] == "ExecutionAborted" and outcome(cloud, each)["status"] == "ABORTED"
                for each in executions
            )

        deadline = time.monotonic() + 1.0
        while aborted() and time.monotonic() < deadline:
            time.sleep(0.1)
        return aborted()


def state_machine_permissions(account: Account) -> bool:
    """A task fails if the state machine's role may not invoke its function."""
    function_arn = make_function(account.cloud, ECHO)
    execution_arn = start(account.cloud, make_state_machine(account.cloud, invoke(function_arn), ALLOW_IOT))
    ended = outcome(account.cloud, execution_arn)
    denied = f"is not authorized to perform: lambda:InvokeFunction on resource: {function_arn} because"
    return bool(ended.get("error") == "Lambda.AWSLambdaException" and denied in ended["cause"])
