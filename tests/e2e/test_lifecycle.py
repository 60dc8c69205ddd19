"""The policy is renamed, an update rolls back, the identity pool is replaced, and the stack is destroyed."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_cloud.provisioning import ProvisioningError
from pubsub_client import AwsIot, CognitoSession, ConnectionState, PubSub
from pubsub_client.outputs import Output
from tests.e2e.conftest import FAST, PASSWORD, Deployment, deployed
from tests.e2e.stack_app import StackApp

_CLIENTS = 2
_ALL_CONNECTED_SECONDS = 30
_PAUSE_SECONDS = 0.5  # so that the update has CPU time
_OLD, _NEW = "myIoTPolicy", "chatPolicy"
_FROM_BEFORE, _AT_THE_END = 70, 500
# On AWS this takes minutes, and the state machine waits for ten.
_PROPAGATION_SECONDS, _WAITS_SECONDS = 1, 2


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Deployment]:
    with deployed(tmp_path, FAST) as made:
        yield made


def _seed(deployment: Deployment, count: int, policy_name: str = _OLD) -> list[str]:
    """Create attached identities of users who do not sign in during the test."""
    identity_ids = deployment.cloud.seed_identities(deployment.outputs[Output.IDENTITY_POOL_ID], count)
    deployment.cloud.seed_attachments(policy_name, identity_ids)
    return identity_ids


def _app(own: Deployment, policy_name: str, *, fails: bool = False) -> StackApp:
    """Synthesize the stack with this policy name, and with short waits."""
    directory = own.app.directory / f"{policy_name}-{'fails' if fails else 'succeeds'}"
    app = StackApp(own.cloud, directory, FAST | {"policyName": policy_name})
    app.synth()
    template = json.loads(app.template_file.read_text())
    functions = {
        each["Properties"]["Handler"]: each["Properties"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
    }
    functions["detach_all.handler"]["Environment"]["Variables"]["PROPAGATION_SECONDS"] = str(_WAITS_SECONDS)
    # The function leaves the last two minutes unused, so each wait continues in another invocation.
    functions["iot_resources.handler"]["Timeout"] = 121
    if fails:
        template["Resources"]["Broken"] = {
            "Type": "AWS::SSM::Parameter",
            # A parameter with this name exists, so the creation of this last resource fails.
            "Properties": {"Name": "/AmplifyPubSub/attachment-paused", "Type": "String", "Value": "false"},
            "DependsOn": [each for each in template["Resources"] if each.startswith("DeletionGuard")],
        }
    app.template_file.write_text(json.dumps(template))
    return app


def _with_another_identity_pool(app: StackApp) -> StackApp:
    text = app.template_file.read_text()
    template = json.loads(text)
    (pool,) = (name for name, each in template["Resources"].items() if each["Type"] == "AWS::Cognito::IdentityPool")
    fingerprint = template["Outputs"]["AttachmentMarker"]["Value"]["Fn::Join"][1][0].partition("-")[0]
    app.template_file.write_text(text.replace(pool, f"Other{pool}").replace(fingerprint, "0123abcd"))
    return app


def _policies(deployment: Deployment) -> list[str]:
    return [each["policyName"] for each in deployment.cloud.client("iot").list_policies()["policies"]]


def test_policy_rename_and_rollback_leave_no_user_without_a_policy(own: Deployment) -> None:
    own.cloud.policy_propagation_seconds = _PROPAGATION_SECONDS
    traffic = Traffic(own)
    traffic.identity_ids += _seed(own, _FROM_BEFORE)
    with traffic.running():
        at_start = traffic.counts
        outputs = _app(own, _NEW).deploy()
        renamed = traffic.counts
        assert outputs[Output.POLICY_NAME] == _NEW
        assert _policies(own) == [_NEW]
        assert {tuple(own.attached_policies(each)) for each in traffic.identity_ids} == {(_NEW,)}
        with pytest.raises(ProvisioningError, match="Broken"):
            _app(own, _OLD, fails=True).deploy()
        rolled_back = traffic.counts
    assert traffic.failures == []
    for counts in zip(at_start, renamed, rolled_back, strict=True):
        assert sorted({*counts}) == [*counts], "each kind of traffic continues during both updates"
    (stack,) = own.cloud.client("cloudformation").describe_stacks(StackName=own.app.stack_name)["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert _policies(own) == [_NEW]
    assert {tuple(own.attached_policies(each)) for each in traffic.identity_ids} == {(_NEW,)}


def test_identity_pool_replacement_moves_attachments_and_destroy_removes_all(own: Deployment) -> None:
    user = own.make_user()
    before = [*_seed(own, _FROM_BEFORE), own.identity_id(own.sign_in(user))]
    app = _with_another_identity_pool(_app(own, _OLD))
    moved = Deployment(own.cloud, app, app.deploy())
    assert moved.outputs[Output.IDENTITY_POOL_ID] != own.outputs[Output.IDENTITY_POOL_ID]
    assert {tuple(own.attached_policies(each)) for each in before} == {()}
    identity_id = moved.identity_id(moved.sign_in(user))
    assert moved.attached_policies(identity_id) == [_OLD]

    identity_ids = [identity_id, *_seed(moved, _AT_THE_END)]
    calls, started = moved.cloud.calls(), time.monotonic()
    app.destroy()
    seconds = time.monotonic() - started
    detached = moved.calls_since(calls)["iot:DetachPolicy"]
    assert detached >= len(identity_ids)
    assert detached / seconds <= FAST["detachPerSecond"], "faster than the rate of the settings"
    assert {tuple(moved.attached_policies(each)) for each in identity_ids[:50]} == {()}
    _expect_nothing_left(moved)


def _expect_nothing_left(deployment: Deployment) -> None:
    client = deployment.cloud.client
    for service, operation, members in (
        ("apigatewayv2", "get_apis", "Items"),
        ("cloudwatch", "describe_alarms", "MetricAlarms"),
        ("cloudwatch", "list_dashboards", "DashboardEntries"),
        ("events", "list_rules", "Rules"),
        ("iot", "list_policies", "policies"),
        ("lambda", "list_event_source_mappings", "EventSourceMappings"),
        ("lambda", "list_functions", "Functions"),
        ("logs", "describe_log_groups", "logGroups"),
        ("sqs", "list_queues", "QueueUrls"),
        ("stepfunctions", "list_state_machines", "stateMachines"),
    ):
        assert getattr(client(service), operation)().get(members, []) == [], operation
    assert client("cognito-idp").list_user_pools(MaxResults=10)["UserPools"] == []
    assert client("cognito-identity").list_identity_pools(MaxResults=10)["IdentityPools"] == []
    assert client("iam").list_policies(Scope="Local")["Policies"] == []
    parameters = client("ssm").describe_parameters()["Parameters"]
    assert [each["Name"] for each in parameters if not each["Name"].startswith("/cdk-bootstrap/")] == []
    roles = client("iam").list_roles()["Roles"]
    assert [each["RoleName"] for each in roles if each["RoleName"].startswith("AmplifyPubSub")] == []
    keys = [
        client("kms").describe_key(KeyId=each["KeyId"])["KeyMetadata"] for each in client("kms").list_keys()["Keys"]
    ]
    assert {each["KeyState"] for each in keys} <= {"PendingDeletion"}


class Traffic:
    """Users of a deployment during an update: some stay connected and publish, others sign in."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._old_users = [deployment.make_user() for _ in range(_CLIENTS)]
        self.identity_ids: list[str] = []
        """Identities that were attached at some time."""
        self.signed_in = 0
        self.published = 0
        self.observations = 0
        self.failures: list[str] = []

    @property
    def counts(self) -> tuple[int, int, int]:
        """The numbers of sign-ins, published messages and observations until now."""
        return self.signed_in, self.published, self.observations

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the traffic during the block. All clients are connected when the block begins."""
        ended = threading.Event()
        connected = threading.Semaphore(0)
        tasks: list[Callable[[], None]] = [
            lambda: self._sign_in(ended),
            lambda: self._observe(ended),
            lambda: asyncio.run(self._stay_connected(ended, connected)),
        ]
        threads = [threading.Thread(target=self._run, args=(task,)) for task in tasks]
        for user in self._old_users:
            self._sign_in_once(user)
        time.sleep(self._deployment.cloud.policy_propagation_seconds)
        for thread in threads:
            thread.start()
        try:
            for _ in range(_CLIENTS):
                assert connected.acquire(timeout=_ALL_CONNECTED_SECONDS), self.failures
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def _run(self, task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - the test reports it
            self.failures.append(repr(error))

    def _sign_in(self, ended: threading.Event) -> None:
        """Sign in existing and new users in turn."""
        turn = 0
        while not ended.is_set():
            self._sign_in_once(self._old_users[turn % _CLIENTS])
            self._sign_in_once(self._deployment.make_user())
            turn += 1
            ended.wait(_PAUSE_SECONDS)

    def _sign_in_once(self, user: str) -> None:
        tokens = self._deployment.sign_in(user)
        identity_id = self._deployment.identity_id(tokens)
        self.signed_in += 1
        # An attachment that fails at sign-in is pending until the worker makes it.
        self._deployment.wait_until_attached(identity_id)
        if identity_id not in self.identity_ids:
            self.identity_ids.append(identity_id)

    def _observe(self, ended: threading.Event) -> None:
        while not ended.is_set():
            for identity_id in tuple(self.identity_ids):
                self.observations += 1
                if not self._deployment.attached_policies(identity_id):
                    self.failures.append(f"no policy is attached to {identity_id}")
                ended.wait(_PAUSE_SECONDS / 20)

    async def _stay_connected(self, ended: threading.Event, connected: threading.Semaphore) -> None:
        async with asyncio.TaskGroup() as clients:
            for user in self._old_users:
                clients.create_task(self._chat(user, ended, connected))

    async def _chat(self, user: str, ended: threading.Event, connected: threading.Semaphore) -> None:
        outputs = self._deployment.outputs
        session = CognitoSession.from_outputs(outputs, self._deployment.cloud.endpoint_url)
        await session.sign_in(user, PASSWORD)
        endpoint = outputs[Output.PUBSUB_ENDPOINT]
        provider = AwsIot(endpoint=endpoint, region=self._deployment.cloud.region, credentials=session)
        topic = f"chat/{user}"
        async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
            connected.release()
            while not ended.is_set():
                sent = time.monotonic()
                await pubsub.publish(topic, sent)
                async with asyncio.timeout(30):
                    assert (await anext(messages)).payload == sent
                self.published += 1
                # A disconnected client would reconnect by itself and send later.
                if pubsub.state is not ConnectionState.CONNECTED:
                    self.failures.append(f"{user} is {pubsub.state}")
                # A new connection of the same user is authorized again.
                async with PubSub(provider):
                    await asyncio.sleep(_PAUSE_SECONDS)
