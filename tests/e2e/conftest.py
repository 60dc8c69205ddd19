"""The stack, deployed onto a local cloud, and what the tests ask of it."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from pycognito.aws_srp import AWSSRP

from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output
from tests.e2e.commands import run_pubsub
from tests.e2e.stack_app import StackApp, shared
from tests.integration.local_cloud.account import Credentials
from tests.integration.local_cloud.http_api import Answer, call
from tests.jwt import claims

PASSWORD = "Sup3r-secret-passw0rd!"  # noqa: S105 - of users that live as long as one test

FAST: dict[str, Any] = {"attachPerSecond": {"signIn": 100, "retry": 100, "sweep": 200}, "detachPerSecond": 200}
"""Settings for tests that attach and detach hundreds."""


@dataclass(frozen=True)
class Deployment:
    """A deployed stack, and what a plain boto3 user of it can do; nothing here is our client's code."""

    cloud: LocalCloud
    app: StackApp
    outputs: dict[str, str]

    @property
    def user_pool_id(self) -> str:
        return self.outputs[Output.USER_POOL_ID]

    @property
    def policy_name(self) -> str:
        return self.outputs[Output.POLICY_NAME]

    @property
    def client_id(self) -> str:
        return self.outputs[Output.USER_POOL_CLIENT_ID]

    def make_user(self, name: str | None = None, **attributes: str) -> str:
        """Make a user with a permanent password and return the name, a new one unless given."""
        name = name or f"user-{uuid.uuid4().hex[:10]}"
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

    def add_to_group(self, user_name: str, group: str) -> None:
        self.cloud.client("cognito-idp").admin_add_user_to_group(
            UserPoolId=self.user_pool_id, Username=user_name, GroupName=group
        )

    def as_user(self, service: str, credentials: Credentials) -> Any:
        """Return a boto3 client with a signed-in user's credentials."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=self.cloud.region,
            endpoint_url=self.cloud.endpoint_url,
            config=Config(proxies={}),
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
        )

    def sign_in(self, user_name: str, password: str = PASSWORD) -> dict[str, str]:
        """Sign in with pycognito's SRP and return Cognito's tokens."""
        tokens: dict[str, str] = self.srp(user_name, password).authenticate_user()["AuthenticationResult"]
        return tokens

    def srp(self, user_name: str, password: str = PASSWORD) -> AWSSRP:
        """Return a sign-in that has yet to be made."""
        return AWSSRP(
            username=user_name,
            password=password,
            pool_id=self.user_pool_id,
            client_id=self.client_id,
            client=self.public("cognito-idp"),
        )

    def identity_id(self, tokens: dict[str, str]) -> str:
        """Return the identity id for an ID token."""
        answer = self.public("cognito-identity").get_id(
            IdentityPoolId=self.outputs[Output.IDENTITY_POOL_ID], Logins=self.logins(tokens)
        )
        return str(answer["IdentityId"])

    def credentials(self, tokens: dict[str, str]) -> Credentials:
        """Return the AWS credentials that the identity pool gives for an ID token."""
        given = self.public("cognito-identity").get_credentials_for_identity(
            IdentityId=self.identity_id(tokens), Logins=self.logins(tokens)
        )["Credentials"]
        return Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"])

    def logins(self, tokens: dict[str, str]) -> dict[str, str]:
        return {str(claims(tokens["IdToken"])["iss"]).removeprefix("https://"): tokens["IdToken"]}

    def attached_policies(self, identity_id: str) -> list[str]:
        """Return the names of the IoT policies attached to an identity."""
        answer = self.cloud.client("iot").list_attached_policies(target=identity_id)
        return [each["policyName"] for each in answer["policies"]]

    def wait_until_attached(self, identity_id: str, seconds: float = 60) -> None:
        """Wait until the worker has attached the policy."""
        deadline = time.monotonic() + seconds
        while not self.attached_policies(identity_id):
            assert time.monotonic() < deadline, f"nothing was attached to {identity_id} within {seconds:g} s"
            time.sleep(0.2)

    def self_attach(self, credentials: Credentials | None, **request: Any) -> Answer:
        """Call the route, signed with these credentials if there are any."""
        url = self.outputs[Output.SELF_ATTACH_URL]
        return call(url, credentials=credentials, region=self.cloud.region, **request)

    def messages_in(self, queue: Output) -> int:
        """Return the number of messages in a queue, including those in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.cloud.client("sqs").get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=names)
        return sum(int(count) for count in answer["Attributes"].values())

    @contextmanager
    def worker_stopped(self) -> Iterator[None]:
        """Stop the worker in this block, so that messages wait in the retry queue; then drain the queues."""
        functions = self.cloud.client("lambda")
        name = self.outputs[Output.RETRY_QUEUE_URL].rpartition("/")[2]
        arn = f"arn:aws:sqs:{self.cloud.region}:{self.cloud.account_id}:{name}"
        (mapping,) = functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
            self.drain_queues()

    def wait_until_retry_queue_is_empty(self, seconds: float = 60) -> None:
        """Wait until the worker has processed every message."""
        deadline = time.monotonic() + seconds
        while self.messages_in(Output.RETRY_QUEUE_URL):
            assert time.monotonic() < deadline, "the worker does not finish"
            time.sleep(0.1)

    def drain_queues(self) -> None:
        """Wait until the worker has processed every message, and purge the dead-letter queue."""
        self.wait_until_retry_queue_is_empty()
        self.cloud.client("sqs").purge_queue(QueueUrl=self.outputs[Output.DEAD_LETTER_QUEUE_URL])

    def calls_of(self, before: dict[str, int]) -> dict[str, int]:
        """Return which operations were called since ``before``, and how often."""
        now = self.cloud.calls()
        return {name: count - before.get(name, 0) for name, count in now.items() if count != before.get(name, 0)}

    def trigger_lines(self) -> list[dict[str, Any]]:
        """Return the lines that the trigger has logged, oldest first."""
        return self._lines_of(self.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME])

    def self_attach_lines(self) -> list[dict[str, Any]]:
        """Return the lines that the function of the route has logged, oldest first."""
        pages = self.cloud.client("cloudformation").get_paginator("list_stack_resources")
        (function,) = (
            each["PhysicalResourceId"]
            for page in pages.paginate(StackName=self.app.stack_name)
            for each in page["StackResourceSummaries"]
            if each["ResourceType"] == "AWS::Lambda::Function" and each["LogicalResourceId"].startswith("SelfAttach")
        )
        return self._lines_of(function)

    def _lines_of(self, function_name: str) -> list[dict[str, Any]]:
        function = self.cloud.client("lambda").get_function_configuration(FunctionName=function_name)
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

    @contextmanager
    def trigger_without_attach_policy(self) -> Iterator[None]:
        """Take iot:AttachPolicy away from the trigger's role in this block; the worker's role keeps it."""
        role, name, document = self.inline_policy(Output.POST_AUTHENTICATION_FUNCTION_NAME, "iot:AttachPolicy")
        iam, original = self.cloud.client("iam"), json.dumps(document)
        changed = original.replace("iot:AttachPolicy", "iot:AttachPolicyNot")
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=changed)
        try:
            yield
        finally:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=original)

    def pubsub(self, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ``pubsub`` against this deployment, with other environment variables."""
        command, *options = arguments
        return run_pubsub(
            [command, "--stack", self.app.stack_name, *options], self.cloud.environment() | variables, stdin
        )

    def doctor(self, *check_ids: str) -> dict[str, Any]:
        """Run these checks of `pubsub doctor --json` and return its document."""
        done = self.pubsub("doctor", "--json", *[argument for each in check_ids for argument in ("--only", each)])
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def smoke(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """Run `pubsub smoke --json` and return its document."""
        done = self.pubsub("smoke", "--json", "--timeout", "3", *arguments, **variables)
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["summary"]["exit_code"] == done.returncode
        return document


@contextmanager
def deployed(directory: Path, settings: Mapping[str, Any] | None = None) -> Iterator[Deployment]:
    """Deploy onto a cloud that ends with the block; without settings those of the repository.

    The first deployment of these settings in a test run is saved, and the others start from what was saved.
    """
    with ExitStack() as until_the_end:
        with shared("deployment", directory, settings) as state:
            saved = state if state.exists() else None
            cloud = until_the_end.enter_context(LocalCloud.start(saved=saved, log_file=directory / "cloud.log"))
            app = StackApp(cloud, directory, settings)
            app.synth()
            if not saved:
                app.deploy()
                cloud.save(state)
        made = Deployment(cloud, app, app.write_outputs())
        warm(made)
        yield made


def warm(deployment: Deployment) -> None:
    """Start the functions: cold ones on a busy machine may take longer than the trigger has."""
    deployment.sign_in(deployment.make_user())
    if Output.RETRY_QUEUE_URL in deployment.outputs:
        deployment.wait_until_retry_queue_is_empty()


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud for environments side by side; nothing is deployed yet."""
    with LocalCloud.start(log_file=tmp_path_factory.mktemp("account") / "cloud.log") as cloud:
        yield cloud


def deploy(app: StackApp) -> Deployment:
    """Synthesize and deploy an app, for the first time or as an update."""
    app.synth()
    return Deployment(app.cloud, app, app.deploy())


def check(document: dict[str, Any], check_id: str) -> dict[str, Any]:
    """Return one check of a run's document."""
    (found,) = (each for each in document["checks"] if each["id"] == check_id)
    return dict(found)
