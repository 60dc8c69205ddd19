"""Access mode least-privilege where there was something before: users of another mode, an Amplify project's roles."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from local_cloud.cdk_app import CdkApp
from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output
from tests.e2e.amplify_project.project import STACK, AmplifyProject
from tests.e2e.conftest import PASSWORD, Deployment
from tests.integration.local_cloud.mqtt import websocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.integration.local_cloud.account import Credentials


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    directory = tmp_path_factory.mktemp("access-modes")
    with LocalCloud.start(log_file=directory / "cloud.log") as started:
        CdkApp(started, directory).bootstrap()
        yield started


def _deploy(cloud: LocalCloud, directory: Path, **settings: Any) -> Deployment:
    app = CdkApp(cloud, directory, settings=settings)
    app.synth()
    return Deployment(cloud, app, app.deploy())


def _reached(cloud: LocalCloud, credentials: Credentials, client_id: str, *topics: str) -> list[str]:
    """Return those of the topics that may be subscribed to; none without a connection."""
    reached = []
    for topic in topics:
        with websocket(cloud, credentials) as mqtt:
            if mqtt.connect(client_id) == 0 and mqtt.subscribe(topic) == 0:
                reached.append(topic)
    return reached


def test_users_keep_identity_and_attachment_when_the_mode_changes_and_changes_back(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    guarded = _deploy(cloud, tmp_path / "guarded")
    user = guarded.make_user()
    identity_id = guarded.identity_id(guarded.sign_in(user))
    own, other, shared, some = (
        f"{identity_id}/orders",
        f"us-east-1:{uuid.uuid4()}/orders",
        "room/lobby",
        str(uuid.uuid4()),
    )
    asked = (own, other, shared)

    def reached(deployment: Deployment, client_id: str) -> list[str]:
        tokens = deployment.sign_in(user)
        assert deployment.identity_id(tokens) == identity_id
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]
        return _reached(cloud, deployment.credentials(tokens), client_id, *asked)

    assert reached(guarded, some) == [*asked]
    strict = _deploy(cloud, tmp_path / "strict", accessMode="least-privilege", topics=["room/*"])
    assert reached(strict, f"{identity_id}-{some}") == [own, shared]
    assert reached(strict, some) == []
    assert strict.smoke()["summary"]["exit_code"] == 0
    back = _deploy(cloud, tmp_path / "back")
    assert reached(back, some) == [*asked]
    assert back.smoke()["summary"]["exit_code"] == 0
    back.app.destroy()


def test_an_adopted_projects_users_have_topics_of_their_own_and_its_roles_are_as_before_afterwards(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    project = AmplifyProject.make(cloud)
    before = project.configuration()
    names = [project.make_user("ada", PASSWORD), project.make_user("admin", PASSWORD, group="admins")]
    adopted = _deploy(cloud, tmp_path, adopt={"amplifyStack": STACK}, accessMode="least-privilege", topics=["room/*"])
    users = []
    for name in names:
        tokens = adopted.sign_in(name)
        credentials = adopted.credentials(tokens)
        assert adopted.self_attach(credentials).body["status"] == "repaired"
        users.append((adopted.identity_id(tokens), credentials))
    for (me, credentials), (other, _) in (users, reversed(users)):
        asked = (f"{me}/orders", "room/lobby", f"{other}/orders", "orders")
        assert _reached(cloud, credentials, f"{me}-1", *asked) == [f"{me}/orders", "room/lobby"]
        assert _reached(cloud, credentials, f"{other}-1", "room/lobby") == []
        iot = adopted.as_user("iot", credentials)
        with pytest.raises(iot.exceptions.ClientError, match="explicit deny"):
            iot.list_policies()
    assert adopted.outputs[Output.AUTH_ROLE_ARN] == project.role_arn(project.auth_role)
    assert adopted.smoke()["summary"]["exit_code"] == 0
    adopted.app.destroy()
    assert project.configuration() == before


def test_an_adopted_projects_roles_lose_what_another_mode_does_not_attach(cloud: LocalCloud, tmp_path: Path) -> None:
    project = AmplifyProject.make(cloud, "amplify-chat-dev-103246")
    before = project.configuration()
    iam = cloud.client("iam")
    guides, deny = {"AWSIoTDataAccess", "AWSIoTConfigAccess"}, {"deny"}
    modes = {"guarded": guides | deny, "least-privilege": deny, "documented": guides}
    for mode, expected in modes.items():
        deployed = _deploy(cloud, tmp_path / mode, adopt={"amplifyStack": project.stack}, accessMode=mode)
        for role in (project.auth_role, project.admins_role):
            attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
            names = {"deny" if "ControlPlaneDeny" in each["PolicyName"] else each["PolicyName"] for each in attached}
            assert names == expected, mode
    deployed.app.destroy()
    assert project.configuration() == before
