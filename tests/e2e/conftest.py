"""The stack, deployed once with the real CDK CLI onto an embedded cloud, for all end-to-end tests."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from pycognito.aws_srp import AWSSRP

from local_cloud.cdk_app import CdkApp
from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "Sup3r-secret-passw0rd!"  # noqa: S105 - of users that live as long as one test


@dataclass(frozen=True)
class Deployment:
    """A deployed stack, and what a plain boto3 user of it can do; nothing here is our client's code."""

    cloud: LocalCloud
    app: CdkApp
    outputs: dict[str, str]

    @property
    def user_pool_id(self) -> str:
        return self.outputs[Output.USER_POOL_ID]

    @property
    def client_id(self) -> str:
        return self.outputs[Output.USER_POOL_CLIENT_ID]

    def make_user(self, **attributes: str) -> str:
        """Make a user with a permanent password and return the name."""
        name = f"user-{uuid.uuid4().hex[:10]}"
        users = self.cloud.client("cognito-idp")
        given = {"email": f"{name}@example.com", "email_verified": "true", **attributes}
        users.admin_create_user(
            UserPoolId=self.user_pool_id,
            Username=name,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": key, "Value": value} for key, value in given.items()],
        )
        users.admin_set_user_password(UserPoolId=self.user_pool_id, Username=name, Password=PASSWORD, Permanent=True)
        return name

    def public(self, service: str) -> Any:
        """Return a boto3 client without any AWS credentials."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=self.cloud.region,
            endpoint_url=self.cloud.endpoint_url,
            config=Config(signature_version=UNSIGNED, proxies={}),
        )

    def sign_in(self, user_name: str) -> dict[str, str]:
        """Sign in with pycognito's SRP and return Cognito's tokens."""
        srp = AWSSRP(
            username=user_name,
            password=PASSWORD,
            pool_id=self.user_pool_id,
            client_id=self.client_id,
            client=self.public("cognito-idp"),
        )
        tokens: dict[str, str] = srp.authenticate_user()["AuthenticationResult"]
        return tokens

    def identity_id(self, tokens: dict[str, str]) -> str:
        """Return the identity id for an ID token."""
        answer = self.public("cognito-identity").get_id(
            IdentityPoolId=self.outputs[Output.IDENTITY_POOL_ID], Logins=self.logins(tokens)
        )
        return str(answer["IdentityId"])

    def logins(self, tokens: dict[str, str]) -> dict[str, str]:
        return {str(claims(tokens["IdToken"])["iss"]).removeprefix("https://"): tokens["IdToken"]}

    def attached_policies(self, identity_id: str) -> list[str]:
        """Return the names of the IoT policies attached to an identity."""
        answer = self.cloud.client("iot").list_attached_policies(target=identity_id)
        return [each["policyName"] for each in answer["policies"]]

    def calls_of(self, before: dict[str, int]) -> dict[str, int]:
        """Return which operations were called since ``before``, and how often."""
        now = self.cloud.calls()
        return {name: count - before.get(name, 0) for name, count in now.items() if count != before.get(name, 0)}

    def trigger_lines(self) -> list[dict[str, Any]]:
        """Return the lines that the trigger has logged, oldest first."""
        function = self.cloud.client("lambda").get_function_configuration(
            FunctionName=self.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
        )
        pages = self.cloud.client("logs").get_paginator("filter_log_events")
        events = [
            event
            for page in pages.paginate(logGroupName=function["LoggingConfig"]["LogGroup"])
            for event in page["events"]
        ]
        lines = [event["message"].strip() for event in sorted(events, key=lambda each: each["timestamp"])]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def inline_policy(self, function_output: Output, needle: str) -> tuple[str, str, dict[str, Any]]:
        """Find the inline policy of a function's role that holds an action: role name, policy name, document."""
        iam = self.cloud.client("iam")
        function = self.cloud.client("lambda").get_function_configuration(FunctionName=self.outputs[function_output])
        role = function["Role"].rpartition("/")[2]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            if needle in json.dumps(document):
                return role, name, document
        raise AssertionError(f"no inline policy of {role} holds {needle}")

    def pubsub(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command ``pubsub`` against this deployment."""
        return subprocess.run(
            [sys.executable, "-m", "pubsub_client", *arguments],
            env=self.cloud.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def smoke(self, *arguments: str) -> dict[str, Any]:
        """Run `pubsub smoke --json` and return its document."""
        done = self.pubsub("smoke", "--json", "--timeout", "3", *arguments)
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["summary"]["exit_code"] == done.returncode
        return document


def claims(token: str) -> dict[str, Any]:
    """Return what a JWT claims."""
    payload = token.split(".")[1]
    parsed: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return parsed


@contextmanager
def deployed(directory: Path) -> Iterator[Deployment]:
    """Deploy onto a cloud of one's own, which ends with the block."""
    with LocalCloud.start(log_file=directory / "cloud.log") as cloud:
        app = CdkApp(cloud, directory)
        app.synth()
        app.bootstrap()
        yield Deployment(cloud, app, app.deploy())


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("deployment")) as made:
        yield made
