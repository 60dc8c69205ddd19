"""Two users in two browsers, with unmodified Amplify JS and the deployed stack."""

from __future__ import annotations

from local_cloud.faults import Fail
from tests.browser.app import App
from tests.e2e.conftest import Deployment


def test_chat_exchanges_messages_between_two_users(app: App, deployment: Deployment) -> None:
    ada, grace = deployment.make_user(), deployment.make_user()
    first, second = app.connected(ada), app.connected(grace)
    first.send("hello from the first")
    second.expect_message(ada, "hello from the first")
    second.send("and from the second")
    first.expect_message(grace, "and from the second")
    first.picture("chat")


def _detach(deployment: Deployment, user: str) -> str:
    """Detach the policy from a user, and return the identity id."""
    identity_id = deployment.identity_id(deployment.sign_in(user))
    deployment.detach(identity_id)
    return identity_id


def test_page_attaches_a_detached_user_and_shows_the_result(app: App, deployment: Deployment) -> None:
    ada, grace = deployment.make_user(), deployment.make_user()
    first, second = app.connected(ada), app.connected(grace)
    _detach(deployment, grace)
    second.send("does this arrive?")
    second.expect_alert("Not delivered: the connection was closed")
    second.expect_status("Connected", "PS203: no IoT policy was attached, repaired")
    second.picture("repaired")
    first.send("welcome back")
    second.expect_message(ada, "welcome back")
    second.send("here again")
    first.expect_message(grace, "here again")


def test_page_shows_why_self_attach_fails_and_recovers(app: App, deployment: Deployment) -> None:
    app.expected += ["status of 500", "Failed to load resource"]  # Chromium logs the route's responses
    user = deployment.make_user()
    window = app.connected(user)
    with deployment.cloud.fault("iot:AttachPolicy", Fail("LimitExceededException", 410)):
        command = f"pubsub attach --identity-id {_detach(deployment, user)}"
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
    window.expect_status("does not let you connect.", command, "Self-attach failed with HTTP 403 Forbidden")
    window.page.unroute_all()
    window.expect_status("Connected", "PS203: no IoT policy was attached, repaired")


def test_page_shows_an_attachment_without_effect_yet(app: App, deployment: Deployment) -> None:
    user = deployment.make_user()
    window = app.connected(user)
    _detach(deployment, user)
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


def test_page_signs_users_in_and_out(app: App, deployment: Deployment) -> None:
    app.expected.append("status of 400")  # Chromium logs Cognito's response to the wrong password
    ada, grace = deployment.make_user(), deployment.make_user()
    window = app.window()
    window.sign_in(ada, "not the password")
    window.expect_alert("Incorrect username or password.")
    window.picture("wrong-password")
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
