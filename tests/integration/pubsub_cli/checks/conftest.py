"""A deployment without a stack: pools, a role, an IoT policy and a user. Each test has its own and breaks it."""

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
from pubsub_cli.iam.roles import trust_policy
from pubsub_cli.pool_users import read_user
from pubsub_client.policy_document import policy_document
from tests.integration.local_cloud.account import document, make_user, make_user_pool, unique

DATA_ACCESS = "arn:aws:iam::aws:policy/AWSIoTDataAccess"


@dataclass
class Deployment:
    """The ids of the resources, and methods that create more."""

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
        """Return the context of a run before the checks of the authorization."""
        ids = DeploymentIds(
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
            deployment_ids=ids,
        )
        context.set_outputs(ids.outputs())
        if user:
            context.pool_user = read_user(self.aws.user_pools, self.user_pool_id, self.user)
        if identity:
            context.identity_id = self.identity_id
        return context

    def make_role(self, *statements: dict[str, Any], boundary: str | None = None) -> str:
        """Create a role for the identity pool's signed-in users, and return its name."""
        name, trust = unique("role"), json.dumps(trust_policy(self.cloud.region, self.identity_pool_id))
        bounded: Any = {"PermissionsBoundary": boundary} if boundary else {}
        self.aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **bounded)
        if statements:
            self.aws.iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document(*statements))
        return name

    def set_roles(self, authenticated: str, mapping: dict[str, Any] | None = None) -> None:
        """Set the identity pool's role and the role mapping of the app client."""
        provider = f"cognito-idp.{self.cloud.region}.amazonaws.com/{self.user_pool_id}:{self.client_id}"
        mappings: Any = {provider: mapping} if mapping else {}
        self.aws.identity_pools.set_identity_pool_roles(
            IdentityPoolId=self.identity_pool_id,
            Roles={"authenticated": self.role_arn(authenticated)},
            RoleMappings=mappings,
        )

    def make_group(self, role: str) -> str:
        """Create a group with the user, and return its name."""
        name, pool = unique("group"), self.user_pool_id
        self.aws.user_pools.create_group(GroupName=name, UserPoolId=pool, RoleArn=self.role_arn(role), Precedence=1)
        self.aws.user_pools.admin_add_user_to_group(UserPoolId=pool, Username=self.user, GroupName=name)
        return name

    def make_policy(self, text: str) -> str:
        name = unique("policy")
        self.aws.iot.create_policy(policyName=name, policyDocument=text)
        return name

    def with_policy(self, text: str) -> Deployment:
        """Return the same deployment with another IoT policy."""
        name = self.make_policy(text)
        self.aws.iot.detach_policy(policyName=self.policy, target=self.identity_id)
        self.aws.iot.attach_policy(policyName=name, target=self.identity_id)
        return replace(self, policy=name)

    def allow(self, *resources: str, action: str | list[str] = "iot:*") -> dict[str, Any]:
        return {
            "Effect": "Allow",
            "Action": action,
            "Resource": [each if each.startswith("arn:") else f"{self.prefix}:{each}" for each in resources],
        }


async def run_checks(context: Context, *checks: type[Check]) -> Finding:
    """Run checks in order. Return the finding of the last one; the others must pass."""
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
    user_pool_id, client_id = make_user_pool(cloud)
    provider: Any = {"ProviderName": f"cognito-idp.{cloud.region}.amazonaws.com/{user_pool_id}", "ClientId": client_id}
    aws = Aws(region=cloud.region, endpoint_url=cloud.endpoint_url)
    identity_pool_id = aws.identity_pools.create_identity_pool(
        IdentityPoolName=unique("pool"), AllowUnauthenticatedIdentities=False, CognitoIdentityProviders=[provider]
    )["IdentityPoolId"]
    user, identity_id = make_user(cloud, user_pool_id), f"{cloud.region}:{uuid.uuid4()}"
    made = Deployment(cloud, aws, user_pool_id, client_id, identity_pool_id, "", "", user, identity_id)
    made.role = made.make_role(made.allow("topic/*", action="iot:RetainPublish"))
    aws.iam.attach_role_policy(RoleName=made.role, PolicyArn=DATA_ACCESS)
    made.set_roles(made.role)
    made.policy = made.make_policy(json.dumps(policy_document(made.prefix, ["*"])))
    aws.iot.attach_policy(policyName=made.policy, target=identity_id)
    return made
