"""From nothing to nothing: a deployment of its own, used, deployed again, and destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import Deployment, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

_USERS = 5


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("lifecycle")) as made:
        yield made


def test_synthesis_prints_nothing_that_anybody_would_have_to_look_at(own: Deployment) -> None:
    own.app.synth()
    assert own.app.log("synth").strip() == ""


def test_a_second_deploy_changes_nothing(own: Deployment) -> None:
    assert own.app.deploy() == own.outputs
    assert "(no changes)" in own.app.log("deploy")


def test_destroy_leaves_nothing_though_identities_are_attached(own: Deployment) -> None:
    identity_ids = [own.identity_id(own.sign_in(own.make_user())) for _ in range(_USERS)]
    assert [own.attached_policies(each) for each in identity_ids] == [["myIoTPolicy"]] * _USERS
    own.app.destroy()
    cloud = own.cloud
    assert cloud.client("iot").list_policies()["policies"] == []
    assert [own.attached_policies(each) for each in identity_ids] == [[]] * _USERS
    assert cloud.client("cognito-idp").list_user_pools(MaxResults=10)["UserPools"] == []
    assert cloud.client("cognito-identity").list_identity_pools(MaxResults=10)["IdentityPools"] == []
    assert cloud.client("lambda").list_functions()["Functions"] == []
    assert cloud.client("logs").describe_log_groups()["logGroups"] == []
    assert cloud.client("ssm").describe_parameters()["Parameters"] == [
        each
        for each in cloud.client("ssm").describe_parameters()["Parameters"]
        if each["Name"].startswith("/cdk-bootstrap/")
    ]
    roles = [each["RoleName"] for each in cloud.client("iam").list_roles()["Roles"]]
    assert [name for name in roles if name.startswith("AmplifyPubSub")] == []


def test_a_policy_made_anew_has_another_epoch(own: Deployment) -> None:
    again = own.app.deploy()
    assert again["AttachmentMarker"] != own.outputs["AttachmentMarker"]
