from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from pubsub_cli.aws import Aws
from pubsub_cli.checks.marker import Marker
from pubsub_cli.checks.probe_users import LeftOver, ProbeUsers, User
from pubsub_cli.errors import PreconditionError
from pubsub_client.outputs import Output

_OUTPUTS: dict[str, str] = {Output.USER_POOL_ID: "eu-west-1_pool", Output.POLICY_NAME: "myIoTPolicy"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unit")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unit")
    return Aws(region="eu-west-1", endpoint_url="http://127.0.0.1:9")


@pytest.fixture
def user_pools(aws: Aws) -> Iterator[Stubber]:
    """A user pool whose users have names of their own."""
    with Stubber(aws.user_pools) as stubber:
        stubber.add_response("describe_user_pool", {"UserPool": {}}, {"UserPoolId": "eu-west-1_pool"})
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


class TestWhereAnEmailAddressIsTheNameToSignInBy:
    """Cognito chooses the user's own name then."""

    @pytest.fixture
    def by_email(self, aws: Aws) -> Iterator[Stubber]:
        with Stubber(aws.user_pools) as stubber:
            stubber.add_response("describe_user_pool", {"UserPool": {"UsernameAttributes": ["email"]}})
            yield stubber

    def test_users_are_made_with_one(self, aws: Aws, by_email: Stubber) -> None:
        by_email.add_response("admin_create_user", {})
        by_email.add_response("admin_set_user_password", {})
        user = ProbeUsers(aws, _OUTPUTS).make()
        assert re.fullmatch(r"pubsub-smoke-[0-9a-f]{12}@example\.com", user.name)

    def test_users_left_over_are_found_by_theirs(self, aws: Aws, by_email: Stubber) -> None:
        ours = _user("11111111-2222", 3)
        ours["Attributes"] = [{"Name": "email", "Value": "pubsub-smoke-00000000000c@example.com"}]
        others = _user("33333333-4444", 3)
        others["Attributes"] = [{"Name": "email", "Value": "pubsub-smoke-00000000000c@example.org"}]
        wanted = {"UserPoolId": "eu-west-1_pool", "Filter": 'email ^= "pubsub-smoke-"'}
        by_email.add_response("list_users", {"Users": [ours, others]}, wanted)
        assert ProbeUsers(aws, _OUTPUTS).left_over() == [LeftOver("11111111-2222", None)]


def test_nobody_can_be_made_where_users_sign_in_by_telephone_number(aws: Aws) -> None:
    with Stubber(aws.user_pools) as stubber:
        stubber.add_response("describe_user_pool", {"UserPool": {"UsernameAttributes": ["phone_number"]}})
        with pytest.raises(PreconditionError, match="users of eu-west-1_pool sign in by telephone number alone"):
            ProbeUsers(aws, _OUTPUTS).make()


def test_looking_for_users_left_over_needs_nobody_to_be_made(aws: Aws) -> None:
    with Stubber(aws.user_pools) as stubber:
        stubber.add_response("describe_user_pool", {"UserPool": {"UsernameAttributes": ["phone_number"]}})
        stubber.add_response("list_users", {"Users": []})
        assert ProbeUsers(aws, _OUTPUTS).left_over() == []


def test_a_password_is_not_shown() -> None:
    assert "s3cret" not in repr(User("ada", "s3cret"))
