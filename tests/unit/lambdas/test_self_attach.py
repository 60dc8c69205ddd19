"""Callers that the self-attach route refuses; tests/e2e/test_self_attach.py calls the deployed route."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError, ReadTimeoutError

from attachment.errors import AttachmentPausedError
from tests.unit.lambdas.conftest import ENVIRONMENT, Load, log_lines
from tests.unit.lambdas.fake_aws import AwsError, FakeIot

_POOL = ENVIRONMENT["IDENTITY_POOL_ID"]
_POLICY = ENVIRONMENT["POLICY_NAME"]
_IDENTITY = "eu-west-1:11111111-2222-3333-4444-555555555555"
_ANOTHER = "eu-west-1:99999999-8888-7777-6666-555555555555"
_USER_POOL = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool"
_CALLER = {"identityId": _IDENTITY, "identityPoolId": _POOL, "amr": ["authenticated", _USER_POOL]}
_REQUEST_ID = "0a1b2c3d-request"


def _event(identity: dict[str, Any] = _CALLER, **members: Any) -> dict[str, Any]:
    """Return API Gateway's event for a request that claims another identity wherever a caller can write one.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    return {
        "version": "2.0",
        "rawQueryString": f"identityId={_ANOTHER}",
        "queryStringParameters": {"identityId": _ANOTHER, "target": _ANOTHER},
        "pathParameters": {"identityId": _ANOTHER},
        "headers": {"x-amz-cognito-identity-id": _ANOTHER},
        "cookies": [f"identityId={_ANOTHER}"],
        "requestContext": {"authorizer": {"iam": {"accountId": "123456789012", "cognitoIdentity": identity}}},
    } | members


class Route:
    """The function with an AWS IoT that knows only the caller, and with a pause flag."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.paused = False
        module._pause_flag = self
        self.iot = FakeIot(module._iot)
        self.iot.policies = {_IDENTITY: set()}

    @property
    def attached(self) -> set[str]:
        """The policies of the caller."""
        return self.iot.policies[_IDENTITY]

    def check(self, _ssm: object) -> None:
        if self.paused:
            raise AttachmentPausedError

    def call(self, event: dict[str, Any] | None = None) -> tuple[int, dict[str, str], dict[str, str]]:
        """Return status, body and headers."""
        context = SimpleNamespace(aws_request_id=_REQUEST_ID)
        response = self._module.handler(_event() if event is None else event, context)
        return response["statusCode"], json.loads(response["body"]), response["headers"]


@pytest.fixture
def route(load: Load) -> Route:
    return Route(load("self_attach"))


@pytest.mark.parametrize(
    ("identity", "text"),
    [
        ({}, "was not signed by a Cognito identity"),
        ({**_CALLER, "identityId": None}, "was not signed by a Cognito identity"),
        ({**_CALLER, "identityPoolId": "eu-west-1:other"}, "by an identity of another identity pool"),
        ({**_CALLER, "identityPoolId": None}, "by an identity of another identity pool"),
        ({**_CALLER, "identityPoolId": [_POOL]}, "by an identity of another identity pool"),
        ({**_CALLER, "amr": ["unauthenticated"]}, "by a guest"),
        ({**_CALLER, "amr": "authenticated"}, "by a guest"),
        ({**_CALLER, "amr": None}, "by a guest"),
    ],
)
def test_route_refuses_guests_and_other_identity_pools(
    route: Route, capsys: pytest.CaptureFixture[str], identity: dict[str, Any], text: str
) -> None:
    status, body, _ = route.call(_event(identity))
    assert (status, body["check"], body["status"], route.attached) == (403, "PS203", "refused", set())
    assert text in body["text"]
    (line,) = log_lines(capsys)
    assert (line["outcome"], text in line["reason"]) == ("Skipped", True)


@pytest.mark.parametrize(
    ("methods", "is_attached"),
    [
        (["authenticated", _USER_POOL, f"{_USER_POOL}:CognitoSignIn:sub"], True),
        (["authenticated", "accounts.google.com", "accounts.google.com:app:user"], True),
        (["authenticated", "login.example", "login.example:eu-west-1:pool:user"], False),
        (["authenticated", f"{_USER_POOL}2", f"{_USER_POOL}2:CognitoSignIn:sub"], False),
        (["authenticated", {"login.example": 1}], False),
    ],
)
def test_route_of_an_adopted_pool_refuses_other_providers(
    load: Load, monkeypatch: pytest.MonkeyPatch, methods: list[Any], is_attached: bool
) -> None:
    monkeypatch.setenv("LOGIN_PROVIDERS", f"{_USER_POOL},accounts.google.com")
    route = Route(load("self_attach"))
    status, body, _ = route.call(_event({**_CALLER, "amr": methods}))
    assert (status, route.attached) == ((200, {_POLICY}) if is_attached else (403, set()))
    assert ("whose identity provider gets no attachment" in body["text"]) is not is_attached


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"authorizer": None},
        {"authorizer": {"iam": None}},
        {"authorizer": {"iam": {"cognitoIdentity": None, "userArn": "arn:aws:iam::123456789012:user/ada"}}},
        {"authorizer": {"jwt": {"claims": {"cognitoIdentity": _CALLER}}}},
        {"identity": {"cognitoIdentityId": _IDENTITY}},
        {"cognitoIdentity": _CALLER},
    ],
)
def test_route_accepts_only_the_identity_of_the_iam_authorizer(route: Route, context: dict[str, Any]) -> None:
    status, body, _ = route.call(_event(requestContext=context))
    assert (status, body["status"], route.attached) == (403, "refused", set())


@pytest.mark.parametrize(("body", "status"), [(" ", 400), ("", 200)])
def test_route_refuses_every_body_and_attaches_only_the_caller(route: Route, body: str, status: int) -> None:
    assert route.call(_event(body=body))[0] == status
    assert route.iot.policies == {_IDENTITY: {_POLICY} if status == 200 else set()}


def test_route_attaches_nothing_while_attachment_is_paused(route: Route, capsys: pytest.CaptureFixture[str]) -> None:
    route.paused = True
    status, body, _ = route.call()
    assert (status, body["status"], route.attached) == (503, "failed", set())
    assert "attachment is paused in this deployment" in body["text"]
    (line,) = log_lines(capsys)
    assert (line["outcome"], line["reason"]) == ("Skipped", "AttachmentPausedError")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AwsError("ThrottlingException", "about ada", status=429), 503),
        (AwsError("InternalFailureException", "about ada", status=500), 503),
        (ReadTimeoutError(endpoint_url="https://iot.eu-west-1.amazonaws.com"), 503),
        (AwsError("AccessDeniedException", "about ada", status=403), 500),
        (AwsError("LimitExceededException", "about ada", status=410), 500),
        (NoCredentialsError(), 500),
        (RuntimeError(f"about {_IDENTITY}"), 500),
    ],
    ids=str,
)
def test_route_reports_whether_to_try_again_and_quotes_no_error(
    route: Route, capsys: pytest.CaptureFixture[str], error: Exception, status: int
) -> None:
    route.iot.failures["attach_policy"] = [error]
    found, body, headers = route.call()
    assert (found, body["check"], body["status"]) == (status, "PS203", "failed")
    if status == 503:
        assert body["text"].endswith("try again shortly")
        assert int(headers["retry-after"]) >= 1
    else:
        assert _REQUEST_ID in body["text"]
        assert "retry-after" not in headers
    (line,) = log_lines(capsys)
    assert line["outcome"] == "Failed"
    assert not [text for text in (_IDENTITY, "ada", _POOL) if text in json.dumps([line, body])]
    assert "Exception" not in body["text"]
