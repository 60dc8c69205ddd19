"""A deployment that is no stack of this toolkit: made with boto3, as Amplify or a guide would."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from local_cloud.process import LocalCloud
from pubsub_client.outputs import MANAGED_POLICIES
from tests.e2e.conftest import PASSWORD
from tests.e2e.doctor.asked import Asked
from tests.e2e.doctor.patient import TOPIC

_SERVICE = "cognito-identity.amazonaws.com"
_EVERYTHING = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}


@dataclass(frozen=True)
class ByHand:
    """Its ids, and a user who is attached."""

    cloud: LocalCloud
    user_pool_id: str
    client_id: str
    identity_pool_id: str
    role: str
    policy: str
    user: str
    identity_id: str

    @classmethod
    def on(cls, cloud: LocalCloud) -> ByHand:
        """Follow Amplify's guide.

        https://docs.amplify.aws/gen1/javascript/build-a-backend/more-features/pubsub/set-up-pubsub/
        """
        word = f"by-hand-{uuid.uuid4().hex[:8]}"
        users, iot = cloud.client("cognito-idp"), cloud.client("iot")
        user_pool_id = users.create_user_pool(PoolName=word)["UserPool"]["Id"]
        client_id = users.create_user_pool_client(
            UserPoolId=user_pool_id,
            ClientName=word,
            ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]["ClientId"]
        provider = f"cognito-idp.{cloud.region}.amazonaws.com/{user_pool_id}"
        identities = cloud.client("cognito-identity")
        identity_pool_id = identities.create_identity_pool(
            IdentityPoolName=word,
            AllowUnauthenticatedIdentities=False,
            CognitoIdentityProviders=[{"ProviderName": provider, "ClientId": client_id}],
        )["IdentityPoolId"]
        role = _auth_role(cloud, f"{word}-authRole", identity_pool_id)
        identities.set_identity_pool_roles(IdentityPoolId=identity_pool_id, Roles={"authenticated": role})
        iot.create_policy(policyName=word, policyDocument=_document(_EVERYTHING))
        users.admin_create_user(UserPoolId=user_pool_id, Username=word, MessageAction="SUPPRESS")
        users.admin_set_user_password(UserPoolId=user_pool_id, Username=word, Password=PASSWORD, Permanent=True)
        users.update_user_pool_client(
            UserPoolId=user_pool_id,
            ClientId=client_id,
            ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )
        token = users.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": word, "PASSWORD": PASSWORD},
        )["AuthenticationResult"]["IdToken"]
        identity_id = identities.get_id(IdentityPoolId=identity_pool_id, Logins={provider: token})["IdentityId"]
        iot.attach_policy(policyName=word, target=identity_id)
        return cls(cloud, user_pool_id, client_id, identity_pool_id, role.rpartition("/")[2], word, word, identity_id)

    def asked(self) -> Asked:
        """Ask about the user by the deployment's ids."""
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
        words = tuple(word for option in options.items() for word in option)
        return Asked((*words, "--password-stdin"), stdin=f"{PASSWORD}\n")


def _auth_role(cloud: LocalCloud, name: str, identity_pool_id: str) -> str:
    iam = cloud.client("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": _SERVICE},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{_SERVICE}:aud": identity_pool_id},
            "ForAnyValue:StringLike": {f"{_SERVICE}:amr": "authenticated"},
        },
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))["Role"]["Arn"]
    for policy in MANAGED_POLICIES:
        iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    return str(role)


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
