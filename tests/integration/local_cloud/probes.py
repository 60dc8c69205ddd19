"""Probes of each patch: a probe returns whether a cloud behaves as AWS does."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from botocore.exceptions import ClientError, WaiterError
from websockets.exceptions import InvalidStatus

from tests.integration.local_cloud.account import (
    ALLOW_IOT,
    PASSWORD,
    Account,
    Credentials,
    document,
    make_app_client,
    make_function,
    make_role,
    make_user,
    make_user_pool,
    sign_in,
    unique,
)
from tests.integration.local_cloud.http_api import call, http_api, preflight
from tests.integration.local_cloud.mqtt import Version, connected, websocket
from tests.integration.local_cloud.state_machine import events, invoke, make_state_machine, outcome, start, wait_until
from tests.integration.local_cloud.user_pool import Pool, too_late_once

_OFTEN: Any = {"Delay": 0.1, "MaxAttempts": 200}
_TRIGGER_SECONDS = 2.0
"""Enough for a function to start on a busy machine."""


def https(account: Account) -> bool:
    """A bucket that denies plain HTTP answers."""
    s3, iam = account.cloud.client("s3"), account.cloud.client("iam")
    bucket, name = unique("bucket"), unique("reader")
    s3.create_bucket(Bucket=bucket)
    deny_http = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=document(deny_http))
    iam.create_user(UserName=name)
    allow = document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    iam.put_user_policy(UserName=name, PolicyName="allow", PolicyDocument=allow)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"], "")
    return not _refused(lambda: account.client("s3", credentials).list_objects_v2(Bucket=bucket), "AccessDenied")


def managed_policies(account: Account) -> bool:
    """AWSIoTDataAccess says what AWS publishes."""
    iam = account.cloud.client("iam")
    arn = "arn:aws:iam::aws:policy/AWSIoTDataAccess"
    try:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    except iam.exceptions.NoSuchEntityException:
        return False
    policy: Any = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    (statement,) = policy["Statement"]
    return "iot:Connect" in statement["Action"] and "iot:RetainPublish" not in statement["Action"]


def role_boundary(account: Account) -> bool:
    """A role that CloudFormation makes has the permissions boundary of its template."""
    boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
            "PermissionsBoundary": boundary,
        },
    }
    formation = account.cloud.client("cloudformation")
    name = unique("stack")
    formation.create_stack(
        StackName=name,
        TemplateBody=json.dumps({"Resources": {"Role": role}}),
        Capabilities=["CAPABILITY_IAM"],
    )
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=_OFTEN)
    resource = formation.describe_stack_resource(StackName=name, LogicalResourceId="Role")
    role_name = resource["StackResourceDetail"]["PhysicalResourceId"]
    made = account.cloud.client("iam").get_role(RoleName=role_name)["Role"]
    return bool(made.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") == boundary)


def denial_reason(account: Account) -> bool:
    """A refusal by a permissions boundary says so."""
    cloud = account.cloud
    boundary = cloud.client("iam").create_policy(
        PolicyName=unique("boundary"),
        PolicyDocument=document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}),
    )["Policy"]["Arn"]
    root = {"AWS": f"arn:aws:iam::{cloud.account_id}:root"}
    role = make_role(cloud, ALLOW_IOT, trusts=root, boundary=boundary)
    answer = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="probe")["Credentials"]
    credentials = Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
    try:
        account.client("iot", credentials).list_policies()
    except ClientError as error:
        return "because no permissions boundary allows" in str(error)
    return False


def simulated_policies(account: Account) -> bool:
    """A simulation of a role's policies asks its permissions boundary too."""
    iam = account.cloud.client("iam")
    boundary = iam.create_policy(
        PolicyName=unique("boundary"),
        PolicyDocument=document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}),
    )["Policy"]["Arn"]
    role = make_role(account.cloud, ALLOW_IOT, trusts={"Service": "lambda.amazonaws.com"}, boundary=boundary)
    answer = iam.simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["iot:Connect"], ResourceArns=[account.arn("client/probe")]
    )
    (result,) = answer["EvaluationResults"]
    return bool(result["EvalDecision"] == "implicitDeny")


def function_logs(account: Account) -> bool:
    """A function whose role may not make a log group does not."""
    cloud = account.cloud
    function_arn = make_function(cloud, "def handler(event, context): return event")
    cloud.client("lambda").invoke(FunctionName=function_arn, Payload=b"{}")
    group = f"/aws/lambda/{function_arn.rpartition(':')[2]}"
    return not cloud.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]


def node_lambda_client(account: Account) -> bool:
    """A function in Node is told that it may not call another one."""
    other = make_function(account.cloud, "def handler(event, context): return event")
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


def prompt_answers(account: Account) -> bool:
    """A function that logs nothing answers before the 50 ms are over for which ministack waits for its log."""
    function_arn = make_function(account.cloud, "def handler(event, context): return event")
    functions = account.cloud.client("lambda")

    def seconds() -> float:
        begun = time.perf_counter()
        functions.invoke(FunctionName=function_arn, Payload=b"{}")
        return time.perf_counter() - begun

    return any(seconds() < 0.05 for _ in range(50))  # on a busy machine most answers take longer


def http_api_refusals(account: Account) -> bool:
    """A route with IAM authorization refuses a header that is no signature."""
    with http_api(account.cloud) as url:
        return bool(call(url, headers={"Authorization": "Bearer token"}).body == {"message": "Forbidden"})


def http_api_cors(account: Account) -> bool:
    """A preflight request is answered as the template says."""
    with http_api(account.cloud) as url:
        return preflight(url, "https://app.example.com").headers.get("access-control-allow-methods") == "POST"


def metric_math_alarms(account: Account) -> bool:
    """An alarm on metric math is made, and described as CloudFormation was given it."""
    metric = {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "f"}]}
    queries = [
        {"Id": "e1", "Expression": "FILL(m1, 0)", "ReturnData": True},
        {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}, "ReturnData": False},
    ]
    name = unique("alarm")
    alarm = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": name,
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 1,
            "Metrics": queries,
            "Threshold": 0,
        },
    }
    formation = account.cloud.client("cloudformation")
    formation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Alarm": alarm}}))
    try:
        formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=_OFTEN)
    except WaiterError:
        return False
    (made,) = account.cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return bool(made["Metrics"] == queries and "MetricName" not in made)


def batch_permissions(account: Account) -> bool:
    """Who may send a message may send several at once."""
    cloud = account.cloud
    credentials = _who_may(account, {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"})
    queue = cloud.client("sqs").create_queue(QueueName=unique("queue"))["QueueUrl"]
    batch = {"QueueUrl": queue, "Entries": [{"Id": "1", "MessageBody": "message"}]}
    return not _refused(lambda: account.client("sqs", credentials).send_message_batch(**batch), "AccessDenied")


def message_move_tasks(account: Account) -> bool:
    """A move task empties a dead-letter queue until it is cancelled, with all the permissions of a move."""
    sqs = account.cloud.client("sqs")
    source = sqs.create_queue(QueueName=unique("dead"))["QueueUrl"]
    source_arn = sqs.get_queue_attributes(QueueUrl=source, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": source_arn, "maxReceiveCount": 1})
    target = sqs.create_queue(QueueName=unique("retry"), Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    target_arn = sqs.get_queue_attributes(QueueUrl=target, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for number in range(2):
        reason = {"Reason": {"DataType": "String", "StringValue": "r"}}
        sqs.send_message(QueueUrl=source, MessageBody=str(number), MessageAttributes=reason)
    task = {"SourceArn": source_arn, "DestinationArn": target_arn}
    if _refused(partial(sqs.start_message_move_task, **task, MaxNumberOfMessagesPerSecond=1), "InvalidAction"):
        return False
    (running,) = sqs.list_message_move_tasks(SourceArn=source_arn)["Results"]
    sqs.cancel_message_move_task(TaskHandle=running["TaskHandle"])
    (cancelled,) = sqs.list_message_move_tasks(SourceArn=source_arn)["Results"]
    assert (running["Status"], cancelled["Status"]) == ("RUNNING", "CANCELLED")
    actions = ("StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    statements = [{"Effect": "Allow", "Action": f"sqs:{each}", "Resource": source_arn} for each in actions]
    statements.append({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": target_arn})
    for left_out in statements:
        client = account.client("sqs", _who_may(account, *(each for each in statements if each is not left_out)))
        assert _refused(partial(client.start_message_move_task, **task), "AccessDenied"), left_out
    account.client("sqs", _who_may(account, *statements)).start_message_move_task(**task)
    received = sqs.receive_message(QueueUrl=target, WaitTimeSeconds=2, MessageAttributeNames=["Reason"])["Messages"]
    return bool(received[0]["MessageAttributes"]["Reason"]["StringValue"] == "r")


def parameter_permissions(account: Account) -> bool:
    """Who may read a parameter by the operation for several reads it, and no other one together with it."""
    cloud = account.cloud
    mine, other = unique("/probe/mine"), unique("/probe/other")
    for name in (mine, other):
        cloud.client("ssm").put_parameter(Name=name, Value="value", Type="String")
    arn = f"arn:aws:ssm:{cloud.region}:{cloud.account_id}:parameter{mine}"
    credentials = _who_may(account, {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": arn})
    ssm, code = account.client("ssm", credentials), "AccessDeniedException"
    return not _refused(lambda: ssm.get_parameters(Names=[mine]), code) and _refused(
        lambda: ssm.get_parameters(Names=[mine, other]), code
    )


def pass_role(account: Account) -> bool:
    """Who may update a user pool that sends SMS does so with the permission to pass its role to Cognito alone."""
    sms_role = make_role(account.cloud, ALLOW_IOT, trusts={"Service": "cognito-idp.amazonaws.com"})
    pool_id, _ = make_user_pool(account.cloud)
    change = {"UserPoolId": pool_id, "SmsConfiguration": {"SnsCallerArn": sms_role}}
    may_update = {"Effect": "Allow", "Action": "cognito-idp:UpdateUserPool", "Resource": "*"}
    may_pass = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": sms_role}
    to = [
        {"Condition": {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}}
        for service in ("cognito-idp", "lambda")
    ]
    answers = [
        _refused(partial(account.client("cognito-idp", keys).update_user_pool, **change), "AccessDeniedException")
        for keys in (
            _who_may(account, may_update),
            _who_may(account, may_update, may_pass | to[1]),
            _who_may(account, may_update, may_pass | to[0]),
        )
    ]
    return answers == [True, True, False]


def custom_sender_key(account: Account) -> bool:
    """Who may update a user pool gives it custom senders with the permission to create a grant of their key alone."""
    key_arn = account.cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    pool_id, _ = make_user_pool(account.cloud)
    sender = {"LambdaVersion": "V1_0", "LambdaArn": "arn:aws:lambda:us-east-1:000000000000:function:sender"}
    change = {"UserPoolId": pool_id, "LambdaConfig": {"CustomEmailSender": sender, "KMSKeyID": key_arn}}
    may_update = {"Effect": "Allow", "Action": "cognito-idp:UpdateUserPool", "Resource": "*"}
    may_grant = {"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": key_arn}
    answers = [
        _refused(partial(account.client("cognito-idp", keys).update_user_pool, **change), "AccessDeniedException")
        for keys in (_who_may(account, may_update), _who_may(account, may_update, may_grant))
    ]
    return answers == [True, False]


def role_policy_keys(account: Account) -> bool:
    """Who may attach one policy to a role attaches it, and no other one."""
    cloud = account.cloud
    role_arn = make_role(cloud, {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}, trusts={"AWS": "*"})
    name, (mine, other) = (
        role_arn.rpartition("/")[2],
        (f"arn:aws:iam::aws:policy/{each}" for each in ("AWSIoTDataAccess", "AWSIoTConfigAccess")),
    )
    attach = {"Effect": "Allow", "Action": "iam:AttachRolePolicy", "Resource": role_arn}
    condition = {"ArnEquals": {"iam:PolicyARN": [mine]}}
    iam = account.client("iam", _who_may(account, attach | {"Condition": condition}))
    return not _refused(lambda: iam.attach_role_policy(RoleName=name, PolicyArn=mine), "AccessDenied") and _refused(
        lambda: iam.attach_role_policy(RoleName=name, PolicyArn=other), "AccessDenied"
    )


def policy_variables(account: Account) -> bool:
    """A role that allows its users' own identity ids lets each connect with theirs, and with no other's."""
    pool_id = account.make_identity_pool()
    own = account.arn("client/${cognito-identity.amazonaws.com:sub}")
    account.cloud.client("iam").put_role_policy(
        RoleName=account.authenticated_role(pool_id),
        PolicyName="allow",
        PolicyDocument=document({"Effect": "Allow", "Action": "iot:Connect", "Resource": own}),
    )
    users = [account.user(identity_pool_id=pool_id) for _ in range(2)]
    answers = []
    for user in users:
        account.attach(user.identity_id, ALLOW_IOT)
        for other in users:
            with websocket(account.cloud, user.credentials, Version.MQTT_5) as mqtt:
                answers.append(mqtt.connect(other.identity_id) == 0)
    return answers == [True, False, False, True]


def concurrency_permissions(account: Account) -> bool:
    """Who may read a function's reserved concurrency reads it."""
    function_arn = make_function(account.cloud, "def handler(event, context): return event")
    may_read = {"Effect": "Allow", "Action": "lambda:GetFunctionConcurrency", "Resource": function_arn}
    functions = account.client("lambda", _who_may(account, may_read))
    return not _refused(lambda: functions.get_function_concurrency(FunctionName=function_arn), "AccessDeniedException")


def account_settings_permissions(account: Account) -> bool:
    """Who may read Lambda's account settings reads them, and who may not does not."""
    code = "AccessDeniedException"
    may, may_not = (
        account.client("lambda", _who_may(account, {"Effect": "Allow", "Action": action, "Resource": "*"}))
        for action in ("lambda:GetAccountSettings", "lambda:GetFunction")
    )
    return not _refused(may.get_account_settings, code) and _refused(may_not.get_account_settings, code)


def log_group_permissions(account: Account) -> bool:
    """Who may describe every log group describes them, and who may describe one does not."""
    cloud = account.cloud
    group = f"arn:aws:logs:{cloud.region}:{cloud.account_id}:log-group:"
    statement = {"Effect": "Allow", "Action": "logs:DescribeLogGroups"}
    all_, one = (
        account.client("logs", _who_may(account, statement | {"Resource": f"{group}{name}"})) for name in ("*", "one:*")
    )
    code = "AccessDeniedException"
    return not _refused(lambda: all_.describe_log_groups(logGroupNamePrefix="one"), code) and _refused(
        lambda: one.describe_log_groups(logGroupNamePrefix="one"), code
    )


def rule_permissions(account: Account) -> bool:
    """Who may describe a rule and list its targets by its ARN does."""
    name = unique("rule")
    rule = account.cloud.client("events").put_rule(Name=name, ScheduleExpression="rate(1 day)")["RuleArn"]
    allow = {"Effect": "Allow", "Action": ["events:DescribeRule", "events:ListTargetsByRule"], "Resource": rule}
    events, code = account.client("events", _who_may(account, allow)), "AccessDeniedException"
    return not _refused(lambda: events.describe_rule(Name=name), code) and not _refused(
        lambda: events.list_targets_by_rule(Rule=name), code
    )


def policy_targets_permission(account: Account) -> bool:
    """Who may list the targets of one policy lists these, and no other policy's."""
    mine, other = unique("mine"), unique("other")
    for name in (mine, other):
        account.cloud.client("iot").create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    allow = {"Effect": "Allow", "Action": "iot:ListTargetsForPolicy", "Resource": account.arn(f"policy/{mine}")}
    iot, code = account.client("iot", _who_may(account, allow)), "AccessDeniedException"
    return not _refused(lambda: iot.list_targets_for_policy(policyName=mine), code) and _refused(
        lambda: iot.list_targets_for_policy(policyName=other), code
    )


def _who_may(account: Account, *statements: dict[str, Any]) -> Credentials:
    """Return the credentials of a role that may do this alone."""
    cloud = account.cloud
    root = {"AWS": f"arn:aws:iam::{cloud.account_id}:root"}
    role = make_role(cloud, *statements, trusts=root)
    answer = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="probe")["Credentials"]
    return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])


def policy_versions_limit(account: Account) -> bool:
    """A sixth version of a policy is refused."""
    iot, name = account.cloud.client("iot"), unique("policy")
    iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    for _ in range(4):
        iot.create_policy_version(policyName=name, policyDocument=document(ALLOW_IOT))
    return _refused(
        lambda: iot.create_policy_version(policyName=name, policyDocument=document(ALLOW_IOT)),
        "VersionsLimitExceededException",
    )


def failed_deletes(account: Account) -> bool:
    """What an IoT policy that is still attached depends on stays, directly or not, and goes when it is detached."""
    formation, iot, name = account.cloud.client("cloudformation"), account.cloud.client("iot"), unique("stack")
    target = f"{account.cloud.region}:{uuid.uuid4()}"

    def parameter(**fields: Any) -> dict[str, Any]:
        return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "value"}, **fields}

    properties = {"PolicyName": name, "PolicyDocument": json.loads(document(ALLOW_IOT))}
    resources = {
        "Far": parameter(),
        "Near": parameter(DependsOn="Far"),
        "Other": parameter(),
        "Policy": {"Type": "AWS::IoT::Policy", "Properties": properties, "DependsOn": "Near"},
        "Dependent": parameter(DependsOn="Policy"),
    }

    def status() -> str:
        return str(formation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"])

    stack_id = formation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))["StackId"]
    wait_until(lambda: status() == "CREATE_COMPLETE")
    iot.attach_policy(policyName=name, target=target)
    formation.delete_stack(StackName=name)
    wait_until(lambda: status().startswith("DELETE_") and status() != "DELETE_IN_PROGRESS")
    listed = formation.describe_stack_resources(StackName=stack_id)["StackResources"]
    left = {each["LogicalResourceId"]: each["ResourceStatus"] for each in listed}
    kept = {"Far": "CREATE_COMPLETE", "Near": "CREATE_COMPLETE", "Policy": "DELETE_FAILED"}
    if {each: status for each, status in left.items() if status != "DELETE_COMPLETE"} != kept:
        return False
    iot.detach_policy(policyName=name, target=target)
    formation.delete_stack(StackName=name)
    wait_until(lambda: status() == "DELETE_COMPLETE")
    return True


def stopped_executions(account: Account) -> bool:
    """An execution that was stopped takes no step when its task ends, well or badly."""
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


def invocations_under_way(account: Account) -> bool:
    """An invocation does not fail because its function is updated meanwhile."""
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


def state_machine_permissions(account: Account) -> bool:
    """A state machine does not invoke a function that its role may not."""
    function_arn = make_function(account.cloud, "def handler(event, context): return event")
    execution_arn = start(account.cloud, make_state_machine(account.cloud, invoke(function_arn), ALLOW_IOT))
    return bool(outcome(account.cloud, execution_arn)["status"] == "FAILED")


def signed_upgrade(account: Account) -> bool:
    """An unsigned WebSocket upgrade is refused."""
    try:
        with websocket(account.cloud, None):
            return False
    except InvalidStatus as refusal:
        return refusal.response.status_code == 403


def iot_policies(account: Account) -> bool:
    """An authenticated identity without an attached policy cannot connect, though its role allows it."""
    with websocket(account.cloud, account.user().credentials) as mqtt:
        return mqtt.connect(unique("client")) is None


def test_authorization(account: Account) -> bool:
    """What an identity may do can be asked, with the identity pool's role and without it."""
    identity_id = f"{account.cloud.region}:{uuid.uuid4()}"
    account.attach(identity_id, ALLOW_IOT)
    pool_id = account.make_identity_pool()
    nothing = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    account.cloud.client("iam").put_role_policy(
        RoleName=account.authenticated_role(pool_id), PolicyName="allow", PolicyDocument=nothing
    )
    asked: Any = {
        "principal": identity_id,
        "authInfos": [{"actionType": "CONNECT", "resources": [account.arn("client/probe")]}],
    }
    iot = account.cloud.client("iot")
    try:
        (alone,) = iot.test_authorization(**asked)["authResults"]
        (with_role,) = iot.test_authorization(**asked, cognitoIdentityPoolId=pool_id)["authResults"]
    except ClientError:
        return False
    return bool((alone["authDecision"], with_role["authDecision"]) == ("ALLOWED", "IMPLICIT_DENY"))


# It is named as the operation is, and no test.
test_authorization.__test__ = False  # type: ignore[attr-defined]


def mqtt31(account: Account) -> bool:
    """A client of MQTT 3.1 connects."""
    user = account.user()
    account.attach(user.identity_id, ALLOW_IOT)
    with websocket(account.cloud, user.credentials, Version.MQTT_31) as mqtt:
        return mqtt.connect(unique("client")) == 0


def resubscribe(account: Account) -> bool:
    """Who subscribes twice gets a message once."""
    user, topic = account.user(), unique("topic")
    account.attach(user.identity_id, ALLOW_IOT)
    with connected(account.cloud, user.credentials, unique("client")) as mqtt:
        assert mqtt.subscribe(topic) == 0
        assert mqtt.subscribe(topic) == 0
        mqtt.publish(topic)
        return mqtt.message() is not None and mqtt.message() is None


def guest_access(account: Account) -> bool:
    """An identity pool without guests gives no identity id without a login."""
    identity = account.cloud.client("cognito-identity")
    return _refused(lambda: identity.get_id(IdentityPoolId=account.identity_pool_id), "NotAuthorizedException")


def delete_identities(account: Account) -> bool:
    """A deleted identity is gone."""
    identity = account.cloud.client("cognito-identity")
    identity_id = account.user().identity_id
    if _refused(lambda: identity.delete_identities(IdentityIdsToDelete=[identity_id]), "InvalidAction"):
        return False
    return _refused(lambda: identity.describe_identity(IdentityId=identity_id), "ResourceNotFoundException")


def identity_pages(account: Account) -> bool:
    """A page that does not hold all identities has a token."""
    identity = account.cloud.client("cognito-identity")
    for _ in range(2):
        account.guest()
    return "NextToken" in identity.list_identities(IdentityPoolId=account.guest_identity_pool_id, MaxResults=1)


def target_pages(account: Account) -> bool:
    """A page that does not hold all targets has a marker."""
    iot, name = account.cloud.client("iot"), unique("policy")
    iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
    for _ in range(2):
        iot.attach_policy(policyName=name, target=f"{account.cloud.region}:{uuid.uuid4()}")
    return "nextMarker" in iot.list_targets_for_policy(policyName=name, pageSize=1)


def update_group(account: Account) -> bool:
    """A group's role can be changed."""
    idp = account.cloud.client("cognito-idp")
    group = {"UserPoolId": account.user_pool_id, "GroupName": unique("group")}
    idp.create_group(**group)
    if _refused(lambda: idp.update_group(**group, Precedence=7), "InvalidAction"):
        return False
    return bool(idp.get_group(**group)["Group"]["Precedence"] == 7)


def user_pool_attributes(account: Account) -> bool:
    """An update that leaves a custom attribute out fails."""
    formation, name = account.cloud.client("cloudformation"), unique("stack")
    pool: dict[str, Any] = {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": unique("users")}}
    attribute = {"Name": "color", "AttributeDataType": "String", "Mutable": True}
    with_attribute = pool | {"Properties": pool["Properties"] | {"Schema": [attribute]}}
    formation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Pool": with_attribute}}))
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=_OFTEN)
    formation.update_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Pool": pool}}))
    with suppress(WaiterError):
        formation.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig=_OFTEN)
    return bool(formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE")


def user_attributes(account: Account) -> bool:
    """A user gets no attribute that the pool lacks, and no value that is too long for one that it has."""
    attribute = {
        "Name": "color",
        "AttributeDataType": "String",
        "Mutable": True,
        "StringAttributeConstraints": {"MinLength": "0", "MaxLength": "5"},
    }
    users = account.cloud.client("cognito-idp")
    pool_id, _ = make_user_pool(account.cloud, {"Schema": [attribute]})
    name = make_user(account.cloud, pool_id)
    given = [("custom:colour", "green"), ("custom:color", "purple"), ("custom:color", "green")]
    update = partial(users.admin_update_user_attributes, UserPoolId=pool_id, Username=name)
    return [
        _refused(partial(update, UserAttributes=[{"Name": each, "Value": value}]), "InvalidParameterException")
        for each, value in given
    ] == [True, True, False]


def pool_defaults(account: Account) -> bool:
    """An update resets what it is not given, of a user pool and of an identity pool, but no user pool's policies."""
    users, identities = account.cloud.client("cognito-idp"), account.cloud.client("cognito-identity")
    policies = {"PasswordPolicy": {"MinimumLength": 20}}
    pool_id, _ = make_user_pool(account.cloud, {"AutoVerifiedAttributes": ["email"], "Policies": policies})
    users.update_user_pool(UserPoolId=pool_id, UserPoolTags={"team": "probe"})
    user_pool = users.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    identity_pool_id = account.make_identity_pool()
    identities.update_identity_pool(
        IdentityPoolId=identity_pool_id, IdentityPoolName="renamed", AllowUnauthenticatedIdentities=False
    )
    identity_pool = identities.describe_identity_pool(IdentityPoolId=identity_pool_id)
    return (
        not user_pool.get("AutoVerifiedAttributes")
        and user_pool["Policies"]["PasswordPolicy"]["MinimumLength"] == 20
        and not identity_pool.get("CognitoIdentityProviders")
    )


def system_tags(account: Account) -> bool:
    """A pool that CloudFormation has made keeps CloudFormation's tags."""
    formation, name, users = (
        account.cloud.client("cloudformation"),
        unique("stack"),
        account.cloud.client("cognito-idp"),
    )
    pool = {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": unique("users")}}
    formation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Pool": pool}}))
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=_OFTEN)
    resource = formation.describe_stack_resource(StackName=name, LogicalResourceId="Pool")["StackResourceDetail"]
    pool_id = resource["PhysicalResourceId"]
    users.update_user_pool(UserPoolId=pool_id, UserPoolTags={"team": "probe"})
    tags = users.describe_user_pool(UserPoolId=pool_id)["UserPool"]["UserPoolTags"]
    return bool(tags.keys() > {"team"})


def group_roles(account: Account) -> bool:
    """A user of a group gets credentials of the group's role, where the identity pool maps roles by token."""
    group = account.make_group()
    pool_id = account.make_identity_pool({"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"})
    user = account.user(groups=[group.name], identity_pool_id=pool_id)
    return account.role_of(user) == group.role


def role_trust(account: Account) -> bool:
    """An identity whose role trusts another service gets no credentials."""
    pool_id = account.make_identity_pool()
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    account.cloud.client("iam").update_assume_role_policy(
        RoleName=account.authenticated_role(pool_id), PolicyDocument=document(trust)
    )
    return _refused(lambda: account.user(identity_pool_id=pool_id), "InvalidIdentityPoolConfigurationException")


def token_check(account: Account) -> bool:
    """A user who has signed out everywhere gets no credentials where the identity pool checks tokens."""
    identity, idp = account.cloud.client("cognito-identity"), account.cloud.client("cognito-idp")
    pool_id = account.make_identity_pool(checks_tokens=True)
    name = make_user(account.cloud, account.user_pool_id)
    logins = {account.provider_name: sign_in(account.cloud, account.client_id, name)["IdToken"]}
    identity_id = identity.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
    idp.admin_user_global_sign_out(UserPoolId=account.user_pool_id, Username=name)
    return _refused(
        lambda: identity.get_credentials_for_identity(IdentityId=identity_id, Logins=logins), "NotAuthorizedException"
    )


def attached_policies_limit(account: Account) -> bool:
    """An eleventh policy is not attached until another one goes; those that are attached count for their identity."""
    iot, identity_id = account.cloud.client("iot"), f"{account.cloud.region}:{uuid.uuid4()}"
    names = [unique("policy") for _ in range(10)]
    for name in names:
        iot.create_policy(policyName=name, policyDocument=document(ALLOW_IOT))
        iot.attach_policy(policyName=name, target=identity_id)
    if not _refused(lambda: account.attach(identity_id, ALLOW_IOT), "LimitExceededException"):
        return False
    iot.attach_policy(policyName=names[0], target=identity_id)
    account.attach(f"{account.cloud.region}:{uuid.uuid4()}", ALLOW_IOT)
    iot.detach_policy(policyName=names[0], target=identity_id)
    account.attach(identity_id, ALLOW_IOT)
    return True


def identity_things(account: Account) -> bool:
    """A thing that an identity was attached to is listed for it, and the identity for the thing."""
    iot, name = account.cloud.client("iot"), unique("thing")
    identity_id = f"{account.cloud.region}:{uuid.uuid4()}"
    iot.create_thing(thingName=name)
    try:
        iot.attach_thing_principal(thingName=name, principal=identity_id)
        things = iot.list_principal_things(principal=identity_id)["things"]
    except ClientError:
        return False
    return bool(things == [name] and iot.list_thing_principals(thingName=name)["principals"] == [identity_id])


def client_attributes(account: Account) -> bool:
    """A user who signs up cannot set an attribute that the app client may not write."""
    _, client_id = make_user_pool(account.cloud, client={"WriteAttributes": ["email"]})
    return _refused(
        lambda: account.cloud.client("cognito-idp").sign_up(
            ClientId=client_id,
            Username=unique("user"),
            Password=PASSWORD,
            UserAttributes=[{"Name": "nickname", "Value": "ada"}],
        ),
        "NotAuthorizedException",
    )


def case_insensitive_names(account: Account) -> bool:
    """A user pool that is not case sensitive finds a user in another case."""
    pool = Pool(account.cloud, UsernameConfiguration={"CaseSensitive": False})
    name = pool.user()
    return not _refused(lambda: pool.give_password(name.upper()), "UserNotFoundException")


def custom_sign_in(account: Account) -> bool:
    """A user with a temporary password gets no tokens by custom authentication."""
    pool = Pool(account.cloud)
    name = pool.user_with_temporary_password()
    return "AuthenticationResult" not in pool.answer(pool.start_challenge(name), name, ANSWER="yes")


def user_not_found(account: Account) -> bool:
    """An app client that does not tell who exists challenges somebody who does not."""
    pool = Pool(account.cloud)
    client_id = pool.add_client(PreventUserExistenceErrors="ENABLED")
    return not _refused(lambda: pool.start_challenge("nobody", client_id), "UserNotFoundException")


def choice_sign_in(account: Account) -> bool:
    """An app client that allows choice-based sign-in says which challenges a user can choose."""
    pool = Pool(account.cloud)
    client_id = make_app_client(account.cloud, pool.user_pool_id, ExplicitAuthFlows=["ALLOW_USER_AUTH"])
    asked = {"ClientId": client_id, "AuthFlow": "USER_AUTH", "AuthParameters": {"USERNAME": pool.user()}}
    try:
        answer = pool.idp.initiate_auth(**asked)
    except pool.idp.exceptions.InvalidParameterException:
        return False
    return {*answer["AvailableChallenges"]} == {"PASSWORD", "PASSWORD_SRP"}


def custom_auth_triggers(account: Account) -> bool:
    """A pool without challenge triggers refuses custom authentication, and says why."""
    flows = {"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"]}
    pool_id, client_id = make_user_pool(account.cloud, client=flows)
    name = make_user(account.cloud, pool_id)
    return _refused(
        lambda: account.cloud.client("cognito-idp").admin_initiate_auth(
            UserPoolId=pool_id, ClientId=client_id, AuthFlow="CUSTOM_AUTH", AuthParameters={"USERNAME": name}
        ),
        "InvalidParameterException",
    )


def challenge_sessions(account: Account) -> bool:
    """Nobody sets a new password without the session that Cognito gave for the temporary one."""
    pool = Pool(account.cloud)
    name = pool.user_with_temporary_password()
    forged = {"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "x" * 40}
    return _refused(lambda: pool.answer(forged, name, NEW_PASSWORD=f"{PASSWORD}-new"), "NotAuthorizedException")


def mfa(account: Account) -> bool:
    """A one-time password that the user has not set up cannot be turned on."""
    pool = Pool(account.cloud)
    return _refused(
        lambda: pool.idp.admin_set_user_mfa_preference(
            UserPoolId=pool.user_pool_id, Username=pool.user(), SoftwareTokenMfaSettings={"Enabled": True}
        ),
        "InvalidParameterException",
    )


def post_authentication(account: Account) -> bool:
    """The trigger is called at sign-in: without permission it fails, and one that is too late is called again."""
    cloud = account.cloud
    function_arn = make_function(cloud, "def handler(event, context): return event")
    pool_id, client_id = make_user_pool(cloud, {"LambdaConfig": {"PostAuthentication": function_arn}})
    name = make_user(cloud, pool_id)
    if not _refused(lambda: sign_in(cloud, client_id, name), "UnexpectedLambdaException"):
        return False
    with TemporaryDirectory() as directory, cloud.trigger_timeout(_TRIGGER_SECONDS):
        called = Path(directory) / "called"
        tokens = Pool(cloud, too_late_once(called, _TRIGGER_SECONDS + 1)).sign_in()
        return "IdToken" in tokens and called.read_text().splitlines() == ["called", "called"]


def pre_authentication(account: Account) -> bool:
    """The trigger is called when a custom sign-in begins, and its error refuses it."""
    refusing = "def handler(event, context): raise ValueError('an unknown app client')"
    pool = Pool(account.cloud, pre_authentication=refusing)
    return _refused(lambda: pool.start_challenge(pool.user()), "UserLambdaValidationException")


def _refused(call: Callable[[], object], code: str) -> bool:
    try:
        call()
    except ClientError as error:
        return bool(error.response["Error"]["Code"] == code)
    return False


PROBES: dict[str, tuple[Callable[[Account], bool], ...]] = {
    "iam_policies": (
        https,
        managed_policies,
        policy_variables,
        denial_reason,
    ),
    "simulated_policies": (simulated_policies,),
    "mqtt": (
        signed_upgrade,
        mqtt31,
        resubscribe,
    ),
    "iot_policies": (iot_policies,),
    "test_authorization": (test_authorization,),
    "iot_limits": (
        attached_policies_limit,
        policy_versions_limit,
    ),
    "identity_things": (identity_things,),
    "target_pages": (target_pages,),
    "identities": (
        delete_identities,
        identity_pages,
    ),
    "pool_updates": (
        update_group,
        pool_defaults,
        system_tags,
    ),
    "user_attributes": (user_attributes,),
    "group_roles": (group_roles,),
    "identity_credentials": (
        guest_access,
        role_trust,
        token_check,
    ),
    "client_attributes": (client_attributes,),
    "case_insensitive_names": (case_insensitive_names,),
    "custom_sign_in": (
        custom_sign_in,
        custom_auth_triggers,
    ),
    "user_not_found": (user_not_found,),
    "choice_sign_in": (choice_sign_in,),
    "challenge_sessions": (challenge_sessions,),
    "mfa": (mfa,),
    "authentication_triggers": (
        post_authentication,
        pre_authentication,
    ),
    "functions": (
        function_logs,
        invocations_under_way,
        prompt_answers,
        node_lambda_client,
    ),
    "http_api": (
        http_api_refusals,
        http_api_cors,
    ),
    "permissions": (
        batch_permissions,
        parameter_permissions,
        role_policy_keys,
        concurrency_permissions,
        account_settings_permissions,
        log_group_permissions,
        rule_permissions,
        policy_targets_permission,
    ),
    "further_permissions": (
        pass_role,
        custom_sender_key,
    ),
    "cloudformation": (
        role_boundary,
        user_pool_attributes,
        metric_math_alarms,
        failed_deletes,
    ),
    "state_machines": (
        stopped_executions,
        state_machine_permissions,
    ),
}
