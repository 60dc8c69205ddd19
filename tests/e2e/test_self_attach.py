"""Self-attach in a deployment with a trigger: users get the policy through the route, only for their own identity.

``tests/unit/lambdas/test_self_attach.py`` tests the members of a request, and
``tests/unit/pubsub_client/test_connection.py`` when the client repairs a connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from local_cloud.faults import Fail
from pubsub_client import AwsIot, CognitoSession, PubSub
from pubsub_client._self_attach import SelfAttachment
from pubsub_client.outputs import Output
from tests.e2e.conftest import PASSWORD, Deployment
from tests.integration.local_cloud.account import Credentials, Identity, allow, make_iam_user, make_role
from tests.integration.local_cloud.http_api import Answer, call, preflight

_ATTACHED = {"check": "PS203", "status": "attached", "text": "PS203: the IoT policy is attached already"}
_REPAIRED = {"check": "PS203", "status": "repaired", "text": "PS203: no IoT policy was attached, repaired"}
_COGNITO = {"Federated": "cognito-identity.amazonaws.com"}
_FORBIDDEN = (403, {"message": "Forbidden"})


def _signed_in(deployment: Deployment) -> Identity:
    tokens = deployment.sign_in(deployment.make_user())
    deployment.wait_until_retry_queue_is_empty()
    identity_id = deployment.identity_id(tokens)
    deployment.detach(identity_id)
    return Identity(identity_id, deployment.credentials(tokens))


@pytest.fixture(scope="module")
def victim(deployment: Deployment) -> Identity:
    """Another user without the policy."""
    return _signed_in(deployment)


@pytest.fixture
def user(deployment: Deployment, victim: Identity) -> Iterator[Identity]:
    """A signed-in user without the policy. No test may attach it to the victim."""
    yield _signed_in(deployment)
    assert deployment.attached_policies(victim.identity_id) == []


def test_self_attach_attaches_a_missing_policy_once(deployment: Deployment, user: Identity) -> None:
    assert _answered(deployment.self_attach(user.credentials)) == (200, _REPAIRED)
    assert deployment.attached_policies(user.identity_id) == ["myIoTPolicy"]
    assert _answered(deployment.self_attach(user.credentials)) == (200, _ATTACHED)


def test_self_attach_can_be_called_by_a_page_of_another_origin(deployment: Deployment, user: Identity) -> None:
    origin = "https://app.example.com"
    answer = preflight(deployment.outputs[Output.SELF_ATTACH_URL], origin)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, "*")
    allowed = set(answer.headers["access-control-allow-headers"].split(","))
    assert {"authorization", "x-amz-date", "x-amz-security-token"} <= allowed
    answer = deployment.self_attach(user.credentials, headers={"Origin": origin})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert answer.headers["access-control-expose-headers"] == "retry-after"


def test_self_attach_rejects_a_claimed_identity(deployment: Deployment, user: Identity, victim: Identity) -> None:
    claim = json.dumps({"identityId": victim.identity_id, "target": victim.identity_id})
    answer = deployment.self_attach(user.credentials, body=claim, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.body["status"]) == (400, "refused")
    assert deployment.attached_policies(user.identity_id) == []


def test_self_attach_rejects_requests_without_a_valid_signature(
    deployment: Deployment, user: Identity, victim: Identity
) -> None:
    assert _answered(deployment.self_attach(None)) == _FORBIDDEN
    assert _answered(deployment.self_attach(None, headers={"Authorization": "Bearer token"})) == _FORBIDDEN
    mine, theirs = user.credentials, victim.credentials
    for mixed in (
        replace(theirs, secret_access_key=mine.secret_access_key),
        replace(mine, session_token=theirs.session_token),
    ):
        assert _answered(deployment.self_attach(mixed)) == _FORBIDDEN


def test_self_attach_rejects_credentials_without_an_identity(deployment: Deployment) -> None:
    """An administrator may call the route, but has no Cognito identity."""
    answer = deployment.self_attach(make_iam_user(deployment.cloud, allow("*")))
    assert (answer.status, answer.body["status"]) == (403, "refused")


def test_self_attach_rejects_an_identity_of_another_pool(deployment: Deployment) -> None:
    stranger = _of_another_pool(deployment, {"Action": "execute-api:Invoke", "Resource": "*"})
    answer = deployment.self_attach(stranger.credentials)
    assert (answer.status, answer.body["status"]) == (403, "refused")
    assert "another identity pool" in answer.body["text"]
    assert deployment.attached_policies(stranger.identity_id) == []


def test_self_attach_route_rejects_a_role_without_permission(deployment: Deployment) -> None:
    stranger = _of_another_pool(deployment, {"Action": "iot:*", "Resource": "*"})
    calls = deployment.cloud.calls()
    assert _answered(deployment.self_attach(stranger.credentials)) == _FORBIDDEN
    assert "iot:ListAttachedPolicies" not in deployment.calls_since(calls)


def test_self_attach_rejects_a_guest_who_may_call_the_route(deployment: Deployment) -> None:
    with _guest(deployment) as guest:
        answer = deployment.self_attach(guest.credentials)
    assert (answer.status, answer.body["status"]) == (403, "refused")
    assert "signed by a guest" in answer.body["text"]


def test_user_may_call_only_the_self_attach_route_of_the_api(deployment: Deployment, user: Identity) -> None:
    apis = deployment.cloud.client("apigatewayv2")
    url = deployment.outputs[Output.SELF_ATTACH_URL]
    (api,) = (each for each in apis.get_apis()["Items"] if url.startswith(each["ApiEndpoint"]))
    (route,) = apis.get_routes(ApiId=api["ApiId"])["Items"]
    for key in ("GET /self-attach", "POST /other"):
        method, path = key.split(" ")
        created = apis.create_route(
            ApiId=api["ApiId"], RouteKey=key, AuthorizationType="AWS_IAM", Target=route["Target"]
        )
        try:
            answer = call(f"{api['ApiEndpoint']}{path}", method, credentials=user.credentials)
        finally:
            apis.delete_route(ApiId=api["ApiId"], RouteId=created["RouteId"])
        assert _answered(answer) == _FORBIDDEN, key


def test_self_attach_hides_the_error_of_aws_from_the_user(deployment: Deployment, user: Identity) -> None:
    denied = Fail("AccessDeniedException", 403, message=f"about {user.identity_id}")
    with deployment.cloud.fault("iot:AttachPolicy", denied):
        answer = deployment.self_attach(user.credentials)
    assert (answer.status, answer.body["check"], answer.body["status"]) == (500, "PS203", "failed")
    line = deployment.log_lines(deployment.resource("AWS::Lambda::Function", "SelfAttachFunction"))[-1]
    assert (line["outcome"], line["reason"]) == ("Failed", "AttachPolicy: AccessDeniedException")
    assert line["requestId"] in answer.body["text"]
    assert user.identity_id not in answer.body["text"]


async def test_client_self_attaches_after_throttling_and_before_connecting(deployment: Deployment) -> None:
    session = CognitoSession.from_outputs(deployment.outputs, deployment.cloud.endpoint_url)
    await session.sign_in(deployment.make_user(), PASSWORD)
    deployment.wait_until_retry_queue_is_empty()
    identity_id = await session.identity_id()
    assert await session.self_attach() == SelfAttachment(**_ATTACHED)
    deployment.detach(identity_id)
    # More failures than the function's own retries, so that the route answers 503 once.
    with deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException", 429), times=3):
        assert await session.self_attach() == SelfAttachment(**_REPAIRED)
    deployment.detach(identity_id)
    endpoint = deployment.outputs[Output.PUBSUB_ENDPOINT]
    provider = AwsIot(endpoint=endpoint, region=deployment.cloud.region, credentials=session)
    async with PubSub(provider) as pubsub, pubsub.subscribe("chat/self-attach") as messages:
        await pubsub.publish("chat/self-attach", "repaired")
        async with asyncio.timeout(30):
            assert (await anext(messages)).payload == "repaired"
    assert deployment.attached_policies(identity_id) == [deployment.policy_name]


def _answered(answer: Answer) -> tuple[int, Any]:
    return answer.status, answer.body


def _of_another_pool(deployment: Deployment, allowed: dict[str, Any]) -> Identity:
    """Return the identity of a user in another identity pool, whose role has one permission."""
    identities = deployment.cloud.client("cognito-identity")
    pool = identities.describe_identity_pool(IdentityPoolId=deployment.outputs[Output.IDENTITY_POOL_ID])
    pool_id = identities.create_identity_pool(
        IdentityPoolName="another",
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=pool["CognitoIdentityProviders"],
    )["IdentityPoolId"]
    role = make_role(deployment.cloud, {"Effect": "Allow", **allowed}, trusts=_COGNITO)
    identities.set_identity_pool_roles(IdentityPoolId=pool_id, Roles={"authenticated": role})
    logins = deployment.logins(deployment.sign_in(deployment.make_user()))
    return _identity(deployment, pool_id, logins)


@contextmanager
def _guest(deployment: Deployment) -> Iterator[Identity]:
    """Allow guests in the deployment's identity pool, let them call any API, and yield a guest."""
    identities = deployment.cloud.client("cognito-identity")
    pool_id = deployment.outputs[Output.IDENTITY_POOL_ID]
    roles = identities.get_identity_pool_roles(IdentityPoolId=pool_id)["Roles"]
    allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    role = make_role(deployment.cloud, allowed, trusts=_COGNITO)
    with deployment.guests_allowed():
        identities.set_identity_pool_roles(IdentityPoolId=pool_id, Roles=roles | {"unauthenticated": role})
        try:
            yield _identity(deployment, pool_id, {})
        finally:
            identities.set_identity_pool_roles(IdentityPoolId=pool_id, Roles=roles)


def _identity(deployment: Deployment, pool_id: str, logins: dict[str, str]) -> Identity:
    identities = deployment.public("cognito-identity")
    identity_id = identities.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
    given = identities.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]
    return Identity(identity_id, Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"]))
