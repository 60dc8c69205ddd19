"""The page explains why a user cannot use PubSub."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Route

from pubsub_client.outputs import Output
from tests.browser.app import App
from tests.browser.conftest import served_with
from tests.e2e.conftest import Deployment


@contextmanager
def only(deployment: Deployment, user: str, *actions: str) -> Iterator[None]:
    """Replace the stack's policy of a user by one that allows only these actions."""
    iot = deployment.cloud.client("iot")
    name, target = f"only-{uuid.uuid4().hex[:8]}", deployment.identity_id(deployment.sign_in(user))
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    iot.create_policy(policyName=name, policyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    iot.attach_policy(policyName=name, target=target)
    iot.detach_policy(policyName=deployment.outputs[Output.POLICY_NAME], target=target)
    yield
    iot.attach_policy(policyName=deployment.outputs[Output.POLICY_NAME], target=target)


def test_page_names_a_denied_topic(app: App, deployment: Deployment) -> None:
    user = deployment.make_user()
    with only(deployment, user, "iot:Connect"):
        window = app.window()
        window.sign_in(user)
        window.expect_status(
            "You are connected, but not allowed to subscribe to “messages”", "pubsub identity --identity-id"
        )
        window.picture("topic-denied")
    window.expect_connected()


def test_page_names_a_denied_publish_and_an_ended_session(app: App, deployment: Deployment) -> None:
    user = deployment.make_user()
    with only(deployment, user, "iot:Connect", "iot:Subscribe", "iot:Receive"):
        window = app.connected(user)
        window.send("not allowed")
        window.expect_alert("Not delivered: the connection was closed. You may not be allowed to publish")
        window.picture("not-delivered")
        window.expect_connected()
        window.page.evaluate("localStorage.clear()")  # where Amplify keeps the session
        window.send("not allowed either")  # is denied, and closes the connection
        window.expect_status("Your session has ended.")
        window.picture("session-ended")
    window.sign_out()


def test_page_shows_that_the_browser_is_offline(app: App, deployment: Deployment) -> None:
    window = app.connected(deployment.make_user())
    window.page.context.set_offline(offline=True)
    window.expect_status("You are offline.")
    window.picture("offline")
    window.page.context.set_offline(offline=False)
    window.expect_connected()


def test_page_names_missing_credentials(app: App, deployment: Deployment) -> None:
    app.expected += ["Failed to load resource"]
    window = app.window()
    reachable = False

    def identity_pool(route: Route) -> None:
        if not route.request.headers.get("x-amz-target", "").startswith("AWSCognitoIdentityService."):
            route.continue_()
        elif not reachable:
            route.abort()
        else:
            route.fulfill(
                status=400,
                headers={"access-control-allow-origin": "*", "content-type": "application/x-amz-json-1.1"},
                body=json.dumps({"__type": "NotAuthorizedException", "message": "Token is not from a supported pool"}),
            )

    window.page.route(f"{deployment.cloud.endpoint_url}/**", identity_pool)
    window.sign_in(deployment.make_user())
    window.expect_status("Amazon Cognito cannot be reached.")
    window.picture("cognito-unreachable")
    reachable = True
    window.expect_status("did not provide AWS credentials", "Token is not from a supported pool")
    window.picture("no-credentials")
    window.page.unroute_all()
    window.expect_connected()


def test_page_names_an_unreachable_endpoint(app: App, deployment: Deployment, web: Path, tmp_path: Path) -> None:
    app.expected += ["ERR_CONNECTION_REFUSED"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    endpoint = f"ws://{deployment.outputs[Output.PUBSUB_ENDPOINT]}/mqtt"
    with served_with(web, tmp_path / "web", endpoint, f"ws://127.0.0.1:{port}/mqtt") as address:
        window = app.window(address)
        window.sign_in(deployment.make_user())
        window.expect_status("AWS IoT cannot be reached.", f"127.0.0.1:{port}")
        window.picture("endpoint-unreachable")
        app.leave()  # while it is served


def test_page_names_a_rejected_signature(app: App, deployment: Deployment) -> None:
    app.expected += ["response code: 403", "status of 400"]  # of the WebSocket and the HTTP request after it
    window = app.window()

    def wrong_secret(route: Route) -> None:
        if route.request.headers.get("x-amz-target", "").endswith(".GetCredentialsForIdentity"):
            answer = route.fetch()
            document = answer.json()
            document["Credentials"]["SecretKey"] += "x"
            route.fulfill(response=answer, json=document)
        else:
            route.continue_()

    window.page.route(f"{deployment.cloud.endpoint_url}/**", wrong_secret)
    window.sign_in(deployment.make_user())
    window.expect_status("AWS IoT answered, but did not open a WebSocket.", "the credentials have expired")
    window.picture("websocket-rejected")


def test_page_names_an_endpoint_that_does_not_answer(app: App, deployment: Deployment) -> None:
    window = app.window()
    window.page.route_web_socket("**/mqtt?**", lambda _: None)  # Playwright accepts it and sends nothing
    window.sign_in(deployment.make_user())
    window.expect_status("AWS IoT did not answer in time.")
    window.picture("no-answer")
    window.page.context.close()  # no other test gets this window: its route cannot be removed
