"""An Amplify Gen 1 project, created by CloudFormation as Amplify does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import document

STACK = "amplify-shop-dev-103245"

_TEMPLATES = Path(__file__).parent
_SENDER = ("CustomEmailSender", "KMSKeyID")


@dataclass(frozen=True)
class AmplifyProject:
    """Parent stack, user pool, identity pool and roles.

    Args:
        cloud: the local cloud.
        stack: the name of the parent stack.
        user_pool_id: the user pool, whose users are named by their e-mail address.
        web_client_id: the app client of web apps.
        native_client_id: the app client of mobile apps, with a secret.
        identity_pool_id: the identity pool.
    """

    cloud: LocalCloud
    stack: str
    user_pool_id: str
    web_client_id: str
    native_client_id: str
    identity_pool_id: str

    @property
    def adopt(self) -> dict[str, Any]:
        """The setting ``adopt`` that `pubsub adopt` prints."""
        return {
            "userPoolId": self.user_pool_id,
            "userPoolClientIds": [self.web_client_id, self.native_client_id],
            "identityPoolId": self.identity_pool_id,
            "authRoleArn": self.role_arn(self.auth_role),
            "groupRoleArns": [self.role_arn(self.admins_role)],
        }

    @classmethod
    def make(cls, cloud: LocalCloud, stack: str = STACK) -> Self:
        """Create the stacks, and the trust and role mapping that Amplify's own functions create."""
        bucket = f"{stack}-deployment"
        s3, formation = cloud.client("s3"), cloud.client("cloudformation")
        s3.create_bucket(Bucket=bucket)
        for name in ("auth.yaml", "groups.yaml"):
            s3.put_object(Bucket=bucket, Key=name, Body=(_TEMPLATES / name).read_bytes())
        parameters = {
            "AuthRoleName": f"{stack}-authRole",
            "UnauthRoleName": f"{stack}-unauthRole",
            "TemplatesUrl": f"{cloud.endpoint_url}/{bucket}",
        }
        formation.create_stack(
            StackName=stack,
            TemplateBody=(_TEMPLATES / "root.yaml").read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
        auth_stack = formation.describe_stack_resource(StackName=stack, LogicalResourceId="authshop1a2b3c4d")
        auth = auth_stack["StackResourceDetail"]["PhysicalResourceId"]
        given = formation.describe_stacks(StackName=auth)["Stacks"][0]["Outputs"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in given}
        project = cls(
            cloud,
            stack,
            outputs["UserPoolId"],
            outputs["AppClientIDWeb"],
            outputs["AppClientID"],
            outputs["IdentityPoolId"],
        )
        project._trust()
        project._map_roles()
        return project

    @property
    def auth_role(self) -> str:
        """The name of AuthRole."""
        return f"{self.stack}-authRole"

    @property
    def admins_role(self) -> str:
        """The name of the role of the group ``admins``."""
        return f"{self.user_pool_id}-adminsGroupRole"

    def role_arn(self, name: str) -> str:
        """Return the ARN of one of the roles."""
        return f"arn:aws:iam::{self.cloud.account_id}:role/{name}"

    def configuration(self) -> dict[str, Any]:
        """Return pools and roles as AWS describes them, without modification dates and number of users."""
        users, identities = self.cloud.client("cognito-idp"), self.cloud.client("cognito-identity")
        iam, pool, clients = self.cloud.client("iam"), self.user_pool_id, (self.web_client_id, self.native_client_id)
        described = self._raw_user_pool()
        del described["LastModifiedDate"], described["EstimatedNumberOfUsers"]
        identity_pool = identities.describe_identity_pool(IdentityPoolId=self.identity_pool_id)
        identity_pool_roles = identities.get_identity_pool_roles(IdentityPoolId=self.identity_pool_id)
        mfa = users.get_user_pool_mfa_config(UserPoolId=pool)
        return {
            "user pool": described,
            "mfa": {key: value for key, value in mfa.items() if key != "ResponseMetadata"},
            "clients": [
                users.describe_user_pool_client(UserPoolId=pool, ClientId=each)["UserPoolClient"] for each in clients
            ],
            "number of clients": len(users.list_user_pool_clients(UserPoolId=pool, MaxResults=60)["UserPoolClients"]),
            "groups": users.list_groups(UserPoolId=pool)["Groups"],
            "identity pool": {key: value for key, value in identity_pool.items() if key != "ResponseMetadata"},
            "identity pool roles": {
                key: value for key, value in identity_pool_roles.items() if key != "ResponseMetadata"
            },
            "roles": {
                name: {
                    "attached": iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
                    "inline": iam.list_role_policies(RoleName=name)["PolicyNames"],
                    "boundary": iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary"),
                    "trust": iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"],
                }
                for name in (self.auth_role, self.admins_role)
            },
        }

    @property
    def permissions(self) -> dict[str, str]:
        """The permissions that changing the user pool requires, as members of the setting ``adopt``."""
        pool = self._raw_user_pool()
        return {
            "smsRoleArn": pool["SmsConfiguration"]["SnsCallerArn"],
            "customSenderKeyArn": pool["LambdaConfig"]["KMSKeyID"],
        }

    def triggers(self) -> dict[str, str]:
        """Return the user pool's triggers, except the custom sender."""
        return {name: each for name, each in self._raw_user_pool()["LambdaConfig"].items() if name not in _SENDER}

    def set_triggers(self, **functions: str) -> None:
        """Set the user pool's triggers, except the custom sender, and change nothing else."""
        users = self.cloud.client("cognito-idp")
        pool = self._raw_user_pool()
        accepted = users.meta.service_model.operation_model("UpdateUserPool").input_shape.members
        kept = {name: value for name, value in pool.items() if name in accepted and value not in ("", {}, [])}
        sender = {name: each for name, each in pool["LambdaConfig"].items() if name in _SENDER}
        users.update_user_pool(**kept | {"UserPoolId": self.user_pool_id, "LambdaConfig": sender | functions})

    def _raw_user_pool(self) -> dict[str, Any]:
        """Return the user pool as AWS describes it, including members that the SDK does not know."""
        users, bodies = self.cloud.client("cognito-idp"), []
        users.meta.events.register(
            "after-call.cognito-identity-provider.DescribeUserPool",
            lambda http_response, **_: bodies.append(http_response.content),
        )
        users.describe_user_pool(UserPoolId=self.user_pool_id)
        pool: dict[str, Any] = json.loads(bodies[0])["UserPool"]
        return pool

    def make_user(self, name: str, password: str, group: str | None = None) -> str:
        """Create a user with a permanent password, and return the e-mail address, which is the user name."""
        users, email = self.cloud.client("cognito-idp"), f"{name}@example.com"
        users.admin_create_user(
            UserPoolId=self.user_pool_id,
            Username=email,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
        )
        users.admin_set_user_password(UserPoolId=self.user_pool_id, Username=email, Password=password, Permanent=True)
        if group:
            users.admin_add_user_to_group(UserPoolId=self.user_pool_id, Username=email, GroupName=group)
        return email

    def _trust(self) -> None:
        iam = self.cloud.client("iam")
        for role, amr in ((self.auth_role, "authenticated"), (f"{self.stack}-unauthRole", "unauthenticated")):
            statement = {
                "Effect": "Allow",
                "Principal": {"Federated": "cognito-identity.amazonaws.com"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {"cognito-identity.amazonaws.com:aud": self.identity_pool_id},
                    "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": amr},
                },
            }
            iam.update_assume_role_policy(RoleName=role, PolicyDocument=document(statement))

    def _map_roles(self) -> None:
        provider = f"cognito-idp.{self.cloud.region}.amazonaws.com/{self.user_pool_id}"
        identities = self.cloud.client("cognito-identity")
        roles = identities.get_identity_pool_roles(IdentityPoolId=self.identity_pool_id)["Roles"]
        identities.set_identity_pool_roles(
            IdentityPoolId=self.identity_pool_id,
            Roles=roles,
            RoleMappings={
                f"{provider}:{client}": {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}
                for client in (self.web_client_id, self.native_client_id)
            },
        )
