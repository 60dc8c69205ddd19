"""Users, identities, roles and functions for the tests of the local cloud, created with boto3."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local_cloud.process import LocalCloud

PASSWORD = "Correct-horse-1"
ALLOW_IOT = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
ECHO = """
def handler(event, context):
    return event
"""
OFTEN: Any = {"Delay": 0.1, "MaxAttempts": 200}
"""How often a waiter polls."""


@dataclass(frozen=True)
class Credentials:
    """Credentials of an identity or a role, or long-term keys without a session token."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of long-term keys."""
        return {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}


@dataclass(frozen=True)
class Identity:
    """An identity of an identity pool and its credentials."""

    identity_id: str
    credentials: Credentials


@dataclass(frozen=True)
class Group:
    """A group of the user pool."""

    name: str
    role_arn: str

    @property
    def role(self) -> str:
        """The name of its role."""
        return self.role_arn.rpartition("/")[2]


@dataclass(frozen=True)
class Account:
    """A user pool with an app client, and an identity pool with and one without guests."""

    cloud: LocalCloud
    user_pool_id: str
    client_id: str
    identity_pool_id: str = ""
    guest_identity_pool_id: str = ""

    @classmethod
    def on(cls, cloud: LocalCloud) -> Self:
        """Create the user pool and the identity pools."""
        account = cls(cloud, *make_user_pool(cloud))
        pools = account.make_identity_pool(), account.make_identity_pool(allows_guests=True)
        return replace(account, identity_pool_id=pools[0], guest_identity_pool_id=pools[1])

    def client(self, service: str, credentials: Credentials) -> Any:
        """Return a boto3 client with an identity's credentials."""
        return client_with(self.cloud, service, credentials)

    def client_that_may(self, service: str, *statements: dict[str, Any], boundary: str | None = None) -> Any:
        """Return a boto3 client whose role has only these permissions."""
        root = {"AWS": f"arn:aws:iam::{self.cloud.account_id}:root"}
        role = make_role(self.cloud, *statements, trusts=root, boundary=boundary)
        answer = self.cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        keys = Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        return self.client(service, keys)

    @property
    def provider_name(self) -> str:
        """The user pool's name among an identity pool's logins."""
        return f"cognito-idp.{self.cloud.region}.amazonaws.com/{self.user_pool_id}"

    def user(self, *, groups: Sequence[str] = (), identity_pool_id: str | None = None) -> Identity:
        """Create a user, sign it in, and return its identity."""
        name = make_user(self.cloud, self.user_pool_id)
        for group in groups:
            self.cloud.client("cognito-idp").admin_add_user_to_group(
                UserPoolId=self.user_pool_id, Username=name, GroupName=group
            )
        logins = {self.provider_name: sign_in(self.cloud, self.client_id, name)["IdToken"]}
        return self._identity(identity_pool_id or self.identity_pool_id, logins)

    def make_group(self, precedence: int | None = None) -> Group:
        """Create a group of the user pool with its own role."""
        role = make_role(self.cloud, ALLOW_IOT, trusts={"Federated": "cognito-identity.amazonaws.com"})
        name = unique("group")
        order = {} if precedence is None else {"Precedence": precedence}
        self.cloud.client("cognito-idp").create_group(
            UserPoolId=self.user_pool_id, GroupName=name, RoleArn=role, **order
        )
        return Group(name, role)

    def make_identity_pool(
        self, mapping: dict[str, Any] | None = None, *, checks_tokens: bool = False, allows_guests: bool = False
    ) -> str:
        """Create an identity pool for the user pool, with a role mapping if given, and return its id."""
        provider = {
            "ProviderName": self.provider_name,
            "ClientId": self.client_id,
            "ServerSideTokenCheck": checks_tokens,
        }
        identity_pools = self.cloud.client("cognito-identity")
        pool_id = identity_pools.create_identity_pool(
            IdentityPoolName=unique("pool"),
            AllowUnauthenticatedIdentities=allows_guests,
            CognitoIdentityProviders=[provider],
        )["IdentityPoolId"]
        role = make_role(self.cloud, ALLOW_IOT, trusts={"Federated": "cognito-identity.amazonaws.com"})
        identity_pools.set_identity_pool_roles(
            IdentityPoolId=pool_id,
            Roles=dict.fromkeys(("authenticated", "unauthenticated") if allows_guests else ("authenticated",), role),
            RoleMappings={f"{self.provider_name}:{self.client_id}": mapping} if mapping else {},
        )
        return str(pool_id)

    def authenticated_role(self, identity_pool_id: str) -> str:
        """Return the name of an identity pool's authenticated role."""
        roles = self.cloud.client("cognito-identity").get_identity_pool_roles(IdentityPoolId=identity_pool_id)["Roles"]
        return str(roles["authenticated"]).rpartition("/")[2]

    def role_of(self, identity: Identity) -> str:
        """Return the name of the role of an identity's credentials, according to STS."""
        arn = self.client("sts", identity.credentials).get_caller_identity()["Arn"]
        return str(arn).split("/")[1]

    def guest(self) -> Identity:
        """Create a guest and return its identity."""
        return self._identity(self.guest_identity_pool_id, {})

    def _identity(self, identity_pool_id: str, logins: dict[str, str]) -> Identity:
        identity = self.cloud.client("cognito-identity")
        identity_id = identity.get_id(IdentityPoolId=identity_pool_id, Logins=logins)["IdentityId"]
        answer = identity.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]
        credentials = Credentials(answer["AccessKeyId"], answer["SecretKey"], answer["SessionToken"])
        return Identity(identity_id, credentials)

    def attach(self, identity_id: str, *statements: dict[str, Any]) -> str:
        """Attach a new policy with these statements to an identity id, and return the policy's name."""
        return make_iot_policy(self.cloud, *statements, targets=[identity_id])

    def arn(self, resource: str) -> str:
        """Return the ARN of an IoT resource such as ``topic/orders``."""
        return f"arn:aws:iot:{self.cloud.region}:{self.cloud.account_id}:{resource}"


def unique(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:12]}"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def fails_with(call: Callable[[], object], code: str) -> bool:
    """Return whether a call raises an AWS error with this code."""
    try:
        call()
    except ClientError as error:
        return bool(error.response["Error"]["Code"] == code)
    return False


def make_stack(cloud: LocalCloud, **resources: dict[str, Any]) -> str:
    """Create a stack of these resources and return its id."""
    formation, name = cloud.client("cloudformation"), unique("stack")
    template = json.dumps({"Resources": resources})
    stack = formation.create_stack(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=OFTEN)
    return str(stack["StackId"])


def physical_id(cloud: LocalCloud, stack: str, logical_id: str) -> str:
    resource = cloud.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
    return str(resource["StackResourceDetail"]["PhysicalResourceId"])


def client_with(cloud: LocalCloud, service: str, credentials: Credentials) -> Any:
    """Return a boto3 client with these credentials."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        region_name=cloud.region,
        endpoint_url=cloud.endpoint_url,
        config=Config(proxies={}),
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
    )


def make_iam_user(cloud: LocalCloud, *statements: dict[str, Any]) -> Credentials:
    """Create an IAM user with these permissions and return its keys."""
    iam, name = cloud.client("iam"), unique("user")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"], "")


def make_iot_policy(cloud: LocalCloud, *statements: dict[str, Any], targets: Iterable[str] = ()) -> str:
    """Create an IoT policy, attach it to the targets, and return its name."""
    iot, name = cloud.client("iot"), unique("policy")
    iot.create_policy(policyName=name, policyDocument=document(*statements))
    for target in targets:
        iot.attach_policy(policyName=name, target=target)
    return name


def make_policy(cloud: LocalCloud, *statements: dict[str, Any]) -> str:
    """Create an IAM policy and return its ARN."""
    policy = cloud.client("iam").create_policy(PolicyName=unique("policy"), PolicyDocument=document(*statements))
    return str(policy["Policy"]["Arn"])


def make_role(
    cloud: LocalCloud, *statements: dict[str, Any], trusts: dict[str, str], boundary: str | None = None
) -> str:
    """Create a role with these statements and return its ARN."""
    iam = cloud.client("iam")
    name = unique("role")
    action = "sts:AssumeRoleWithWebIdentity" if "Federated" in trusts else "sts:AssumeRole"
    trust = document({"Effect": "Allow", "Principal": trusts, "Action": action})
    boundary_argument = {"PermissionsBoundary": boundary} if boundary else {}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **boundary_argument)["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=document(*statements))
    return str(role["Arn"])


def make_user_pool(
    cloud: LocalCloud, pool: dict[str, Any] | None = None, client: dict[str, Any] | None = None
) -> tuple[str, str]:
    """Create a user pool with an app client for passwords and return their ids."""
    idp = cloud.client("cognito-idp")
    user_pool_id = idp.create_user_pool(PoolName=unique("users"), **(pool or {}))["UserPool"]["Id"]
    return user_pool_id, make_app_client(cloud, user_pool_id, **(client or {}))


def make_app_client(cloud: LocalCloud, user_pool_id: str, **settings: Any) -> str:
    settings.setdefault("ExplicitAuthFlows", ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])
    client = cloud.client("cognito-idp").create_user_pool_client(
        UserPoolId=user_pool_id, ClientName=unique("client"), **settings
    )
    return str(client["UserPoolClient"]["ClientId"])


def make_user(cloud: LocalCloud, user_pool_id: str, **attributes: str) -> str:
    """Create a user with the password of all tests and return its name."""
    idp = cloud.client("cognito-idp")
    name = unique("user")
    idp.admin_create_user(
        UserPoolId=user_pool_id,
        Username=name,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": each, "Value": value} for each, value in attributes.items()],
    )
    idp.admin_set_user_password(UserPoolId=user_pool_id, Username=name, Password=PASSWORD, Permanent=True)
    return name


def sign_in(cloud: LocalCloud, client_id: str, name: str, **settings: Any) -> dict[str, str]:
    """Sign a user in by password and return its tokens."""
    answer = cloud.client("cognito-idp").initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
        **settings,
    )
    return dict(answer["AuthenticationResult"])


def make_function(
    cloud: LocalCloud, source: str, timeout: int = 10, *, node: bool = False, may: dict[str, Any] = ALLOW_IOT
) -> str:
    """Create a function from the source of its ``handler``, in Python unless ``node``, and return its ARN."""
    runtime, file = ("nodejs22.x", "function.js") if node else ("python3.13", "function.py")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(file, source)
    function = cloud.client("lambda").create_function(
        FunctionName=unique("function"),
        Runtime=runtime,
        Handler="function.handler",
        Role=make_role(cloud, may, trusts={"Service": "lambda.amazonaws.com"}),
        Code={"ZipFile": archive.getvalue()},
        Timeout=timeout,
    )
    return str(function["FunctionArn"])


def let_cognito_invoke(cloud: LocalCloud, function_arn: str, user_pool_id: str) -> None:
    cloud.client("lambda").add_permission(
        FunctionName=function_arn,
        StatementId=unique("cognito"),
        Action="lambda:InvokeFunction",
        Principal="cognito-idp.amazonaws.com",
        SourceArn=f"arn:aws:cognito-idp:{cloud.region}:{cloud.account_id}:userpool/{user_pool_id}",
    )


def wait_until(condition: Callable[[], bool], what: str = "it", seconds: float = 60) -> None:
    """Wait until a condition is met."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
