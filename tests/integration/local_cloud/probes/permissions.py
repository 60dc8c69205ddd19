"""Probes of IAM: how policies are evaluated, and which permissions a request needs."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from tests.integration.local_cloud.account import (
    ALLOW_IOT,
    ECHO,
    Account,
    allow,
    document,
    fails_with,
    make_function,
    make_iot_policy,
    make_policy,
    make_role,
    make_user_pool,
    unique,
)
from tests.integration.local_cloud.mqtt import Version, websocket

_DENIED = "AccessDeniedException"


def https(account: Account) -> bool:
    """A bucket that denies plain HTTP answers."""
    s3, bucket = account.cloud.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket)
    deny_http = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=document(deny_http))
    reader = account.client_that_may("s3", allow("s3:*"))
    return not fails_with(lambda: reader.list_objects_v2(Bucket=bucket), "AccessDenied")


def managed_policies(account: Account) -> bool:
    """AWSIoTDataAccess is the policy that AWS publishes."""
    iam = account.cloud.client("iam")
    arn = "arn:aws:iam::aws:policy/AWSIoTDataAccess"
    try:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    except iam.exceptions.NoSuchEntityException:
        return False
    policy: Any = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    (statement,) = policy["Statement"]
    return "iot:Connect" in statement["Action"] and "iot:RetainPublish" not in statement["Action"]


def policy_variables(account: Account) -> bool:
    """A role that allows each user's own identity id lets users connect with theirs, and not with another."""
    pool_id = account.make_identity_pool()
    own = account.arn("client/${cognito-identity.amazonaws.com:sub}")
    account.cloud.client("iam").put_role_policy(
        RoleName=account.authenticated_role(pool_id),
        PolicyName="allow",
        PolicyDocument=document(allow("iot:Connect", own)),
    )
    users = [account.user(identity_pool_id=pool_id) for _ in range(2)]
    answers = []
    for user in users:
        account.attach(user.identity_id, ALLOW_IOT)
        for other in users:
            with websocket(account.cloud, user.credentials, Version.MQTT_5) as mqtt:
                answers.append(mqtt.connect(other.identity_id) == 0)
    return answers == [True, False, False, True]


def denial_reason(account: Account) -> bool:
    """A denial by a permissions boundary names the boundary."""
    iot = account.client_that_may("iot", ALLOW_IOT, boundary=make_policy(account.cloud, allow("s3:*")))
    try:
        iot.list_policies()
    except ClientError as error:
        return "because no permissions boundary allows" in str(error)
    return False


def simulated_policies(account: Account) -> bool:
    """A simulation of a role's policies considers its permissions boundary."""
    boundary = make_policy(account.cloud, allow("s3:*"))
    role = make_role(account.cloud, ALLOW_IOT, trusts={"Service": "lambda.amazonaws.com"}, boundary=boundary)
    answer = account.cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["iot:Connect"], ResourceArns=[account.arn("client/probe")]
    )
    (result,) = answer["EvaluationResults"]
    return bool(result["EvalDecision"] == "implicitDeny")


def batch_permissions(account: Account) -> bool:
    """The permission to send a message covers batches."""
    queue = account.cloud.client("sqs").create_queue(QueueName=unique("queue"))["QueueUrl"]
    sqs = account.client_that_may("sqs", allow("sqs:SendMessage"))
    batch = {"QueueUrl": queue, "Entries": [{"Id": "1", "MessageBody": "message"}]}
    return not fails_with(lambda: sqs.send_message_batch(**batch), "AccessDenied")


def parameter_permissions(account: Account) -> bool:
    """Reading several parameters needs the permission for each."""
    cloud = account.cloud
    mine, other = unique("/probe/mine"), unique("/probe/other")
    for name in (mine, other):
        cloud.client("ssm").put_parameter(Name=name, Value="value", Type="String")
    arn = f"arn:aws:ssm:{cloud.region}:{cloud.account_id}:parameter{mine}"
    ssm = account.client_that_may("ssm", allow("ssm:GetParameters", arn))
    return not fails_with(lambda: ssm.get_parameters(Names=[mine]), _DENIED) and fails_with(
        lambda: ssm.get_parameters(Names=[mine, other]), _DENIED
    )


def role_policy_keys(account: Account) -> bool:
    """The condition ``iam:PolicyARN`` limits which policies may be attached to a role."""
    role_arn = make_role(account.cloud, allow("iot:Connect"), trusts={"AWS": "*"})
    name = role_arn.rpartition("/")[2]
    mine, other = (f"arn:aws:iam::aws:policy/{each}" for each in ("AWSIoTDataAccess", "AWSIoTConfigAccess"))
    condition = {"Condition": {"ArnEquals": {"iam:PolicyARN": [mine]}}}
    iam = account.client_that_may("iam", allow("iam:AttachRolePolicy", role_arn) | condition)
    return not fails_with(lambda: iam.attach_role_policy(RoleName=name, PolicyArn=mine), "AccessDenied") and fails_with(
        lambda: iam.attach_role_policy(RoleName=name, PolicyArn=other), "AccessDenied"
    )


def concurrency_permissions(account: Account) -> bool:
    """Reading a function's reserved concurrency has a permission of its own."""
    function_arn = make_function(account.cloud, ECHO)
    functions = account.client_that_may("lambda", allow("lambda:GetFunctionConcurrency", function_arn))
    return not fails_with(lambda: functions.get_function_concurrency(FunctionName=function_arn), _DENIED)


def account_settings_permissions(account: Account) -> bool:
    """Reading Lambda's account settings needs a permission."""
    may, may_not = (
        account.client_that_may("lambda", allow(action)).get_account_settings
        for action in ("lambda:GetAccountSettings", "lambda:GetFunction")
    )
    return not fails_with(may, _DENIED) and fails_with(may_not, _DENIED)


def log_group_permissions(account: Account) -> bool:
    """Describing log groups needs the permission for all log groups."""
    group = f"arn:aws:logs:{account.cloud.region}:{account.cloud.account_id}:log-group:"
    all_, one = (
        account.client_that_may("logs", allow("logs:DescribeLogGroups", f"{group}{name}")) for name in ("*", "one:*")
    )
    return not fails_with(lambda: all_.describe_log_groups(logGroupNamePrefix="one"), _DENIED) and fails_with(
        lambda: one.describe_log_groups(logGroupNamePrefix="one"), _DENIED
    )


def rule_permissions(account: Account) -> bool:
    """Describing a rule and listing its targets are authorized on the rule's ARN."""
    name = unique("rule")
    rule = account.cloud.client("events").put_rule(Name=name, ScheduleExpression="rate(1 day)")["RuleArn"]
    events = account.client_that_may("events", allow(["events:DescribeRule", "events:ListTargetsByRule"], rule))
    return not fails_with(lambda: events.describe_rule(Name=name), _DENIED) and not fails_with(
        lambda: events.list_targets_by_rule(Rule=name), _DENIED
    )


def policy_targets_permission(account: Account) -> bool:
    """Listing the targets of a policy is authorized on the policy."""
    mine, other = (make_iot_policy(account.cloud, ALLOW_IOT) for _ in range(2))
    iot = account.client_that_may("iot", allow("iot:ListTargetsForPolicy", account.arn(f"policy/{mine}")))
    return not fails_with(lambda: iot.list_targets_for_policy(policyName=mine), _DENIED) and fails_with(
        lambda: iot.list_targets_for_policy(policyName=other), _DENIED
    )


def pass_role(account: Account) -> bool:
    """Updating a user pool that sends SMS needs the permission to pass its role to Cognito."""
    sms_role = make_role(account.cloud, ALLOW_IOT, trusts={"Service": "cognito-idp.amazonaws.com"})
    pool_id, _ = make_user_pool(account.cloud)
    may_update, may_pass = allow("cognito-idp:UpdateUserPool"), allow("iam:PassRole", sms_role)

    def may(*statements: dict[str, Any]) -> bool:
        update = account.client_that_may("cognito-idp", may_update, *statements).update_user_pool
        change = {"UserPoolId": pool_id, "SmsConfiguration": {"SnsCallerArn": sms_role}}
        return not fails_with(lambda: update(**change), _DENIED)

    def to(service: str) -> dict[str, Any]:
        return may_pass | {"Condition": {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}}

    return (may(), may(to("lambda")), may(to("cognito-idp"))) == (False, False, True)


def custom_sender_key(account: Account) -> bool:
    """Giving a user pool custom senders needs the permission to create a grant of their key."""
    key_arn = account.cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    pool_id, _ = make_user_pool(account.cloud)
    sender = {"LambdaVersion": "V1_0", "LambdaArn": "arn:aws:lambda:us-east-1:000000000000:function:sender"}

    def may(*statements: dict[str, Any]) -> bool:
        users = account.client_that_may("cognito-idp", allow("cognito-idp:UpdateUserPool"), *statements)
        config = {"CustomEmailSender": sender, "KMSKeyID": key_arn}
        return not fails_with(lambda: users.update_user_pool(UserPoolId=pool_id, LambdaConfig=config), _DENIED)

    return (may(), may(allow("kms:CreateGrant", key_arn))) == (False, True)
