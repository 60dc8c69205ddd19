"""`pubsub identity`, `attach` and `detach` on a deployment: by user, by identity id and by ID token."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment
from tests.integration.local_cloud.account import Account, make_iam_user

_UNKNOWN_ID = "us-east-1:00000000-0000-0000-0000-000000000000"


def _run(deployment: Deployment, command: str, *arguments: str, stdin: str = "", code: int = 0) -> dict[str, Any]:
    """Run a command with --json, confirm a detachment, and return the document."""
    confirmed = ["--yes"] if command == "detach" else []
    done = deployment.pubsub(command, "--json", *confirmed, *arguments, stdin=stdin)
    assert done.returncode == code, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert (document["schema"], document["command"], document["stack"]) == (1, command, "AmplifyPubSub")
    assert (document["failure"] is None) == (code == 0)
    return document


def _sign_in(deployment: Deployment, user: str) -> dict[str, str]:
    """Sign in, and wait for the worker if the attachment is pending."""
    tokens = deployment.sign_in(user)
    deployment.wait_until_retry_queue_is_empty()
    return tokens


@pytest.fixture
def trigger_may_not_attach(deployment: Deployment) -> Iterator[None]:
    trigger = deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
    with deployment.action_denied("iot:AttachPolicy", trigger), deployment.worker_stopped():
        yield


class TestByUser:
    def test_attach_attaches_and_marks_a_user_who_never_signed_in(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        document = _run(deployment, "attach", "--user", user)
        assert document["changed"] is True
        identity_id = document["identity"]["identity_id"]
        assert document["identity"] == {
            "identity_id": identity_id, "user": user, "policy": "myIoTPolicy", "attached": True
        }  # fmt: skip
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]
        # The trigger wrote the marker, so the next sign-in makes no call, and leads to the same identity.
        tokens = _sign_in(deployment, user)
        assert deployment.trigger_lines()[-1]["outcome"] == "Skipped"
        assert deployment.identity_id(tokens) == identity_id

    def test_detach_and_attach_by_user_decide_whether_the_user_connects(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        tokens = _sign_in(deployment, user)
        assert deployment.connects(deployment.credentials(tokens))
        assert _run(deployment, "attach", "--user", f"{user}@example.com")["changed"] is False
        deployment.detach(deployment.identity_id(tokens))
        assert _run(deployment, "attach", "--user", user)["changed"] is True
        assert _run(deployment, "detach", "--user", user)["changed"] is True
        assert not deployment.connects(deployment.credentials(tokens))
        assert _run(deployment, "attach", "--user", user)["changed"] is True
        assert deployment.connects(deployment.credentials(tokens))

    def test_second_detach_changes_nothing_and_the_next_sign_in_attaches(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        identity_id = deployment.identity_id(_sign_in(deployment, user))
        _run(deployment, "detach", "--user", user)
        again = _run(deployment, "detach", "--user", user)
        assert (again["changed"], again["identity"]["attached"]) == (False, False)
        assert _run(deployment, "identity", "--user", user)["identity"]["marker"]["current"] is False
        _sign_in(deployment, user)
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]

    def test_identity_shows_user_marker_and_policies(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        identity_id = deployment.identity_id(_sign_in(deployment, user))
        users = deployment.cloud.client("cognito-idp")
        users.create_group(UserPoolId=deployment.user_pool_id, GroupName=user)
        users.admin_add_user_to_group(UserPoolId=deployment.user_pool_id, GroupName=user, Username=user)
        identity = _run(deployment, "identity", "--user", user)["identity"]
        assert identity["identity_id"] == identity_id
        assert identity["user"] == {"name": user, "status": "CONFIRMED", "enabled": True, "groups": [user]}
        assert identity["marker"]["current"] is True
        assert (identity["attached"], identity["policies"]) == (True, ["myIoTPolicy"])
        assert identity["logins"] == [f"cognito-idp.us-east-1.amazonaws.com/{deployment.user_pool_id}"]

    def test_identity_of_a_user_without_marker_is_unknown(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        for command in ("identity", "detach"):
            failure = _run(deployment, command, "--user", user, code=1)["failure"]
            assert failure["cause"].endswith("the user has no marker, and no AWS API returns it.")
            assert "pubsub attach" in failure["fix"]

    def test_attach_reports_a_missing_user_and_a_temporary_password(self, deployment: Deployment) -> None:
        name = deployment.make_user()
        deployment.cloud.client("cognito-idp").admin_set_user_password(
            UserPoolId=deployment.user_pool_id, Username=name, Password=PASSWORD, Permanent=False
        )
        for user, cause in (
            ("missing", f"There is no user missing in user pool {deployment.user_pool_id}."),
            (name, f"User {name} still has a temporary password (FORCE_CHANGE_PASSWORD)."),
        ):
            assert _run(deployment, "attach", "--user", user, code=1)["failure"]["cause"] == cause

    @pytest.mark.usefixtures("trigger_may_not_attach")
    def test_attach_reports_the_triggers_error_with_a_fix(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        failure = _run(deployment, "attach", "--user", user, "--region", "us-east-1", code=1)["failure"]
        assert "reports: Queued, AttachPolicy: AccessDeniedException." in failure["cause"]
        assert failure["fix"].startswith("aws iam put-role-policy ")
        assert failure["fix"].endswith(" --region us-east-1")

    def test_attach_reports_the_triggers_exception(self, deployment: Deployment) -> None:
        name = deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
        with deployment.variables_of(name, {"STACK_NAME": None}):
            failure = _run(deployment, "attach", "--user", deployment.make_user(), code=1)["failure"]
        _sign_in(deployment, deployment.make_user())  # starts the function again
        assert failure["cause"].startswith(f"The trigger {name} failed: ")
        assert "STACK_NAME" in failure["cause"]

    def test_attach_quotes_the_name_of_a_disabled_user_for_the_shell(self, deployment: Deployment) -> None:
        """Users choose their names when they sign up."""
        name = f"ada;$(id){uuid.uuid4().hex[:6]}"
        users = deployment.cloud.client("cognito-idp")
        attributes = [{"Name": "email", "Value": f"{uuid.uuid4().hex}@example.com"}]
        users.admin_create_user(
            UserPoolId=deployment.user_pool_id, Username=name, MessageAction="SUPPRESS", UserAttributes=attributes
        )
        users.admin_disable_user(UserPoolId=deployment.user_pool_id, Username=name)
        failure = _run(deployment, "attach", "--user", name, code=1)["failure"]
        assert failure["cause"] == f"User {name} is disabled and cannot sign in."
        assert failure["fix"].startswith("aws cognito-idp admin-enable-user ")
        assert shlex.split(failure["fix"])[-1] == name

    def test_detach_reports_a_marker_that_cannot_be_cleared(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        identity_id = deployment.identity_id(_sign_in(deployment, user))
        most = {"Effect": "Allow", "NotAction": "cognito-idp:AdminUpdateUserAttributes", "Resource": "*"}
        keys = make_iam_user(deployment.cloud, most).environment
        done = deployment.pubsub("detach", "--yes", "--user", user, **keys)
        assert done.returncode == 1
        assert f"myIoTPolicy is detached, but the marker of user {user} is still current." in done.stderr
        assert "AdminUpdateUserAttributes answered AccessDenied" in done.stderr
        assert deployment.attached_policies(identity_id) == []
        # A second run completes it.
        assert _run(deployment, "detach", "--user", user)["changed"] is True


class TestByIdentityId:
    def test_detach_and_attach_by_identity_id(self, deployment: Deployment) -> None:
        tokens = _sign_in(deployment, deployment.make_user())
        identity_id = deployment.identity_id(tokens)
        assert _run(deployment, "detach", "--identity-id", identity_id)["changed"] is True
        assert not deployment.connects(deployment.credentials(tokens))
        assert _run(deployment, "detach", "--identity-id", identity_id)["changed"] is False
        assert _run(deployment, "attach", "--identity-id", identity_id)["changed"] is True
        assert deployment.connects(deployment.credentials(tokens))
        assert _run(deployment, "attach", "--identity-id", identity_id)["changed"] is False

    def test_identity_by_id_shows_no_user_and_detach_mentions_the_marker(self, deployment: Deployment) -> None:
        identity_id = deployment.identity_id(_sign_in(deployment, deployment.make_user()))
        identity = _run(deployment, "identity", "--identity-id", identity_id)["identity"]
        assert (identity["user"], identity["marker"], identity["attached"]) == (None, None, True)
        done = deployment.pubsub("detach", "--yes", "--identity-id", identity_id)
        assert done.stdout.splitlines()[0] == f"myIoTPolicy is detached: identity {identity_id}"
        assert "`pubsub detach --user NAME` voids the marker" in done.stdout
        done = deployment.pubsub("attach", "--identity-id", identity_id, "--redact")
        assert "<identity id>" in done.stdout
        assert identity_id not in done.stdout

    def test_attach_and_detach_reject_an_identity_of_another_pool(self, deployment: Deployment) -> None:
        stranger = Account.on(deployment.cloud).user().identity_id
        for command in ("identity", "attach", "detach"):
            failure = _run(deployment, command, "--identity-id", stranger, code=1)["failure"]
            assert failure["cause"].startswith(f"Identity {stranger} does not belong to this stack")
        assert deployment.attached_policies(stranger) == []

    def test_attach_reports_a_missing_identity_and_another_region(self, deployment: Deployment) -> None:
        failure = _run(deployment, "attach", "--identity-id", _UNKNOWN_ID, code=1)["failure"]
        assert failure["cause"] == f"There is no identity {_UNKNOWN_ID} in us-east-1."
        elsewhere = _UNKNOWN_ID.replace("us-east-1", "eu-west-1")
        failure = _run(deployment, "attach", "--identity-id", elsewhere, code=1)["failure"]
        assert failure["cause"].endswith(" in us-east-1.")


class TestByIdToken:
    def test_detach_and_attach_by_id_token_update_the_marker(self, deployment: Deployment, tmp_path: Path) -> None:
        user = deployment.make_user()
        tokens = _sign_in(deployment, user)
        file = tmp_path / "id-token"
        file.write_text(tokens["IdToken"] + "\n")
        document = _run(deployment, "detach", "--id-token", str(file))
        assert document["identity"]["user"] == user
        assert not deployment.connects(deployment.credentials(tokens))
        assert _run(deployment, "identity", "--user", user)["identity"]["marker"]["current"] is False
        assert _run(deployment, "attach", "--id-token", "-", stdin=tokens["IdToken"])["changed"] is True
        assert deployment.connects(deployment.credentials(tokens))

    def test_attach_rejects_a_forged_token(self, deployment: Deployment) -> None:
        tokens = _sign_in(deployment, deployment.make_user())
        forged = tokens["IdToken"].rpartition(".")[0] + ".AAAA"
        failure = _run(deployment, "attach", "--id-token", "-", stdin=forged, code=1)["failure"]
        assert failure["cause"].startswith("GetId answered NotAuthorizedException")
