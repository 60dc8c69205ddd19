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
from tests.e2e.conftest import Deployment
from tests.integration.local_cloud.account import Account
from tests.integration.local_cloud.mqtt import websocket

_NOBODYS_ID = "us-east-1:00000000-0000-0000-0000-000000000000"


def _run(deployment: Deployment, command: str, *arguments: str, stdin: str = "", code: int = 0) -> dict[str, Any]:
    """Run a command with --json and return its document."""
    done = deployment.pubsub(command, "--json", *arguments, stdin=stdin)
    assert done.returncode == code, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert (document["schema"], document["command"], document["stack"]) == (1, command, "AmplifyPubSub")
    assert (document["failure"] is None) == (code == 0)
    return document


def _sign_in(deployment: Deployment, user: str) -> dict[str, str]:
    """Sign in, and wait for an attachment that the trigger has left to the worker."""
    tokens = deployment.sign_in(user)
    deployment.wait_until_nothing_is_owed()
    return tokens


def _is_served(deployment: Deployment, tokens: dict[str, str]) -> bool:
    """Tell whether AWS IoT accepts a connection of the user's."""
    with websocket(deployment.cloud, deployment.credentials(tokens)) as mqtt:
        return mqtt.connect(uuid.uuid4().hex) == 0


@pytest.fixture
def trigger_may_not_attach(deployment: Deployment) -> Iterator[None]:
    with deployment.trigger_without_attach_policy(), deployment.worker_stopped():
        yield


class TestByUser:
    def test_user_who_never_signed_in_is_attached_and_marked(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        document = _run(deployment, "attach", "--user", user)
        assert document["changed"] is True
        identity_id = document["identity"]["identity_id"]
        assert document["identity"] == {
            "identity_id": identity_id, "user": user, "policy": "myIoTPolicy", "attached": True
        }  # fmt: skip
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]
        # The marker is the trigger's own: the sign-in that follows has nothing to do, and leads to the same identity.
        tokens = _sign_in(deployment, user)
        assert deployment.trigger_lines()[-1]["outcome"] == "Skipped"
        assert deployment.identity_id(tokens) == identity_id

    def test_attached_user_is_left_alone(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        _sign_in(deployment, user)
        before = deployment.cloud.calls()
        document = _run(deployment, "attach", "--user", f"{user}@example.com")
        assert (document["changed"], document["identity"]["user"]) == (False, user)
        assert "lambda:InvokeFunction" not in deployment.calls_of(before)

    def test_marked_user_whose_policy_was_detached_is_attached(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        identity_id = deployment.identity_id(_sign_in(deployment, user))
        deployment.cloud.client("iot").detach_policy(policyName="myIoTPolicy", target=identity_id)
        assert _run(deployment, "attach", "--user", user)["changed"] is True
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]

    def test_detached_user_is_refused_by_aws_iot_and_an_attached_one_served(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        tokens = _sign_in(deployment, user)
        assert _is_served(deployment, tokens)
        assert _run(deployment, "detach", "--user", user)["changed"] is True
        assert not _is_served(deployment, tokens)
        assert _run(deployment, "attach", "--user", user)["changed"] is True
        assert _is_served(deployment, tokens)

    def test_second_detach_changes_nothing_and_the_next_sign_in_attaches(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        identity_id = deployment.identity_id(_sign_in(deployment, user))
        _run(deployment, "detach", "--user", user)
        again = _run(deployment, "detach", "--user", user)
        assert (again["changed"], again["identity"]["attached"]) == (False, False)
        assert _run(deployment, "identity", "--user", user)["identity"]["marker"]["current"] is False
        _sign_in(deployment, user)
        assert deployment.attached_policies(identity_id) == ["myIoTPolicy"]

    def test_identity_shows_the_user_the_marker_and_the_policies(self, deployment: Deployment) -> None:
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

    def test_identity_of_a_user_without_a_marker_is_unknown(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        for command in ("identity", "detach"):
            failure = _run(deployment, command, "--user", user, code=1)["failure"]
            assert failure["cause"].endswith("the user has no marker, and no AWS API returns it.")
            assert "pubsub attach" in failure["fix"]

    def test_user_who_does_not_exist_is_named(self, deployment: Deployment) -> None:
        failure = _run(deployment, "attach", "--user", "nobody", code=1)["failure"]
        assert failure["cause"] == f"There is no user nobody in user pool {deployment.user_pool_id}."

    def test_temporary_password_is_named(self, deployment: Deployment) -> None:
        name = f"user-{uuid.uuid4().hex[:10]}"
        deployment.cloud.client("cognito-idp").admin_create_user(
            UserPoolId=deployment.user_pool_id,
            Username=name,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": f"{name}@example.com"}],
        )
        failure = _run(deployment, "attach", "--user", name, code=1)["failure"]
        assert failure["cause"] == f"User {name} still has a temporary password (FORCE_CHANGE_PASSWORD)."

    @pytest.mark.usefixtures("trigger_may_not_attach")
    def test_error_of_the_trigger_is_quoted_with_the_command_that_fixes_it(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        failure = _run(deployment, "attach", "--user", user, "--region", "us-east-1", code=1)["failure"]
        assert "says: Queued, AttachPolicy: AccessDeniedException." in failure["cause"]
        assert failure["fix"].startswith("aws iam put-role-policy ")
        assert failure["fix"].endswith(" --region us-east-1")

    def test_exception_of_the_trigger_is_quoted(self, deployment: Deployment) -> None:
        functions = deployment.cloud.client("lambda")
        name = deployment.outputs[Output.POST_AUTHENTICATION_FUNCTION_NAME]
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        without = {key: value for key, value in variables.items() if key != "STACK_NAME"}
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": without})
        try:
            failure = _run(deployment, "attach", "--user", deployment.make_user(), code=1)["failure"]
        finally:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
            _sign_in(deployment, deployment.make_user())  # it is warm again
        assert failure["cause"].startswith(f"The trigger {name} failed: ")
        assert "STACK_NAME" in failure["cause"]

    def test_disabled_user_is_named_and_quoted_for_the_shell_of_the_operator(self, deployment: Deployment) -> None:
        """Anybody may sign up, under a name of their own."""
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

    def test_marker_that_cannot_be_voided_is_reported(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        identity_id = deployment.identity_id(_sign_in(deployment, user))
        iam = deployment.cloud.client("iam")
        iam.create_user(UserName=user)
        allowed = {"Effect": "Allow", "NotAction": "cognito-idp:AdminUpdateUserAttributes", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName=user, PolicyName="most", PolicyDocument=document)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        done = deployment.pubsub("detach", "--user", user, **keys)
        assert done.returncode == 1
        assert f"myIoTPolicy is detached, but the marker of user {user} is still current." in done.stderr
        assert "AdminUpdateUserAttributes answered AccessDenied" in done.stderr
        assert deployment.attached_policies(identity_id) == []
        # The same command again ends it.
        assert _run(deployment, "detach", "--user", user)["changed"] is True


class TestByIdentityId:
    def test_detach_and_attach(self, deployment: Deployment) -> None:
        tokens = _sign_in(deployment, deployment.make_user())
        identity_id = deployment.identity_id(tokens)
        assert _run(deployment, "detach", "--identity-id", identity_id)["changed"] is True
        assert not _is_served(deployment, tokens)
        assert _run(deployment, "detach", "--identity-id", identity_id)["changed"] is False
        assert _run(deployment, "attach", "--identity-id", identity_id)["changed"] is True
        assert _is_served(deployment, tokens)
        assert _run(deployment, "attach", "--identity-id", identity_id)["changed"] is False

    def test_identity_is_shown_without_its_user_whose_marker_may_still_deny_it(self, deployment: Deployment) -> None:
        identity_id = deployment.identity_id(_sign_in(deployment, deployment.make_user()))
        identity = _run(deployment, "identity", "--identity-id", identity_id)["identity"]
        assert (identity["user"], identity["marker"], identity["attached"]) == (None, None, True)
        done = deployment.pubsub("detach", "--identity-id", identity_id)
        assert done.stdout.splitlines()[0] == f"myIoTPolicy is detached: identity {identity_id}"
        assert "`pubsub detach --user NAME` voids the marker" in done.stdout

    def test_identity_of_another_pool_is_left_alone(self, deployment: Deployment) -> None:
        stranger = Account.on(deployment.cloud).user().identity_id
        for command in ("identity", "attach", "detach"):
            failure = _run(deployment, command, "--identity-id", stranger, code=1)["failure"]
            assert failure["cause"].startswith(f"Identity {stranger} is not of this stack")
        assert deployment.attached_policies(stranger) == []

    def test_identity_that_does_not_exist_is_named(self, deployment: Deployment) -> None:
        failure = _run(deployment, "attach", "--identity-id", _NOBODYS_ID, code=1)["failure"]
        assert failure["cause"] == f"There is no identity {_NOBODYS_ID}."

    def test_identity_of_another_region_is_named(self, deployment: Deployment) -> None:
        elsewhere = _NOBODYS_ID.replace("us-east-1", "eu-west-1")
        failure = _run(deployment, "attach", "--identity-id", elsewhere, code=1)["failure"]
        assert failure["cause"].endswith("it is of another region.")

    def test_redact_masks_the_identity_id(self, deployment: Deployment) -> None:
        identity_id = deployment.identity_id(_sign_in(deployment, deployment.make_user()))
        for command in ("identity", "detach", "attach"):
            done = deployment.pubsub(command, "--identity-id", identity_id, "--redact")
            assert identity_id not in done.stdout
            assert "<identity id>" in done.stdout


class TestByIdToken:
    def test_detach_voids_the_marker_and_attach_restores_it(self, deployment: Deployment, tmp_path: Path) -> None:
        user = deployment.make_user()
        tokens = _sign_in(deployment, user)
        file = tmp_path / "id-token"
        file.write_text(tokens["IdToken"] + "\n")
        document = _run(deployment, "detach", "--id-token", str(file))
        assert document["identity"]["user"] == user
        assert not _is_served(deployment, tokens)
        assert _run(deployment, "identity", "--user", user)["identity"]["marker"]["current"] is False
        assert _run(deployment, "attach", "--id-token", "-", stdin=tokens["IdToken"])["changed"] is True
        assert _is_served(deployment, tokens)

    def test_identity_shows_whose_token_it_is(self, deployment: Deployment) -> None:
        user = deployment.make_user()
        tokens = _sign_in(deployment, user)
        identity = _run(deployment, "identity", "--id-token", "-", stdin=tokens["IdToken"])["identity"]
        assert identity["identity_id"] == deployment.identity_id(tokens)
        assert identity["user"]["name"] == user

    def test_forged_token_is_refused_by_cognito(self, deployment: Deployment) -> None:
        tokens = _sign_in(deployment, deployment.make_user())
        forged = tokens["IdToken"].rpartition(".")[0] + ".AAAA"
        failure = _run(deployment, "attach", "--id-token", "-", stdin=forged, code=1)["failure"]
        assert failure["cause"].startswith("GetId answered NotAuthorizedException")

    def test_other_text_than_an_id_token_is_refused(self, deployment: Deployment) -> None:
        access_token = _sign_in(deployment, deployment.make_user())["AccessToken"]
        for text in (access_token, "hello", ""):
            done = deployment.pubsub("attach", "--id-token", "-", stdin=text)
            assert done.returncode == 2
            (line,) = done.stderr.splitlines()
            assert line.startswith("pubsub: --id-token: ")


def test_stack_that_does_not_exist_is_named_in_one_line(deployment: Deployment) -> None:
    done = deployment.pubsub("identity", "--user", "ada", "--environment", "prod", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("pubsub: there is no stack AmplifyPubSub-prod in us-east-1")
