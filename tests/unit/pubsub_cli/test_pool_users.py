from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from pubsub_cli.aws import Aws
from pubsub_cli.errors import PreconditionError
from pubsub_cli.pool_users import ATTRIBUTE, Marker, StaleUser, TestUsers, User
from pubsub_client.outputs import Output
from tests.markers import MARKERS

_OUTPUTS: dict[str, str] = {Output.USER_POOL_ID: "eu-west-1_pool", Output.POLICY_NAME: "myIoTPolicy"}


@pytest.mark.parametrize(("value", "parts"), MARKERS)
def test_marker_is_read_as_the_trigger_reads_it(value: str, parts: tuple[str, str, int] | None) -> None:
    marker = Marker.of([{"Name": "sub", "Value": "1"}, {"Name": ATTRIBUTE, "Value": value}])
    assert marker == (parts and Marker(*parts))


def test_marker_that_is_written_is_read_again() -> None:
    marker = Marker.now("fingerprint", "eu-west-1:identity")
    assert Marker.of([{"Name": ATTRIBUTE, "Value": str(marker)}]) == marker


def test_password_is_not_in_the_representation() -> None:
    assert "s3cret" not in repr(User("ada", "s3cret"))


@pytest.fixture
def username_attributes() -> list[str]:
    return []


@pytest.fixture
def user_pools(aws: Aws, username_attributes: list[str]) -> Iterator[Stubber]:
    with Stubber(aws.user_pools) as stubber:
        pool: Any = {"UserPool": {"UsernameAttributes": username_attributes}}
        stubber.add_response("describe_user_pool", pool, {"UserPoolId": "eu-west-1_pool"})
        yield stubber


def _listed(name: str, hours: float, **attributes: str) -> dict[str, Any]:
    return {
        "Username": name,
        "UserCreateDate": datetime.now(UTC) - timedelta(hours=hours),
        "Attributes": [
            {"Name": key.replace("custom_", "custom:"), "Value": value} for key, value in attributes.items()
        ],
    }


def _described(marker: str = "") -> dict[str, Any]:
    attributes = [{"Name": ATTRIBUTE, "Value": marker}]
    return {"Username": "x", "UserStatus": "CONFIRMED", "Enabled": True, "UserAttributes": attributes}


def test_stale_users_are_old_ones_with_a_generated_name(aws: Aws, user_pools: Stubber) -> None:
    users = [
        _listed("pubsub-smoke-00000000000a", 0.1),
        _listed("pubsub-smoke-00000000000c", 2, custom_pubsub_attachment="fingerprint/eu-west-1:identity/1"),
        _listed("pubsub-smoke-00000000000b", 3),
        _listed("pubsub-smoke-x;id", 3),  # a user can sign up with this name
    ]
    wanted = {"UserPoolId": "eu-west-1_pool", "Filter": 'username ^= "pubsub-smoke-"'}
    user_pools.add_response("list_users", {"Users": users}, wanted)
    assert TestUsers(aws, _OUTPUTS).find_stale() == [
        StaleUser("pubsub-smoke-00000000000b", None),
        StaleUser("pubsub-smoke-00000000000c", Marker("fingerprint", "eu-west-1:identity", 1)),
    ]


def test_removal_continues_after_a_part_failed(aws: Aws, user_pools: Stubber) -> None:
    users = TestUsers(aws, _OUTPUTS)
    user_pools.add_response("admin_create_user", {})
    user_pools.add_response("admin_set_user_password", {})
    users.create()
    users.track_identity("eu-west-1:identity")
    with Stubber(aws.iot) as iot, Stubber(aws.identity_pools) as identity_pools:
        user_pools.add_response("admin_get_user", _described())
        iot.add_client_error("detach_policy", "InternalFailureException")
        identity_pools.add_response("delete_identities", {"UnprocessedIdentityIds": [{"IdentityId": "i"}]})
        user_pools.add_response("admin_delete_user", {})
        detach_failure, delete_failure = users.remove()
        assert "DetachPolicy" in detach_failure
        assert "DeleteIdentities did not process eu-west-1:identity" in delete_failure
        iot.assert_no_pending_responses()
        identity_pools.assert_no_pending_responses()
    user_pools.assert_no_pending_responses()


def test_untracked_identity_is_found_by_the_marker_and_removed(aws: Aws, user_pools: Stubber) -> None:
    users = TestUsers(aws, _OUTPUTS)
    user_pools.add_response("admin_create_user", {})
    user_pools.add_response("admin_set_user_password", {})
    users.create()
    user_pools.add_response("admin_get_user", _described("fingerprint/eu-west-1:identity/1"))
    user_pools.add_response("admin_delete_user", {})
    with Stubber(aws.iot) as iot, Stubber(aws.identity_pools) as identity_pools:
        iot.add_response("detach_policy", {}, {"policyName": "myIoTPolicy", "target": "eu-west-1:identity"})
        identity_pools.add_response("delete_identities", {}, {"IdentityIdsToDelete": ["eu-west-1:identity"]})
        assert users.remove() == []
        iot.assert_no_pending_responses()
        identity_pools.assert_no_pending_responses()


def test_user_whose_creation_failed_is_removed_too(aws: Aws, user_pools: Stubber) -> None:
    users = TestUsers(aws, _OUTPUTS)
    user_pools.add_client_error("admin_create_user", "TooManyRequestsException")
    with pytest.raises(aws.user_pools.exceptions.TooManyRequestsException):
        users.create()
    user_pools.add_client_error("admin_get_user", "UserNotFoundException")
    user_pools.add_client_error("admin_delete_user", "UserNotFoundException")
    assert users.remove() == []
    user_pools.assert_no_pending_responses()


@pytest.mark.parametrize("username_attributes", [["email"]])
class TestPoolWithEmailAsUserName:
    def test_users_are_created_with_an_email_address(self, aws: Aws, user_pools: Stubber) -> None:
        user_pools.add_response("admin_create_user", {})
        user_pools.add_response("admin_set_user_password", {})
        user = TestUsers(aws, _OUTPUTS).create()
        assert re.fullmatch(r"pubsub-smoke-[0-9a-f]{12}@example\.com", user.name)

    def test_stale_users_are_found_by_their_email_address(self, aws: Aws, user_pools: Stubber) -> None:
        ours = _listed("11111111-2222", 3, email="pubsub-smoke-00000000000c@example.com")
        others = _listed("33333333-4444", 3, email="pubsub-smoke-00000000000c@example.org")
        wanted = {"UserPoolId": "eu-west-1_pool", "Filter": 'email ^= "pubsub-smoke-"'}
        user_pools.add_response("list_users", {"Users": [ours, others]}, wanted)
        assert TestUsers(aws, _OUTPUTS).find_stale() == [StaleUser("11111111-2222", None)]


@pytest.mark.parametrize("username_attributes", [["phone_number"]])
class TestPoolWithPhoneNumberAsUserName:
    def test_no_user_can_be_created(self, aws: Aws, user_pools: Stubber) -> None:
        with pytest.raises(PreconditionError, match="users of eu-west-1_pool sign in only with a phone number"):
            TestUsers(aws, _OUTPUTS).create()
        user_pools.assert_no_pending_responses()

    def test_stale_users_can_be_searched(self, aws: Aws, user_pools: Stubber) -> None:
        user_pools.add_response("list_users", {"Users": []})
        assert TestUsers(aws, _OUTPUTS).find_stale() == []
