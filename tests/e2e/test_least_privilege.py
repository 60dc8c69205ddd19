"""Access mode least-privilege, after an update: users reach only their own and shared topics. Access mode unguarded."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pubsub_client import AwsIot, CognitoSession, PubSub
from pubsub_client.outputs import MANAGED_POLICIES, Output
from tests.e2e.conftest import PASSWORD, Deployment, check, deploy, deployed, updated_to_least_privilege
from tests.e2e.stack_app import StackApp
from tests.integration.local_cloud.account import Credentials
from tests.integration.local_cloud.mqtt import websocket

User = tuple[str, str]
"""A name and an identity id."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with updated_to_least_privilege(tmp_path_factory.mktemp("least-privilege")) as updated:
        yield updated


@pytest.fixture(scope="module")
def ada(strict: Deployment) -> User:
    """A user from before the update, with the identity id of that time."""
    marker = strict.marker("ada")
    assert marker
    return "ada", marker.split("/")[1]


@pytest.fixture(scope="module")
def ben(strict: Deployment) -> User:
    """A user with the role of a group."""
    name = strict.make_user()
    strict.add_to_group(name, "admins")
    return name, strict.identity_id(strict.sign_in(name))


def _auth_role(strict: Deployment) -> str:
    return strict.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]


def _credentials(strict: Deployment, user: User) -> Credentials:
    return strict.credentials(strict.sign_in(user[0]))


def test_users_keep_identity_and_attachment_when_the_mode_changes(strict: Deployment, ada: User) -> None:
    assert strict.identity_id(strict.sign_in(ada[0])) == ada[1]
    assert strict.attached_policies(ada[1]) == ["myIoTPolicy"]


def test_users_reach_only_their_own_and_shared_topics(strict: Deployment, ada: User, ben: User) -> None:
    for me, other in ((ada, ben), (ben, ada)):
        credentials = _credentials(strict, me)
        topics = {
            f"{me[1]}/orders": True,
            "room/lobby": True,
            f"{other[1]}/orders": False,
            "+/orders": False,
            "#": False,
        }
        for topic, allowed in topics.items():
            with websocket(strict.cloud, credentials) as mqtt:
                assert mqtt.connect(f"{me[1]}-{uuid.uuid4()}") == 0
                assert (mqtt.subscribe(topic) == 0) is allowed, topic
        with websocket(strict.cloud, credentials) as mqtt:
            assert mqtt.connect(f"{me[1]}-{uuid.uuid4()}") == 0
            assert mqtt.publish(f"{other[1]}/orders", b"intruder") != 0
        for client_id in (other[1], f"{other[1]}-1", str(uuid.uuid4())):
            with websocket(strict.cloud, credentials) as mqtt:
                assert mqtt.connect(client_id) != 0, client_id
        iot = strict.as_user("iot", credentials)
        with pytest.raises(iot.exceptions.ClientError, match="not authorized"):
            iot.list_policies()


@pytest.fixture
def on_the_cloud(strict: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this project's client in this process use the local cloud."""
    for name, value in strict.cloud.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("on_the_cloud")
async def test_client_chooses_an_allowed_client_id(strict: Deployment, ada: User) -> None:
    session = CognitoSession.from_outputs(strict.outputs)
    await session.sign_in(ada[0], PASSWORD)
    provider = AwsIot.from_outputs(strict.outputs, session)
    async with PubSub(provider) as one, PubSub(provider) as two, two.subscribe(f"{ada[1]}/#") as mine:
        assert one.client_id != two.client_id
        assert one.client_id.startswith(f"{ada[1]}-")
        await one.publish(f"{ada[1]}/orders", {"state": "packed"})
        assert (await anext(aiter(mine))).payload == {"state": "packed"}


def test_smoke_passes_and_tries_another_users_topics(strict: Deployment) -> None:
    document = strict.smoke()
    wrong = [(each["id"], each["detail"]) for each in document["checks"] if each["status"] not in ("passed", "skipped")]
    assert wrong == []
    assert check(document, "PS413")["status"] == "passed"


def test_smoke_reports_access_to_another_users_topics(strict: Deployment) -> None:
    iam, iot, role = strict.cloud.client("iam"), strict.cloud.client("iot"), _auth_role(strict)
    policy = iot.get_policy(policyName=strict.policy_name)
    document = json.loads(policy["policyDocument"])
    actions = {"iot:Connect": "connect with client id", "iot:Subscribe": "subscribe to", "iot:Publish": "publish to"}
    for action, what in actions.items():
        opened = {"Effect": "Allow", "Action": action, "Resource": "*"}
        statement = json.dumps({"Version": "2012-10-17", "Statement": [opened]})
        iam.put_role_policy(RoleName=role, PolicyName="Opened", PolicyDocument=statement)
        version = iot.create_policy_version(
            policyName=strict.policy_name,
            policyDocument=json.dumps(document | {"Statement": [*document["Statement"], opened]}),
            setAsDefault=True,
        )["policyVersionId"]
        try:
            failure = check(strict.smoke(), "PS413")
        finally:
            iam.delete_role_policy(RoleName=role, PolicyName="Opened")
            iot.set_default_policy_version(policyName=strict.policy_name, policyVersionId=policy["defaultVersionId"])
            iot.delete_policy_version(policyName=strict.policy_name, policyVersionId=version)
        assert failure["status"] == "failed"
        assert f"A signed-in user may {what}" in failure["cause"]


def test_smoke_reports_additional_role_policies(strict: Deployment) -> None:
    iam, role = strict.cloud.client("iam"), _auth_role(strict)
    data, config = (f"arn:aws:iam::aws:policy/{name}" for name in MANAGED_POLICIES)
    iam.attach_role_policy(RoleName=role, PolicyArn=data)
    try:
        additional = check(strict.smoke(), "PS308")
        iam.attach_role_policy(RoleName=role, PolicyArn=config)
        failure = check(strict.smoke(), "PS308")
    finally:
        for arn in (data, config):
            with suppress(iam.exceptions.NoSuchEntityException):
                iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    assert additional["status"] == "passed"
    assert failure["fix"] == f"aws iam detach-role-policy --role-name {role} --policy-arn {config}"


def test_doctor_rejects_another_users_topic_and_client_id(strict: Deployment, ada: User, ben: User) -> None:
    def asked(*arguments: str) -> dict[str, str]:
        done = strict.pubsub("doctor", "--json", "--user", ada[0], *arguments)
        return {each["id"]: each["status"] for each in json.loads(done.stdout)["checks"]}

    own = asked("--topic", f"{ada[1]}/orders", "--client-id", f"{ada[1]}-1")
    assert (own["PS306"], own["PS307"]) == ("passed", "passed")
    for foreign in (("--topic", f"{ben[1]}/orders"), ("--client-id", ben[1])):
        assert "failed" in {asked(*foreign)[each] for each in ("PS306", "PS307")}


def test_unguarded_mode_leaves_the_control_plane_open(tmp_path: Path) -> None:
    with deployed(tmp_path) as guarded:
        documented = deploy(StackApp(guarded.cloud, tmp_path / "unguarded", {"accessMode": "unguarded"}))
        document = documented.smoke()
        assert document["summary"]["exit_code"] == 0, document
        assert check(document, "PS308")["cause"] == "accessMode unguarded has no guard"
        assert check(document, "PS312")["status"] == "skipped"
        credentials = documented.credentials(documented.sign_in(documented.make_user()))
        names = [each["policyName"] for each in documented.as_user("iot", credentials).list_policies()["policies"]]
        assert documented.policy_name in names
