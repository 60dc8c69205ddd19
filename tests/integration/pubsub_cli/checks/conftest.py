"""A manual deployment: pools, a role, a policy and a user. Each test breaks one of its own."""

from __future__ import annotations

import json
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from local_cloud.environment import CREDENTIALS
from local_cloud.process import LocalCloud
from pubsub_cli.aws import Aws
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import DeploymentIds, FrontEndConfig, UserSelector
from pubsub_cli.finding import AwsCommand, Finding
from pubsub_cli.pool_users import read_user
from pubsub_client.policy_document import policy_document

DATA_ACCESS = "arn:aws:iam::aws:policy/AWSIoTDataAccess"
_COGNITO = "cognito-identity.amazonaws.com"


@dataclass
class Deployment:
    """The deployment's ids, and methods that create resources for a test."""

    cloud: LocalCloud
    aws: Aws
    user_pool_id: str
    client_id: str
    identity_pool_id: str
    role: str
    policy: str
    user: str
    identity_id: str

    @property
    def prefix(self) -> str:
        return f"arn:aws:iot:{self.cloud.region}:{self.cloud.account_id}"

    @property
    def provider(self) -> str:
        return f"cognito-idp.{self.cloud.region}.amazonaws.com/{self.user_pool_id}:{self.client_id}"

    def role_arn(self, name: str) -> str:
        return f"arn:aws:iam::{self.cloud.account_id}:role/{name}"

    def context(
        self,
        *,
        user: bool = True,
        identity: bool = True,
        policy: bool = True,
        client_id: str | None = None,
        topics: tuple[str, ...] = ("orders/1",),
    ) -> Context:
        """Return a context after the checks of identity and IoT policy, with or without a user."""
        given = DeploymentIds(
            region=self.cloud.region,
            user_pool_id=self.user_pool_id,
            user_pool_client_id=self.client_id,
            identity_pool_id=self.identity_pool_id,
            endpoint="iot.example.com",
            policy_name=self.policy if policy else None,
        )
        context = Context(
            aws=self.aws,
            stack="manual",
            timeout=0,
            cleanup=AsyncExitStack(),
            allow_probes=False,
            selector=UserSelector(user=self.user if user else None, identity_id=self.identity_id if identity else None),
            front_end=FrontEndConfig(topics=topics, client_id=client_id),
            deployment_ids=given,
        )
        context.set_outputs(given.outputs())
        if user:
            context.pool_user = read_user(self.aws.user_pools, self.user_pool_id, self.user)
        if identity:
            context.identity_id = self.identity_id
        return context

    def make_role(self, *statements: dict[str, Any], **more: Any) -> str:
        """Create a role that trusts the identity pool's signed-in users, and return its name."""
        name = f"role-{uuid.uuid4().hex[:12]}"
        trust = {
            "Effect": "Allow",
            "Principal": {"Federated": _COGNITO},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {f"{_COGNITO}:aud": self.identity_pool_id},
                "ForAnyValue:StringLike": {f"{_COGNITO}:amr": "authenticated"},
            },
        }
        self.aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust), **more)
        if statements:
            self.aws.iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document(*statements))
        return name

    def set_roles(self, authenticated: str, mapping: dict[str, Any] | None = None) -> None:
        """Set the identity pool's role, and the role mapping of the front end's users."""
        mappings: Any = {self.provider: mapping} if mapping else {}
        self.aws.identity_pools.set_identity_pool_roles(
            IdentityPoolId=self.identity_pool_id,
            Roles={"authenticated": self.role_arn(authenticated)},
            RoleMappings=mappings,
        )

    def make_group(self, role: str) -> str:
        """Create a group with a role, add the user, and return its name."""
        name = f"group-{uuid.uuid4().hex[:12]}"
        self.aws.user_pools.create_group(GroupName=name, UserPoolId=self.user_pool_id, RoleArn=self.role_arn(role))
        self.aws.user_pools.admin_add_user_to_group(UserPoolId=self.user_pool_id, Username=self.user, GroupName=name)
        return name

    def make_policy(self, text: str) -> str:
        name = f"policy-{uuid.uuid4().hex[:12]}"
        self.aws.iot.create_policy(policyName=name, policyDocument=text)
        return name

    def with_policy(self, text: str, *, attached: bool = True) -> Deployment:
        """Return the same deployment with another IoT policy."""
        name = self.make_policy(text)
        self.aws.iot.detach_policy(policyName=self.policy, target=self.identity_id)
        if attached:
            self.aws.iot.attach_policy(policyName=name, target=self.identity_id)
        return replace(self, policy=name)

    def allow(self, *resources: str, action: str | list[str] = "iot:*") -> dict[str, Any]:
        return {
            "Effect": "Allow",
            "Action": action,
            "Resource": [each if each.startswith("arn:") else f"{self.prefix}:{each}" for each in resources],
        }


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


async def run_checks(context: Context, *checks: type[Check]) -> Finding:
    """Run checks in order, and return the finding of the last; the others must pass."""
    *dependencies, last = checks
    for check in dependencies:
        finding = await check().run(context)
        assert finding.cause is None, finding
    return await last().run(context)


def apply_fix(deployment: Deployment, finding: Finding) -> None:
    """Run the commands of a fix."""
    assert finding.commands, finding.fix
    for command in finding.commands:
        assert isinstance(command, AwsCommand)
        command.run(deployment.aws)


@pytest.fixture
def deployment(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    aws = Aws(region=cloud.region, endpoint_url=cloud.endpoint_url)
    user_pool_id = aws.user_pools.create_user_pool(PoolName="manual")["UserPool"]["Id"]
    client_id = aws.user_pools.create_user_pool_client(UserPoolId=user_pool_id, ClientName="web")["UserPoolClient"][
        "ClientId"
    ]
    provider = f"cognito-idp.{cloud.region}.amazonaws.com/{user_pool_id}"
    identity_pool_id = aws.identity_pools.create_identity_pool(
        IdentityPoolName="manual",
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=[{"ProviderName": provider, "ClientId": client_id}],
    )["IdentityPoolId"]
    made = Deployment(
        cloud,
        aws,
        user_pool_id,
        client_id,
        identity_pool_id,
        role="",
        policy="",
        user=f"user-{uuid.uuid4().hex[:12]}",
        identity_id=f"{cloud.region}:{uuid.uuid4()}",
    )
    aws.user_pools.admin_create_user(UserPoolId=user_pool_id, Username=made.user, MessageAction="SUPPRESS")
    made.role = made.make_role()
    aws.iam.attach_role_policy(RoleName=made.role, PolicyArn=DATA_ACCESS)
    made.set_roles(made.role)
    made.policy = made.make_policy(json.dumps(policy_document(made.prefix, ["*"])))
    aws.iot.attach_policy(policyName=made.policy, target=made.identity_id)
    return made
