"""Self-attach next to the trigger: it attaches the policy to the identity that signed, and refuses all else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import pytest

from local_cloud.faults import Fail
from pubsub_client.outputs import Output
from tests.e2e.conftest import Deployment
from tests.integration.local_cloud.account import Credentials, document, make_role
from tests.integration.local_cloud.http_api import Answer, call, preflight

_ATTACHED = {"check": "PS203", "status": "attached", "text": "PS203: the IoT policy is attached already"}
_REPAIRED = {"check": "PS203", "status": "repaired", "text": "PS203: no IoT policy was attached, repaired"}
_COGNITO = {"Federated": "cognito-identity.amazonaws.com"}
_FORBIDDEN = (403, {"message": "Forbidden"})


@dataclass(frozen=True)
class Identity:
    identity_id: str
    credentials: Credentials


@dataclass(frozen=True)
class Visitor(Identity):
    """A signed-in user whose policy was detached again."""

    deployment: Deployment

    @property
    def policies(self) -> list[str]:
        return self.deployment.attached_policies(self.identity_id)

    def detach(self) -> None:
        self.deployment.cloud.client("iot").detach_policy(policyName="myIoTPolicy", target=self.identity_id)

    def call(self, **request: Any) -> Answer:
        return self.deployment.self_attach(self.credentials, **request)


@pytest.fixture(scope="module")
def signed_in(deployment: Deployment) -> Visitor:
    tokens = deployment.sign_in(deployment.make_user())
    deployment.wait_until_retry_queue_is_empty()
    return Visitor(deployment.identity_id(tokens), deployment.credentials(tokens), deployment)


@pytest.fixture(scope="module")
def another_user(deployment: Deployment) -> Identity:
    """Another user, without the policy."""
    tokens = deployment.sign_in(deployment.make_user())
    deployment.wait_until_retry_queue_is_empty()
    identity_id = deployment.identity_id(tokens)
    deployment.cloud.client("iot").detach_policy(policyName="myIoTPolicy", target=identity_id)
    return Identity(identity_id, deployment.credentials(tokens))


@pytest.fixture
def visitor(signed_in: Visitor, another_user: Identity) -> Iterator[Visitor]:
    """The user, without the policy; whatever the test does, the other user must not get it."""
    signed_in.detach()
    yield signed_in
    assert signed_in.deployment.attached_policies(another_user.identity_id) == []


class TestOwnIdentity:
    def test_missing_policy_is_attached_once(self, visitor: Visitor) -> None:
        assert _status_and_body(visitor.call()) == (200, _REPAIRED)
        assert visitor.policies == ["myIoTPolicy"]
        assert _status_and_body(visitor.call()) == (200, _ATTACHED)
        assert visitor.policies == ["myIoTPolicy"]

    def test_browser_may_call_and_read_the_response(self, visitor: Visitor) -> None:
        origin = "https://app.example.com"
        asked = preflight(visitor.deployment.outputs[Output.SELF_ATTACH_URL], origin)
        assert asked.status == 204
        assert asked.headers["access-control-allow-origin"] == "*"
        assert {"authorization", "x-amz-date", "x-amz-security-token"} <= set(
            asked.headers["access-control-allow-headers"].split(",")
        )
        answer = visitor.call(headers={"Origin": origin})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
        assert answer.headers["access-control-expose-headers"] == "retry-after"


class TestOtherIdentities:
    """Attempts to attach the policy to another identity, or without a sign-in."""

    def test_body_that_claims_an_identity_is_refused(self, visitor: Visitor, another_user: Identity) -> None:
        claim = json.dumps({"identityId": another_user.identity_id, "target": another_user.identity_id})
        answer = visitor.call(body=claim, headers={"Content-Type": "application/json"})
        assert (answer.status, answer.body["status"], visitor.policies) == (400, "refused", [])

    def test_query_and_headers_that_claim_an_identity_are_ignored(
        self, visitor: Visitor, another_user: Identity
    ) -> None:
        claims = {"X-Amz-Cognito-Identity-Id": another_user.identity_id, "Cookie": f"id={another_user.identity_id}"}
        query = urlencode({"identityId": another_user.identity_id})
        url = f"{visitor.deployment.outputs[Output.SELF_ATTACH_URL]}?{query}"
        answer = call(url, credentials=visitor.credentials, region=visitor.deployment.cloud.region, headers=claims)
        assert _status_and_body(answer) == (200, _REPAIRED)
        assert visitor.policies == ["myIoTPolicy"]

    def test_unsigned_request_is_refused(self, visitor: Visitor) -> None:
        deployment = visitor.deployment
        assert _status_and_body(deployment.self_attach(None)) == _FORBIDDEN
        assert _status_and_body(deployment.self_attach(None, headers={"Authorization": "Bearer token"})) == _FORBIDDEN

    def test_mixed_credentials_of_two_users_are_refused(self, visitor: Visitor, another_user: Identity) -> None:
        mine, theirs = visitor.credentials, another_user.credentials
        for mixed in (
            replace(theirs, secret_access_key=mine.secret_access_key),
            replace(mine, session_token=theirs.session_token),
        ):
            assert _status_and_body(visitor.deployment.self_attach(mixed)) == _FORBIDDEN

    def test_administrator_without_an_identity_is_refused(self, visitor: Visitor) -> None:
        """An administrator may call the route, but has no Cognito identity."""
        cloud = visitor.deployment.cloud
        operator = cloud.client("iam")
        operator.create_user(UserName="no-identity")
        operator.put_user_policy(
            UserName="no-identity",
            PolicyName="all",
            PolicyDocument=document({"Effect": "Allow", "Action": "*", "Resource": "*"}),
        )
        key = operator.create_access_key(UserName="no-identity")["AccessKey"]
        answer = visitor.deployment.self_attach(Credentials(key["AccessKeyId"], key["SecretAccessKey"], ""))
        assert (answer.status, answer.body["status"]) == (403, "refused")
        assert "was not signed by a Cognito identity" in answer.body["text"]

    def test_identity_of_another_pool_is_refused(self, visitor: Visitor) -> None:
        stranger = _of_another_pool(visitor.deployment, {"Action": "execute-api:Invoke", "Resource": "*"})
        answer = visitor.deployment.self_attach(stranger.credentials)
        assert (answer.status, answer.body["status"]) == (403, "refused")
        assert "another identity pool" in answer.body["text"]
        assert visitor.deployment.attached_policies(stranger.identity_id) == []

    def test_role_without_the_permission_does_not_reach_the_function(self, visitor: Visitor) -> None:
        deployment = visitor.deployment
        stranger = _of_another_pool(deployment, {"Action": "iot:*", "Resource": "*"})
        calls = deployment.cloud.calls()
        assert _status_and_body(deployment.self_attach(stranger.credentials)) == _FORBIDDEN
        assert "iot:ListAttachedPolicies" not in deployment.calls_of(calls)

    def test_guest_is_refused(self, visitor: Visitor) -> None:
        """Even if the pool allows guests and their role has the permission."""
        with _guest(visitor.deployment) as guest:
            answer = visitor.deployment.self_attach(guest.credentials)
        assert (answer.status, answer.body["status"]) == (403, "refused")
        assert "signed by a guest" in answer.body["text"]

    def test_user_may_call_only_this_route_of_the_api(self, visitor: Visitor) -> None:
        """No other method and no other path, if they existed."""
        deployment = visitor.deployment
        apis, api = deployment.cloud.client("apigatewayv2"), _api(deployment)
        (route,) = apis.get_routes(ApiId=api["ApiId"])["Items"]
        for key in ("GET /self-attach", "POST /other"):
            method, path = key.split(" ")
            made = apis.create_route(
                ApiId=api["ApiId"], RouteKey=key, AuthorizationType="AWS_IAM", Target=route["Target"]
            )
            try:
                answer = call(f"{api['ApiEndpoint']}{path}", method, credentials=visitor.credentials)
            finally:
                apis.delete_route(ApiId=api["ApiId"], RouteId=made["RouteId"])
            assert _status_and_body(answer) == _FORBIDDEN, key
        assert visitor.policies == []


class TestFaults:
    def test_throttled_call_asks_for_a_retry_which_attaches(self, visitor: Visitor) -> None:
        with visitor.deployment.cloud.fault("iot:AttachPolicy", Fail("ThrottlingException")):
            answer = visitor.call()
        assert (answer.status, answer.body["check"], answer.body["status"]) == (503, "PS203", "failed")
        assert int(answer.headers["retry-after"]) >= 1
        assert visitor.policies == []
        assert _status_and_body(visitor.call()) == (200, _REPAIRED)

    def test_lasting_error_is_reported_without_quoting_aws(self, visitor: Visitor) -> None:
        denied = Fail("AccessDeniedException", 403, message=f"about {visitor.identity_id}")
        with visitor.deployment.cloud.fault("iot:AttachPolicy", denied):
            answer = visitor.call()
        assert (answer.status, answer.body["check"], answer.body["status"]) == (500, "PS203", "failed")
        assert "retry-after" not in answer.headers
        line = visitor.deployment.self_attach_lines()[-1]
        assert (line["Source"], line["outcome"], line["reason"]) == (
            "self-attach", "Failed", "AttachPolicy: AccessDeniedException"
        )  # fmt: skip
        assert line["requestId"] in answer.body["text"]
        assert visitor.identity_id not in answer.body["text"]


def test_log_counts_each_call_without_the_user(visitor: Visitor, another_user: Identity) -> None:
    before = len(visitor.deployment.self_attach_lines())
    visitor.call()
    visitor.call()
    visitor.call(body=json.dumps({"identityId": another_user.identity_id}))
    lines = visitor.deployment.self_attach_lines()[before:]
    assert [line["outcome"] for line in lines] == ["Attached", "Skipped", "Skipped"]
    for value in (visitor.identity_id, another_user.identity_id, visitor.credentials.access_key_id):
        assert value not in json.dumps(lines)


def _status_and_body(answer: Answer) -> tuple[int, Any]:
    return answer.status, answer.body


def _api(deployment: Deployment) -> Any:
    apis = deployment.cloud.client("apigatewayv2").get_apis()["Items"]
    (api,) = (each for each in apis if deployment.outputs[Output.SELF_ATTACH_URL].startswith(each["ApiEndpoint"]))
    return api


def _of_another_pool(deployment: Deployment, allowed: dict[str, Any]) -> Identity:
    """Return the identity of a user of the user pool in another identity pool, whose role allows this."""
    identities = deployment.cloud.client("cognito-identity")
    pool = identities.describe_identity_pool(IdentityPoolId=deployment.outputs[Output.IDENTITY_POOL_ID])
    pool_id = identities.create_identity_pool(
        IdentityPoolName="somebody-elses",
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=pool["CognitoIdentityProviders"],
    )["IdentityPoolId"]
    role = make_role(deployment.cloud, {"Effect": "Allow", **allowed}, trusts=_COGNITO)
    identities.set_identity_pool_roles(IdentityPoolId=pool_id, Roles={"authenticated": role})
    logins = deployment.logins(deployment.sign_in(deployment.make_user()))
    return _identity(deployment, pool_id, logins)


@contextmanager
def _guest(deployment: Deployment) -> Iterator[Identity]:
    """Allow guests in the deployment's identity pool, permit them to call any API, and yield one."""
    identities = deployment.cloud.client("cognito-identity")
    pool_id = deployment.outputs[Output.IDENTITY_POOL_ID]
    pool = identities.describe_identity_pool(IdentityPoolId=pool_id)
    pool = {name: value for name, value in pool.items() if value != "" and name != "ResponseMetadata"}
    roles = identities.get_identity_pool_roles(IdentityPoolId=pool_id)["Roles"]
    allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    role = make_role(deployment.cloud, allowed, trusts=_COGNITO)
    identities.update_identity_pool(**pool | {"AllowUnauthenticatedIdentities": True})
    identities.set_identity_pool_roles(IdentityPoolId=pool_id, Roles=roles | {"unauthenticated": role})
    try:
        yield _identity(deployment, pool_id, {})
    finally:
        identities.update_identity_pool(**pool)
        identities.set_identity_pool_roles(IdentityPoolId=pool_id, Roles=roles)


def _identity(deployment: Deployment, pool_id: str, logins: dict[str, str]) -> Identity:
    identities = deployment.public("cognito-identity")
    identity_id = identities.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
    given = identities.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)["Credentials"]
    return Identity(identity_id, Credentials(given["AccessKeyId"], given["SecretKey"], given["SessionToken"]))
