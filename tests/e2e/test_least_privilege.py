"""Access mode least-privilege with two users: own and shared topics work, nothing of the other's does."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pubsub_client import AwsIot, CognitoSession, PubSub
from pubsub_client.exceptions import ConnectionRefused
from pubsub_client.outputs import MANAGED_POLICIES, Output
from tests.e2e.conftest import PASSWORD, Deployment, check, deployed
from tests.integration.local_cloud.mqtt import websocket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.local_cloud.account import Credentials

User = tuple[str, str]
"""A name and an identity id."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    settings = {"accessMode": "least-privilege", "topics": ["room/*"], "groups": ["admins"]}
    with deployed(tmp_path_factory.mktemp("least-privilege"), settings) as made:
        yield made


@pytest.fixture(scope="module")
def ada(strict: Deployment) -> User:
    name = strict.make_user()
    return name, strict.identity_id(strict.sign_in(name))


@pytest.fixture(scope="module")
def ben(strict: Deployment) -> User:
    """A user of a group, with the group's role."""
    name = strict.make_user()
    strict.add_to_group(name, "admins")
    return name, strict.identity_id(strict.sign_in(name))


def _auth_role(strict: Deployment) -> str:
    return strict.outputs[Output.AUTH_ROLE_ARN].rpartition("/")[2]


def _credentials(strict: Deployment, user: User) -> Credentials:
    return strict.credentials(strict.sign_in(user[0]))


@pytest.mark.parametrize("who", ["ada", "ben"])
def test_own_and_shared_topics_work(strict: Deployment, who: str, request: pytest.FixtureRequest) -> None:
    user: User = request.getfixturevalue(who)
    credentials = _credentials(strict, user)
    for topic in (f"{user[1]}/orders", "room/lobby"):
        with websocket(strict.cloud, credentials) as mqtt:
            assert mqtt.connect(f"{user[1]}-{uuid.uuid4()}") == 0
            assert mqtt.subscribe(topic) == 0, topic


@pytest.mark.parametrize("topic", ["{other}/orders", "{other}/#", "+/orders", "#", "orders", "room"])
def test_no_other_topic_can_be_read(strict: Deployment, ada: User, ben: User, topic: str) -> None:
    for me, other in ((ada, ben), (ben, ada)):
        with websocket(strict.cloud, _credentials(strict, me)) as mqtt:
            assert mqtt.connect(f"{me[1]}-{uuid.uuid4()}") == 0
            assert mqtt.subscribe(topic.format(other=other[1])) != 0


@pytest.mark.parametrize("topic", ["{other}/orders", "orders", "room"])
def test_no_other_topic_can_be_written(strict: Deployment, ada: User, ben: User, topic: str) -> None:
    for me, other in ((ada, ben), (ben, ada)):
        with websocket(strict.cloud, _credentials(strict, me)) as mqtt:
            assert mqtt.connect(f"{me[1]}-{uuid.uuid4()}") == 0
            assert mqtt.publish(topic.format(other=other[1]), b"intruder") != 0


def test_no_other_client_id_can_be_taken(strict: Deployment, ada: User, ben: User) -> None:
    for me, other in ((ada, ben), (ben, ada)):
        for client_id in (other[1], f"{other[1]}-1", str(uuid.uuid4())):
            with websocket(strict.cloud, _credentials(strict, me)) as mqtt:
                assert mqtt.connect(client_id) != 0, client_id


def test_the_control_plane_stays_closed(strict: Deployment, ada: User, ben: User) -> None:
    for user in (ada, ben):
        iot = strict.as_user("iot", _credentials(strict, user))
        with pytest.raises(iot.exceptions.ClientError, match="not authorized"):
            iot.list_policies()


@pytest.fixture
def on_the_cloud(strict: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our client, in this process, asks the embedded cloud."""
    for name, value in strict.cloud.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("on_the_cloud")
async def test_our_client_makes_up_a_client_id_that_is_allowed(strict: Deployment, ada: User) -> None:
    session = CognitoSession.from_outputs(strict.outputs)
    await session.sign_in(ada[0], PASSWORD)
    provider = AwsIot.from_outputs(strict.outputs, session)
    async with PubSub(provider) as one, PubSub(provider) as two, two.subscribe(f"{ada[1]}/#") as mine:
        assert one.client_id != two.client_id
        assert one.client_id.startswith(f"{ada[1]}-")
        await one.publish(f"{ada[1]}/orders", {"state": "packed"})
        assert (await anext(aiter(mine))).payload == {"state": "packed"}


@pytest.mark.usefixtures("on_the_cloud")
async def test_our_client_is_refused_with_another_client_id(strict: Deployment, ada: User) -> None:
    session = CognitoSession.from_outputs(strict.outputs)
    await session.sign_in(ada[0], PASSWORD)
    with pytest.raises(ConnectionRefused):
        async with PubSub(AwsIot.from_outputs(strict.outputs, session), client_id="tablet-7", connect_timeout=2):
            pass


def test_the_smoke_test_passes_and_tries_anothers_topics(strict: Deployment) -> None:
    document = strict.smoke()
    wrong = [(each["id"], each["detail"]) for each in document["checks"] if each["status"] not in ("passed", "skipped")]
    assert wrong == []
    assert check(document, "PS413")["status"] == "passed"


@pytest.mark.parametrize(
    ("action", "what"),
    [("iot:Connect", "connect with client id"), ("iot:Subscribe", "subscribe to"), ("iot:Publish", "publish to")],
)
def test_the_smoke_test_names_what_is_open_to_others(strict: Deployment, action: str, what: str) -> None:
    iam, iot, role = strict.cloud.client("iam"), strict.cloud.client("iot"), _auth_role(strict)
    policy = iot.get_policy(policyName=strict.policy_name)
    opened = {"Effect": "Allow", "Action": action, "Resource": "*"}
    document = json.loads(policy["policyDocument"])
    document["Statement"].append(opened)
    statement = json.dumps({"Version": "2012-10-17", "Statement": [opened]})
    iam.put_role_policy(RoleName=role, PolicyName="Opened", PolicyDocument=statement)
    version = iot.create_policy_version(
        policyName=strict.policy_name, policyDocument=json.dumps(document), setAsDefault=True
    )["policyVersionId"]
    try:
        failure = check(strict.smoke(), "PS413")
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="Opened")
        iot.set_default_policy_version(policyName=strict.policy_name, policyVersionId=policy["defaultVersionId"])
        iot.delete_policy_version(policyName=strict.policy_name, policyVersionId=version)
    assert failure["status"] == "failed"
    assert f"A signed-in user may {what}" in failure["cause"]


def test_a_role_that_holds_more_is_told_and_one_that_opens_the_control_plane_is_mended(strict: Deployment) -> None:
    iam, role = strict.cloud.client("iam"), _auth_role(strict)
    data, config = (f"arn:aws:iam::aws:policy/{name}" for name in MANAGED_POLICIES)
    iam.attach_role_policy(RoleName=role, PolicyArn=data)
    try:
        told = check(strict.smoke(), "PS301")
        iam.attach_role_policy(RoleName=role, PolicyArn=config)
        failure = check(strict.smoke(), "PS301")
    finally:
        for arn in (data, config):
            with suppress(iam.exceptions.NoSuchEntityException):
                iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    assert told["status"] == "passed"
    assert told["detail"].startswith("it holds AWSIoTDataAccess besides")
    assert failure["fix"] == f"aws iam detach-role-policy --role-name {role} --policy-arn {config}"


@pytest.mark.parametrize(("topic", "code"), [("{own}/orders", 0), ("room/lobby", 0), ("{other}/orders", 1)])
def test_the_command_publishes_as_a_user_where_that_user_may(
    strict: Deployment, ada: User, ben: User, topic: str, code: int
) -> None:
    asked = ("--topic", topic.format(own=ada[1], other=ben[1]), '{"n": 1}', "--user", ada[0], "--timeout", "10")
    done = strict.pubsub("publish", *asked, "--password-stdin", stdin=PASSWORD)
    assert done.returncode == code, done.stderr


def test_the_doctor_names_what_is_anothers(strict: Deployment, ada: User, ben: User) -> None:
    def asked(*arguments: str) -> dict[str, str]:
        done = strict.pubsub("doctor", "--json", "--user", ada[0], *arguments)
        return {each["id"]: each["status"] for each in json.loads(done.stdout)["checks"]}

    own = asked("--topic", f"{ada[1]}/orders", "--client-id", f"{ada[1]}-1")
    assert (own["PS306"], own["PS307"]) == ("passed", "passed")
    for foreign in (("--topic", f"{ben[1]}/orders"), ("--client-id", ben[1])):
        assert "failed" in {asked(*foreign)[each] for each in ("PS306", "PS307")}


def test_the_policy_and_the_roles_say_the_same(strict: Deployment) -> None:
    iam, iot = strict.cloud.client("iam"), strict.cloud.client("iot")
    role = _auth_role(strict)
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    document = json.loads(iot.get_policy(policyName=strict.policy_name)["policyDocument"])
    assert "${cognito-identity.amazonaws.com:sub}/*" in json.dumps(document)
