"""A deployment while IAM takes its time: each custom resource is called before its permissions act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_cloud.cdk_app import CdkApp
from local_cloud.process import LocalCloud
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment, synthesize

if TYPE_CHECKING:
    from pathlib import Path

# Longer than it takes to get from a policy to what needs it.
SECONDS = 6


def test_a_deployment_succeeds_and_so_do_adding_a_group_and_destroying(tmp_path: Path) -> None:
    with LocalCloud.start(log_file=tmp_path / "cloud.log") as cloud:
        CdkApp(cloud, tmp_path).bootstrap()
        cloud.permission_propagation_seconds = SECONDS
        made = _deploy(cloud, tmp_path / "first", {})
        assert made.outputs[Output.PUBSUB_ENDPOINT]
        with_group = _deploy(cloud, tmp_path / "with-group", {"groups": ["admins"]})
        groups = cloud.client("cognito-idp").list_groups(UserPoolId=with_group.user_pool_id)["Groups"]
        assert [each["GroupName"] for each in groups] == ["admins"]
        user = with_group.make_user()
        with_group.sign_in(user)
        with_group.wait_until_attached(with_group.identity_id(with_group.sign_in(user)))
        with_group.app.destroy()


def _deploy(cloud: LocalCloud, directory: Path, settings: dict[str, object]) -> Deployment:
    app = CdkApp(cloud, directory, settings=settings)
    synthesize(app)
    return Deployment(cloud, app, app.deploy())
