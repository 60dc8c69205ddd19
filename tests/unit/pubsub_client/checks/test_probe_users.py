from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from pubsub_client.checks.aws import Aws
from pubsub_client.checks.marker import Marker
from pubsub_client.checks.probe_users import LeftOver, ProbeUsers, User
from pubsub_client.outputs import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUTPUTS: dict[str, str] = {Output.USER_POOL_ID: "eu-west-1_pool", Output.POLICY_NAME: "myIoTPolicy"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unit")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unit")
    return Aws(region="eu-west-1", endpoint_url="http://127.0.0.1:9")


@pytest.fixture
def user_pools(aws: Aws) -> Iterator[Stubber]:
    with Stubber(aws.user_pools) as stubber:
        yield stubber


def _user(name: str, hours: float, marker: str | None = None) -> dict[str, Any]:
    attributes = [{"Name": "custom:pubsub_attachment", "Value": marker}] if marker else []
    created = datetime.now(UTC) - timedelta(hours=hours)
    return {"Username": name, "UserCreateDate": created, "Attributes": attributes}


def test_only_old_users_count_as_left_over_and_the_marker_tells_their_identity(aws: Aws, user_pools: Stubber) -> None:
    users = [
        _user("pubsub-smoke-00000000000a", 0.1),
        _user("pubsub-smoke-00000000000c", 2, "fingerprint/eu-west-1:identity/1"),
        _user("pubsub-smoke-00000000000b", 3),
        _user("pubsub-smoke-x;id", 3),  # anybody may sign up under such a name
    ]
    wanted = {"UserPoolId": "eu-west-1_pool", "Filter": 'username ^= "pubsub-smoke-"'}
    user_pools.add_response("list_users", {"Users": users}, wanted)
    assert ProbeUsers(aws, _OUTPUTS).left_over() == [
        LeftOver("pubsub-smoke-00000000000b", None),
        LeftOver("pubsub-smoke-00000000000c", Marker("fingerprint", "eu-west-1:identity", 1)),
    ]


def test_everything_is_tried_though_a_part_cannot_be_removed(aws: Aws, user_pools: Stubber) -> None:
    users = ProbeUsers(aws, _OUTPUTS)
    user_pools.add_response("admin_create_user", {})
    user_pools.add_response("admin_set_user_password", {})
    users.make()
    users.owns("eu-west-1:identity")
    with Stubber(aws.iot) as iot, Stubber(aws.identity_pools) as identity_pools:
        user_pools.add_response("admin_get_user", {"Username": "x", "UserAttributes": []})
        iot.add_client_error("detach_policy", "InternalFailureException")
        identity_pools.add_response("delete_identities", {"UnprocessedIdentityIds": [{"IdentityId": "i"}]})
        user_pools.add_response("admin_delete_user", {})
        detaching, deleting = users.remove()
        assert "DetachPolicy" in detaching
        assert "DeleteIdentities did not process eu-west-1:identity" in deleting
        iot.assert_no_pending_responses()
        identity_pools.assert_no_pending_responses()
    user_pools.assert_no_pending_responses()


def test_an_identity_the_run_never_learned_of_is_found_by_the_marker(aws: Aws, user_pools: Stubber) -> None:
    users = ProbeUsers(aws, _OUTPUTS)
    user_pools.add_response("admin_create_user", {})
    user_pools.add_response("admin_set_user_password", {})
    users.make()
    marker = [{"Name": "custom:pubsub_attachment", "Value": "fingerprint/eu-west-1:identity/1"}]
    user_pools.add_response("admin_get_user", {"Username": "x", "UserAttributes": marker})
    user_pools.add_response("admin_delete_user", {})
    with Stubber(aws.iot) as iot, Stubber(aws.identity_pools) as identity_pools:
        iot.add_response("detach_policy", {}, {"policyName": "myIoTPolicy", "target": "eu-west-1:identity"})
        identity_pools.add_response("delete_identities", {}, {"IdentityIdsToDelete": ["eu-west-1:identity"]})
        assert users.remove() == []
        iot.assert_no_pending_responses()
        identity_pools.assert_no_pending_responses()


def test_a_user_half_made_is_removed_too(aws: Aws, user_pools: Stubber) -> None:
    users = ProbeUsers(aws, _OUTPUTS)
    user_pools.add_client_error("admin_create_user", "TooManyRequestsException")
    with pytest.raises(aws.user_pools.exceptions.TooManyRequestsException):
        users.make()
    user_pools.add_client_error("admin_get_user", "UserNotFoundException")
    user_pools.add_client_error("admin_delete_user", "UserNotFoundException")
    assert users.remove() == []
    user_pools.assert_no_pending_responses()


def test_a_password_is_not_shown() -> None:
    assert "s3cret" not in repr(User("ada", "s3cret"))
