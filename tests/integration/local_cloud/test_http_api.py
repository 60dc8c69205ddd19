from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.integration.local_cloud.account import Account, Identity, document, make_function
from tests.integration.local_cloud.http_api import call, http_api, preflight

_FORBIDDEN = {"message": "Forbidden"}
_RETURN_IDENTITY = """
import json

def handler(event, context):
    identity = event["requestContext"]["authorizer"]["iam"]["cognitoIdentity"]
    return {"statusCode": 200, "body": json.dumps(identity)}
"""


@pytest.fixture(scope="module")
def route(account: Account) -> Iterator[str]:
    with http_api(account.cloud, make_function(account.cloud, _RETURN_IDENTITY), ("https://app.example.com",)) as url:
        yield url


@pytest.fixture(scope="module")
def user(account: Account) -> Identity:
    """A user whose role allows every route."""
    return _with_permission(account, account.user())


def test_function_receives_the_identity(account: Account, route: str, user: Identity) -> None:
    answer = call(route, credentials=user.credentials)
    assert answer.status == 200
    assert answer.body["identityId"] == user.identity_id
    assert answer.body["identityPoolId"] == account.identity_pool_id
    assert "authenticated" in answer.body["amr"]


def test_function_distinguishes_guests_from_users(account: Account, route: str) -> None:
    guest = _with_permission(account, account.guest())
    answer = call(route, credentials=guest.credentials)
    assert (answer.status, answer.body["amr"]) == (200, ["unauthenticated"])


def test_unauthorized_call_is_answered_forbidden(account: Account, route: str, user: Identity) -> None:
    pool_id = account.make_identity_pool({"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"})
    answers = {
        "unsigned": call(route),
        "no signature": call(route, headers={"Authorization": "Bearer token"}),
        "wrong key": call(route, credentials=replace(user.credentials, secret_access_key="guess")),
        "wrong token": call(route, credentials=replace(user.credentials, session_token="guess")),
        "not allowed": call(route, credentials=account.user(identity_pool_id=pool_id).credentials),
    }
    assert {each: (answer.status, answer.body) for each, answer in answers.items()} == dict.fromkeys(
        answers, (403, _FORBIDDEN)
    )


@pytest.mark.parametrize(("method", "path"), [("GET", "/route"), ("POST", "/other")])
def test_missing_route_is_not_found(route: str, user: Identity, method: str, path: str) -> None:
    answer = call(route.replace("/route", path), method, credentials=user.credentials)
    assert (answer.status, answer.body) == (404, {"message": "Not Found"})


def test_cors_headers_allow_a_permitted_origin(route: str, user: Identity) -> None:
    origin = "https://app.example.com"
    allowed = preflight(route, origin)
    assert allowed.status == 204
    assert allowed.headers["access-control-allow-methods"] == "POST"
    assert allowed.headers["access-control-allow-headers"] == "authorization,x-amz-date"
    answer = call(route, credentials=user.credentials, headers={"Origin": origin})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)


def test_cors_headers_do_not_allow_another_origin(route: str, user: Identity) -> None:
    for answer in (
        preflight(route, "https://evil.example.com"),
        call(route, credentials=user.credentials, headers={"Origin": "https://evil.example.com"}),
    ):
        assert "access-control-allow-origin" not in answer.headers


def _with_permission(account: Account, identity: Identity) -> Identity:
    account.cloud.client("iam").put_role_policy(
        RoleName=account.role_of(identity),
        PolicyName="execute-api",
        PolicyDocument=document({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}),
    )
    return identity
