"""The deployed stack on a local cloud, and its users."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from pycognito.aws_srp import AWSSRP

from local_cloud.process import LocalCloud
from pubsub_client.outputs import MARKER_ATTRIBUTE, Output
from tests.e2e.commands import run_pubsub
from tests.e2e.stack_app import StackApp, shared
from tests.integration.local_cloud.account import Credentials, client_with, wait_until
from tests.integration.local_cloud.http_api import Answer, call
from tests.integration.local_cloud.mqtt import websocket
from tests.tokens import claims

PASSWORD = "Sup3r-secret-passw0rd!"  # noqa: S105 - of temporary users

FAST: dict[str, Any] = {"attachPerSecond": {"signIn": 100, "retry": 100, "sweep": 200}, "detachPerSecond": 200}
"""Settings for tests with hundreds of attachments."""


@dataclass(frozen=True)
class Deployment:
    """A deployed stack. It is used with boto3, not with the code of our client."""

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
        """Create a user with a permanent password, and return the name."""
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
        return client_with(self.cloud, service, credentials)

    def sign_in(self, user_name: str, password: str = PASSWORD) -> dict[str, str]:
        """Sign in with pycognito's SRP and return Cognito's tokens."""
        tokens: dict[str, str] = self.srp(user_name, password).authenticate_user()["AuthenticationResult"]
        return tokens

    def srp(self, user_name: str, password: str = PASSWORD, client_id: str | None = None) -> AWSSRP:
        """Return a sign-in that has not started, on another app client if one is given."""
        return AWSSRP(
            username=user_name,
            password=password,
            pool_id=self.user_pool_id,
            client_id=client_id or self.client_id,
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

    def wait_until_attached(self, identity_id: str) -> None:
        """Wait until the trigger or the worker has attached the policy."""
        wait_until(lambda: bool(self.attached_policies(identity_id)), f"a policy is attached to {identity_id}")

    def self_attach(self, credentials: Credentials | None, **request: Any) -> Answer:
        """Call the self-attach route, signed with these credentials if given."""
        url = self.outputs[Output.SELF_ATTACH_URL]
        return call(url, credentials=credentials, region=self.cloud.region, **request)

    def messages_in(self, queue: Output) -> int:
        """Return the number of messages in a queue, including those in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.cloud.client("sqs").get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=names)
        return sum(int(count) for count in answer["Attributes"].values())

    def worker_mapping(self) -> dict[str, Any]:
        """Return the worker's event source mapping."""
        name = self.outputs[Output.RETRY_QUEUE_URL].rpartition("/")[2]
        arn = f"arn:aws:sqs:{self.cloud.region}:{self.cloud.account_id}:{name}"
        (mapping,) = self.cloud.client("lambda").list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
        return dict(mapping)

    @contextmanager
    def worker_stopped(self) -> Iterator[None]:
        """Keep pending attachments in the retry queue during the block; empty the queues afterwards."""
        functions, mapping = self.cloud.client("lambda"), self.worker_mapping()["UUID"]
        functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping, Enabled=True)
            self.drain_queues()

    def wait_until_retry_queue_is_empty(self) -> None:
        """Wait until the worker has processed every message."""
        wait_until(lambda: self.messages_in(Output.RETRY_QUEUE_URL) == 0, "the retry queue is empty")

    def drain_queues(self) -> None:
        """Wait for the worker, and delete the dead letters."""
        self.wait_until_retry_queue_is_empty()
        self.cloud.client("sqs").purge_queue(QueueUrl=self.outputs[Output.DEAD_LETTER_QUEUE_URL])

    def marker(self, user_name: str) -> str | None:
        """Return the value of a user's marker attribute."""
        user = self.cloud.client("cognito-idp").admin_get_user(UserPoolId=self.user_pool_id, Username=user_name)
        values = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
        return values.get(f"custom:{MARKER_ATTRIBUTE}")

    def detach(self, identity_id: str) -> None:
        self.cloud.client("iot").detach_policy(policyName=self.policy_name, target=identity_id)

    def connects(self, credentials: Credentials) -> bool:
        """Return whether AWS IoT accepts a connection with these credentials."""
        with websocket(self.cloud, credentials) as mqtt:
            return mqtt.connect(uuid.uuid4().hex) == 0

    def targets(self) -> set[str]:
        """Return the targets of the IoT policy."""
        pages = self.cloud.client("iot").get_paginator("list_targets_for_policy")
        found = pages.paginate(policyName=self.policy_name, pageSize=250)
        return {target for page in found for target in page["targets"]}

    def resource(self, resource_type: str, part_of_logical_id: str = "") -> str:
        """Return the physical id of the stack's only resource of this type and logical id."""
        pages = self.cloud.client("cloudformation").get_paginator("list_stack_resources")
        (found,) = (
            each["PhysicalResourceId"]
            for page in pages.paginate(StackName=self.app.stack_name)
            for each in page["StackResourceSummaries"]
            if each["ResourceType"] == resource_type and part_of_logical_id in each["LogicalResourceId"]
        )
        return str(found)

    @property
    def internal_client_id(self) -> str:
        name = f"/{self.app.stack_name}/sign-in-attachment"
        value = self.cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        return str(json.loads(value)["internalClientId"])

    def update_identity_pool(self, **changes: Any) -> dict[str, Any]:
        """Change the identity pool, and return the parameters that change it back."""
        identities = self.cloud.client("cognito-identity")
        described = identities.describe_identity_pool(IdentityPoolId=self.outputs[Output.IDENTITY_POOL_ID])
        before = {key: value for key, value in described.items() if key != "ResponseMetadata" and value not in ("", {})}
        identities.update_identity_pool(**before | changes)
        return before

    def remove_provider(self, client_id: str) -> None:
        """Remove an app client from the identity pool's providers."""
        providers = self.update_identity_pool()["CognitoIdentityProviders"]
        self.update_identity_pool(
            CognitoIdentityProviders=[each for each in providers if each["ClientId"] != client_id]
        )

    @contextmanager
    def guests_allowed(self) -> Iterator[None]:
        """Let the identity pool create guest identities during the block."""
        before = self.update_identity_pool(AllowUnauthenticatedIdentities=True)
        try:
            yield
        finally:
            self.cloud.client("cognito-identity").update_identity_pool(**before)

    def calls_since(self, before: dict[str, int]) -> dict[str, int]:
        """Return the number of calls since ``before`` by operation."""
        now = self.cloud.calls()
        return {name: count - before.get(name, 0) for name, count in now.items() if count != before.get(name, 0)}

    def trigger_lines(self) -> list[dict[str, Any]]:
        """Return the trigger's log lines, oldest first."""
        return self.log_lines(self.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME])

    def log_lines(self, function_name: str) -> list[dict[str, Any]]:
        """Return a function's JSON log lines, oldest first."""
        function = self.cloud.client("lambda").get_function_configuration(FunctionName=function_name)
        pages = self.cloud.client("logs").get_paginator("filter_log_events")
        events = [
            event
            for page in pages.paginate(logGroupName=function["LoggingConfig"]["LogGroup"])
            for event in page["events"]
        ]
        lines = [event["message"].strip() for event in sorted(events, key=lambda each: each["timestamp"])]
        return [json.loads(line) for line in lines if line.startswith("{")]

    @contextmanager
    def variables_of(self, function: str, variables: Mapping[str, str | None], **settings: Any) -> Iterator[None]:
        """Change environment variables, without those that are None, and settings of a function during the block."""
        functions = self.cloud.client("lambda")
        before = functions.get_function_configuration(FunctionName=function)
        own = before["Environment"]["Variables"]
        changed = {name: value for name, value in {**own, **variables}.items() if value is not None}
        update = partial(functions.update_function_configuration, FunctionName=function)
        update(Environment={"Variables": changed}, **settings)
        try:
            yield
        finally:
            update(Environment={"Variables": own}, **{name: before[name] for name in settings})

    @contextmanager
    def action_denied(self, action: str, *functions: str) -> Iterator[None]:
        """Remove an action from the inline policies of the functions' roles during the block."""
        iam, before = self.cloud.client("iam"), []
        for function in functions:
            configuration = self.cloud.client("lambda").get_function_configuration(FunctionName=function)
            role = configuration["Role"].rpartition("/")[2]
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
                document = json.dumps(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
                if action in document:
                    before.append({"RoleName": role, "PolicyName": name, "PolicyDocument": document})
                    iam.put_role_policy(**before[-1] | {"PolicyDocument": document.replace(action, f"{action}Not")})
        assert len(before) >= len(functions), f"no inline policy allows {action}"
        try:
            yield
        finally:
            for policy in before:
                iam.put_role_policy(**policy)

    def pubsub(self, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ``pubsub`` against this deployment, with additional environment variables."""
        command, *options = arguments
        return run_pubsub(
            [command, "--stack", self.app.stack_name, *options], self.cloud.environment() | variables, stdin
        )

    def doctor(self, *check_ids: str) -> dict[str, Any]:
        """Run these checks with `pubsub doctor --json`, and return the document."""
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
    """Deploy on a local cloud that stops after the block, by default with the repository's settings.

    A test run deploys once per set of settings; later blocks restore the saved state.
    """
    with ExitStack() as contexts:
        with shared("deployment", directory, settings) as state:
            saved = state if state.exists() else None
            cloud = contexts.enter_context(LocalCloud.start(saved=saved, log_file=directory / "cloud.log"))
            app = StackApp(cloud, directory, settings)
            app.synth()
            if not saved:
                app.deploy()
                cloud.save(state)
        made = Deployment(cloud, app, app.write_outputs())
        warm(made)
        yield made


LEAST_PRIVILEGE: dict[str, Any] = {
    "accessMode": "least-privilege",
    "topics": ["room/*", "messages"],
    "groups": ["admins"],
}


@contextmanager
def updated_to_least_privilege(directory: Path) -> Iterator[Deployment]:
    """Yield a deployment in access mode least-privilege that was ``guarded`` when the user ada signed in."""
    with ExitStack() as contexts:
        with shared("least-privilege", directory) as state:
            if state.exists():
                cloud = contexts.enter_context(LocalCloud.start(saved=state, log_file=directory / "cloud.log"))
                app = StackApp(cloud, directory, LEAST_PRIVILEGE)
                app.synth()
            else:
                (directory / "guarded").mkdir()
                guarded = contexts.enter_context(deployed(directory / "guarded"))
                guarded.sign_in(guarded.make_user("ada"))
                app = StackApp(guarded.cloud, directory, LEAST_PRIVILEGE)
                deploy(app)
                guarded.cloud.save(state)
        updated = Deployment(app.cloud, app, app.write_outputs())
        warm(updated)
        yield updated


def warm(deployment: Deployment) -> None:
    """Start the functions, because a cold start on a busy machine can exceed the trigger's budget."""
    deployment.sign_in(deployment.make_user())
    if Output.RETRY_QUEUE_URL in deployment.outputs:
        deployment.wait_until_retry_queue_is_empty()


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud without a deployment."""
    with LocalCloud.start(log_file=tmp_path_factory.mktemp("account") / "cloud.log") as cloud:
        yield cloud


def deploy(app: StackApp) -> Deployment:
    """Synthesize and deploy an app, for the first time or as an update."""
    app.synth()
    return Deployment(app.cloud, app, app.deploy())


def check(document: dict[str, Any], check_id: str) -> dict[str, Any]:
    """Return one check of a document."""
    (found,) = (each for each in document["checks"] if each["id"] == check_id)
    return dict(found)
