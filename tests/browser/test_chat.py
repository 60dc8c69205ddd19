"""Two people in two browsers, with unmodified Amplify JS against the deployed stack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from local_cloud.faults import Fail
from pubsub_client.outputs import Output
from tests.browser.app import SECONDS, App
from tests.browser.conftest import served_with
from tests.e2e.conftest import Deployment


def test_chat_exchanges_messages_between_two_users(app: App, deployment: Deployment) -> None:
    ada, grace = deployment.make_user(), deployment.make_user()
    first, second = app.connected(ada), app.connected(grace)
    first.send("hello from the first")
    second.expect_message(ada, "hello from the first")
    second.send("and from the second")
    first.expect_message(grace, "and from the second")
    first.picture("chat")


@dataclass(frozen=True)
class Attachment:
    """The IoT policy at a user's identity."""

    deployment: Deployment
    identity_id: str

    @classmethod
    def of(cls, deployment: Deployment, user: str) -> Self:
        return cls(deployment, deployment.identity_id(deployment.sign_in(user)))

    def detach(self) -> None:
        self.deployment.cloud.client("iot").detach_policy(
            policyName=self.deployment.policy_name, target=self.identity_id
        )

    def attach(self) -> None:
        self.deployment.cloud.client("iot").attach_policy(
            policyName=self.deployment.policy_name, target=self.identity_id
        )


def test_page_repairs_a_detached_user_and_says_so(app: App, deployment: Deployment) -> None:
    ada, grace = deployment.make_user(), deployment.make_user()
    first, second = app.connected(ada), app.connected(grace)
    Attachment.of(deployment, grace).detach()
    second.send("does this arrive?")
    second.expect_alert("Not delivered: the connection closed")
    second.expect_status("Connected", "PS203: no IoT policy was attached, repaired")
    second.picture("repaired")
    first.send("welcome back")
    second.expect_message(ada, "welcome back")
    second.send("here again")
    first.expect_message(grace, "here again")


def test_page_says_why_self_attach_fails_and_recovers(app: App, deployment: Deployment) -> None:
    app.expected += ["status of 500", "Failed to load resource"]  # Chromium's own lines about the route's answers
    user = deployment.make_user()
    window = app.connected(user)
    attachment = Attachment.of(deployment, user)
    command = f"pubsub attach --identity-id {attachment.identity_id}"
    with deployment.cloud.fault("iot:AttachPolicy", Fail("LimitExceededException", 410)):
        attachment.detach()
        window.send("does this arrive?")
        window.expect_status("does not let you connect.", command, "PS203: the IoT policy could not be attached")
        window.picture("not-repaired")
        window.page.route("**/self-attach", lambda route: route.abort())
        window.expect_status("does not let you connect.", command, "Self-attach cannot be reached")
    window.page.unroute_all()
    window.page.route(
        "**/self-attach",
        lambda route: route.fulfill(
            status=403, headers={"access-control-allow-origin": "*"}, json={"message": "Forbidden"}
        ),
    )
    window.expect_status("does not let you connect.", command, "Self-attach answers HTTP 403 Forbidden")
    window.page.unroute_all()
    window.expect_status("Connected", "PS203: no IoT policy was attached, repaired")


def test_page_shows_an_attachment_without_effect_yet(app: App, deployment: Deployment) -> None:
    user = deployment.make_user()
    window = app.connected(user)
    Attachment.of(deployment, user).detach()
    before = deployment.cloud.calls()
    deployment.cloud.policy_propagation_seconds = 5
    try:
        window.send("does this arrive?")
        window.expect_status("does not let you connect yet.", "PS203: no IoT policy was attached, repaired")
        window.picture("repaired-not-acting-yet")
        window.expect_status("Connected", "PS203: no IoT policy was attached, repaired")
    finally:
        deployment.cloud.policy_propagation_seconds = 0
    called = deployment.calls_since(before)
    assert (called["iot:ListAttachedPolicies"], called["iot:AttachPolicy"]) == (1, 1)


def test_page_without_self_attach_recovers_once_the_user_is_attached(
    app: App, deployment: Deployment, web: Path, tmp_path: Path
) -> None:
    route = deployment.outputs[Output.SELF_ATTACH_URL]
    with served_with(web, tmp_path / "web", route, "") as address:  # as of a stack of an older version
        user = deployment.make_user()
        window = app.connected(user, address)
        attachment = Attachment.of(deployment, user)
        attachment.detach()
        window.send("does this arrive?")
        window.expect_status("does not let you connect.", f"pubsub attach --identity-id {attachment.identity_id}")
        window.picture("refused")
        window.expect_connects(2)  # Amplify's own second attempt is over, and its third a minute away
        attachment.attach()
        window.expect_connected(within=40 * SECONDS)
        app.leave()  # while it is served


def test_page_signs_users_in_and_out(app: App, deployment: Deployment) -> None:
    app.expected.append("status of 400")  # Chromium's own line about Cognito's answer to the wrong password
    ada, grace = deployment.make_user(), deployment.make_user()
    window = app.window()
    window.sign_in(ada, "not the password")
    window.expect_alert("Incorrect username or password.")
    with window.page.expect_websocket() as opened:
        window.sign_in(ada)
    window.expect_connected()
    with opened.value.expect_event("close"):
        window.sign_out()
    window.sign_in(grace)
    window.expect_connected()
    window.page.reload()
    window.expect_connected()
    window.send("a new face")
    window.expect_message(grace, "a new face")


def test_page_follows_the_user_of_another_tab(app: App, deployment: Deployment) -> None:
    ada, grace = deployment.make_user(), deployment.make_user()
    window = app.connected(ada)
    with app.tab_beside(window) as other:
        other.expect_connected()
        other.sign_out()
        window.sign_in(grace)
        other.expect_connected()
        window.expect_connected()
        other.send("from the other tab")
        window.expect_message(grace, "from the other tab")
