"""`pubsub doctor` for a deployment without this toolkit's stack, created with boto3 as in Amplify's guide."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Self

import pytest

from local_cloud.process import LocalCloud
from pubsub_client.outputs import MANAGED_POLICIES
from tests.e2e.conftest import PASSWORD
from tests.e2e.doctor.doctor_run import DoctorOptions, run_doctor, run_fix
from tests.e2e.doctor.simulated_user import TOPIC
from tests.integration.local_cloud.account import document

_COGNITO = "cognito-identity.amazonaws.com"


@dataclass(frozen=True)
class ManualDeployment:
    """The deployment's ids, and a user with the attached policy."""

    cloud: LocalCloud
    user_pool_id: str
    client_id: str
    identity_pool_id: str
    role: str
    policy: str
    user: str
    identity_id: str

    @classmethod
    def create(cls, cloud: LocalCloud) -> Self:
        """Follow Amplify's guide.

        https://docs.amplify.aws/gen1/javascript/build-a-backend/more-features/pubsub/set-up-pubsub/
        """
        name = f"manual-{uuid.uuid4().hex[:8]}"
        users, iot = cloud.client("cognito-idp"), cloud.client("iot")
        user_pool_id = users.create_user_pool(PoolName=name)["UserPool"]["Id"]
        client_id = users.create_user_pool_client(
            UserPoolId=user_pool_id,
            ClientName=name,
            ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]["ClientId"]
        provider = f"cognito-idp.{cloud.region}.amazonaws.com/{user_pool_id}"
        identities = cloud.client("cognito-identity")
        identity_pool_id = identities.create_identity_pool(
            IdentityPoolName=name,
            AllowUnauthenticatedIdentities=False,
            CognitoIdentityProviders=[{"ProviderName": provider, "ClientId": client_id}],
        )["IdentityPoolId"]
        role = _auth_role(cloud, f"{name}-authRole", identity_pool_id)
        identities.set_identity_pool_roles(IdentityPoolId=identity_pool_id, Roles={"authenticated": role})
        iot.create_policy(
            policyName=name, policyDocument=document({"Effect": "Allow", "Action": "iot:*", "Resource": "*"})
        )
        users.admin_create_user(UserPoolId=user_pool_id, Username=name, MessageAction="SUPPRESS")
        users.admin_set_user_password(UserPoolId=user_pool_id, Username=name, Password=PASSWORD, Permanent=True)
        users.update_user_pool_client(
            UserPoolId=user_pool_id,
            ClientId=client_id,
            ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )
        token = users.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
        )["AuthenticationResult"]["IdToken"]
        identity_id = identities.get_id(IdentityPoolId=identity_pool_id, Logins={provider: token})["IdentityId"]
        iot.attach_policy(policyName=name, target=identity_id)
        return cls(cloud, user_pool_id, client_id, identity_pool_id, role.rpartition("/")[2], name, name, identity_id)

    def options(self) -> DoctorOptions:
        """Return the options that give the deployment's ids and the user."""
        endpoint = self.cloud.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
        options = {
            "--user-pool-id": self.user_pool_id,
            "--user-pool-client-id": self.client_id,
            "--identity-pool-id": self.identity_pool_id,
            "--endpoint": endpoint,
            "--policy-name": self.policy,
            "--topic": TOPIC,
            "--user": self.user,
        }
        arguments = tuple(word for option in options.items() for word in option)
        return DoctorOptions((*arguments, "--password-stdin"), stdin=f"{PASSWORD}\n")


def _auth_role(cloud: LocalCloud, name: str, identity_pool_id: str) -> str:
    iam = cloud.client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": _COGNITO},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{_COGNITO}:aud": identity_pool_id},
            "ForAnyValue:StringLike": {f"{_COGNITO}:amr": "authenticated"},
        },
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    for policy in MANAGED_POLICIES:
        iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    return str(role)


@pytest.fixture(scope="module")
def deployment(account: LocalCloud) -> ManualDeployment:
    return ManualDeployment.create(account)


def test_doctor_finds_nothing_in_a_manual_deployment(deployment: ManualDeployment) -> None:
    report = run_doctor(deployment.cloud, deployment.options())
    assert report.texts == []
    assert {"PS111", "PS115", "PS116", "PS203", "PS401", "PS501"} <= report.passed


def test_doctor_fixes_a_detached_policy_in_a_manual_deployment(deployment: ManualDeployment) -> None:
    deployment.cloud.client("iot").detach_policy(policyName=deployment.policy, target=deployment.identity_id)
    _expect_fixed(deployment, "PS203", f"{deployment.policy} is not attached to the user's identity")


def test_doctor_fixes_a_role_without_data_access_in_a_manual_deployment(deployment: ManualDeployment) -> None:
    deployment.cloud.client("iam").detach_role_policy(
        RoleName=deployment.role, PolicyArn="arn:aws:iam::aws:policy/AWSIoTDataAccess"
    )
    _expect_fixed(deployment, "PS306", "iot:Connect")


def _expect_fixed(deployment: ManualDeployment, check_id: str, cause: str) -> None:
    report = run_doctor(deployment.cloud, deployment.options())
    assert [each["id"] for each in report.findings] == [check_id], report.texts
    (found,) = report.findings
    assert cause in found["cause"]
    run_fix(deployment.cloud, found["fix"])
    assert run_doctor(deployment.cloud, deployment.options()).texts == []
