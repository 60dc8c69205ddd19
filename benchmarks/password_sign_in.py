"""Users made and signed in as fast as a machine can: by password, on an app client of the benchmark's own.

SRP would cost this machine more arithmetic for each sign-in than the sign-in itself. The PostAuthentication trigger is
fired by either flow.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from local_cloud.environment import CREDENTIALS
from local_cloud.process import LocalCloud

_PASSWORD = "Sup3r-secret-passw0rd!"  # noqa: S105 - of users that live as long as one local cloud


@dataclass(frozen=True)
class PasswordSignIn:
    """A user pool whose users sign in by password.

    Attributes:
        cognito: a client with an administrator's credentials; its threads may share it.
        user_pool_id: the pool.
        client_id: an app client that allows the password flow.
    """

    cognito: Any
    user_pool_id: str
    client_id: str

    def make_user(self) -> str:
        """Make a user with a permanent password and return the name."""
        name = f"bench-{uuid.uuid4().hex}"
        email = {"Name": "email", "Value": f"{name}@example.com"}
        self.cognito.admin_create_user(
            UserPoolId=self.user_pool_id, Username=name, MessageAction="SUPPRESS", UserAttributes=[email]
        )
        self.cognito.admin_set_user_password(
            UserPoolId=self.user_pool_id, Username=name, Password=_PASSWORD, Permanent=True
        )
        return name

    def sign_in(self, name: str) -> None:
        """Sign a user in, which ends when the trigger has.

        Raises:
            botocore.exceptions.ClientError: Cognito refuses, or the trigger failed.
        """
        self.cognito.admin_initiate_auth(
            UserPoolId=self.user_pool_id,
            ClientId=self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": _PASSWORD},
        )


@contextmanager
def password_sign_in(cloud: LocalCloud, user_pool_id: str, *, connections: int = 1) -> Iterator[PasswordSignIn]:
    """Add an app client for the password flow to a user pool; it goes with the block.

    Args:
        cloud: the local cloud with the pool.
        user_pool_id: the pool.
        connections: how many threads sign in at once.
    """
    cognito: Any = boto3.client(
        "cognito-idp",
        region_name=cloud.region,
        endpoint_url=cloud.endpoint_url,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        # A sign-in that fails is to be seen, not made up for.
        config=Config(proxies={}, max_pool_connections=connections, retries={"total_max_attempts": 1}),
    )
    client_id = cognito.create_user_pool_client(
        UserPoolId=user_pool_id, ClientName="bench", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    try:
        yield PasswordSignIn(cognito, user_pool_id, client_id)
    finally:
        cognito.delete_user_pool_client(UserPoolId=user_pool_id, ClientId=client_id)
