"""One question for each behaviour: does this cloud do as AWS does? Named as the behaviour is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus

from tests.integration.local_cloud.account import (
    ALLOW_IOT,
    PASSWORD,
    Credentials,
    document,
    make_function,
    make_role,
    make_user,
    make_user_pool,
    sign_in,
    unique,
)
from tests.integration.local_cloud.mqtt import Version, websocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.local_cloud.account import Account


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
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
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


def function_logs(account: Account) -> bool:
    """A function whose role may not make a log group does not."""
    cloud = account.cloud
    function_arn = make_function(cloud, "def handler(event, context): return event")
    cloud.client("lambda").invoke(FunctionName=function_arn, Payload=b"{}")
    group = f"/aws/lambda/{function_arn.rpartition(':')[2]}"
    return not cloud.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]


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


def mqtt31(account: Account) -> bool:
    """A client of MQTT 3.1 connects."""
    user = account.user()
    account.attach(user.identity_id, ALLOW_IOT)
    with websocket(account.cloud, user.credentials, Version.MQTT_31) as mqtt:
        return mqtt.connect(unique("client")) == 0


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


def post_authentication(account: Account) -> bool:
    """The trigger is called at sign-in: one that Cognito may not invoke fails it."""
    cloud = account.cloud
    function_arn = make_function(cloud, "def handler(event, context): return event")
    pool_id, client_id = make_user_pool(cloud, {"LambdaConfig": {"PostAuthentication": function_arn}})
    name = make_user(cloud, pool_id)
    return _refused(lambda: sign_in(cloud, client_id, name), "UnexpectedLambdaException")


def _refused(call: Callable[[], object], code: str) -> bool:
    try:
        call()
    except ClientError as error:
        return bool(error.response["Error"]["Code"] == code)
    return False


PROBES: dict[str, Callable[[Account], bool]] = {
    probe.__name__: probe
    for probe in (
        https,
        managed_policies,
        role_boundary,
        denial_reason,
        function_logs,
        signed_upgrade,
        iot_policies,
        mqtt31,
        guest_access,
        delete_identities,
        client_attributes,
        post_authentication,
    )
}
