from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from attachment.errors import AttachmentPausedError
from tests.unit.lambdas.conftest import ENVIRONMENT, Load, refusal

_POOL = ENVIRONMENT["IDENTITY_POOL_ID"]
_POLICY = ENVIRONMENT["POLICY_NAME"]
_IDENTITY = "eu-west-1:11111111-2222-3333-4444-555555555555"
_SOMEBODY_ELSE = "eu-west-1:99999999-8888-7777-6666-555555555555"
_SIGNED_IN = ["authenticated", "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool"]
_REQUEST_ID = "0a1b2c3d-request"


def _event(identity: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """What API Gateway sends, of what the function could look at.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    caller = {"identityId": _IDENTITY, "identityPoolId": _POOL, "amr": _SIGNED_IN}
    iam = {
        "accessKey": "ASIA",
        "accountId": "123456789012",
        "cognitoIdentity": caller if identity is None else identity,
    }
    return {
        "version": "2.0",
        "routeKey": "POST /self-attach",
        "rawPath": "/self-attach",
        "rawQueryString": "",
        "headers": {"host": "api.execute-api.eu-west-1.amazonaws.com"},
        "requestContext": {"authorizer": {"iam": iam}, "http": {"method": "POST", "path": "/self-attach"}},
        "isBase64Encoded": False,
    } | members


class Iot:
    """AWS IoT, with some policies attached to the identity that signs; no other may be asked about."""

    def __init__(self, attached: list[str], failures: Mapping[str, Exception]) -> None:
        self.attached = attached
        self._failures = failures

    def list_attached_policies(self, *, target: str) -> dict[str, Any]:
        self._called("list_attached_policies", target)
        return {"policies": [{"policyName": name} for name in self.attached]}

    def attach_policy(self, *, policyName: str, target: str) -> None:  # noqa: N803 - boto3's name
        self._called("attach_policy", target)
        self.attached.append(policyName)

    def _called(self, operation: str, target: str) -> None:
        assert target == _IDENTITY
        if operation in self._failures:
            raise self._failures[operation]


class Route:
    """The function before an AWS IoT of its own."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.turned_off = False
        module._switch = self
        self.attached(())

    def check(self, _ssm: object) -> None:
        """Stand for the switch."""
        if self.turned_off:
            raise AttachmentPausedError

    def attached(self, names: Collection[str], **failures: Exception) -> None:
        """Let these policies be attached, and these operations fail."""
        self.module._iot = self.iot = Iot(list(names), failures)

    def call(self, event: dict[str, Any]) -> tuple[int, dict[str, str], dict[str, str]]:
        """Return status, body and headers."""
        answer = self.module.handler(event, SimpleNamespace(aws_request_id=_REQUEST_ID))
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


@pytest.fixture
def route(load: Load) -> Route:
    return Route(load("self_attach"))


def _line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = capsys.readouterr().out.splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_missing_policy_is_attached(route: Route, capsys: pytest.CaptureFixture[str]) -> None:
    route.attached(["another"])
    status, body, headers = route.call(_event())
    assert route.iot.attached == ["another", _POLICY]
    assert (status, body) == (
        200,
        {"check": "PS203", "status": "repaired", "text": "PS203: no IoT policy was attached, repaired"},
    )
    assert headers == {"content-type": "application/json", "cache-control": "no-store"}
    line = _line(capsys)
    assert (line["outcome"], line["Source"], line["reason"], line["requestId"]) == (
        "Attached", "self-attach", None, _REQUEST_ID
    )  # fmt: skip


def test_what_is_attached_already_is_left_alone(route: Route, capsys: pytest.CaptureFixture[str]) -> None:
    route.attached(["another", _POLICY])
    status, body, _ = route.call(_event())
    assert route.iot.attached == ["another", _POLICY]
    assert (status, body) == (
        200,
        {"check": "PS203", "status": "attached", "text": "PS203: the IoT policy is attached already"},
    )
    assert _line(capsys)["outcome"] == "Skipped"


_CALLER = {"identityId": _IDENTITY, "identityPoolId": _POOL, "amr": _SIGNED_IN}


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        ({}, "was not signed by a Cognito identity"),
        ({**_CALLER, "identityId": None}, "was not signed by a Cognito identity"),
        ({**_CALLER, "identityPoolId": "eu-west-1:other"}, "by an identity of another identity pool"),
        ({**_CALLER, "identityPoolId": None}, "by an identity of another identity pool"),
        ({**_CALLER, "identityPoolId": [_POOL]}, "by an identity of another identity pool"),
        ({**_CALLER, "amr": ["unauthenticated"]}, "by a guest"),
        ({**_CALLER, "amr": "unauthenticated"}, "by a guest"),
        ({**_CALLER, "amr": "authenticated"}, "by a guest"),
        ({**_CALLER, "amr": []}, "by a guest"),
        ({**_CALLER, "amr": None}, "by a guest"),
    ],
)
def test_nobody_is_attached_but_a_signed_in_user_of_this_identity_pool(
    route: Route, capsys: pytest.CaptureFixture[str], identity: dict[str, Any], words: str
) -> None:
    status, body, _ = route.call(_event(identity))
    assert (status, body["check"], body["status"]) == (403, "PS203", "refused")
    assert route.iot.attached == []
    assert words in body["text"]
    line = _line(capsys)
    assert (line["outcome"], words in line["reason"]) == ("Skipped", True)


_USER_POOL = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool"


@pytest.mark.parametrize(
    ("methods", "is_attached"),
    [
        (["authenticated", _USER_POOL, f"{_USER_POOL}:CognitoSignIn:sub"], True),
        (["authenticated", "accounts.google.com", "accounts.google.com:app:user"], True),
        (["authenticated", "login.example", "login.example:eu-west-1:pool:user"], False),
        (["authenticated", f"{_USER_POOL}2", f"{_USER_POOL}2:CognitoSignIn:sub"], False),
        (["authenticated"], False),
        (["authenticated", {"login.example": 1}], False),
        (["unauthenticated", _USER_POOL], False),
    ],
)
def test_in_an_adopted_identity_pool_only_users_of_named_providers_are_attached(
    load: Load, monkeypatch: pytest.MonkeyPatch, methods: list[Any], is_attached: bool
) -> None:
    monkeypatch.setenv("LOGIN_PROVIDERS", f"{_USER_POOL},accounts.google.com")
    route = Route(load("self_attach"))
    status, body, _ = route.call(_event({**_CALLER, "amr": methods}))
    assert (status, route.iot.attached) == ((200, [_POLICY]) if is_attached else (403, []))
    if methods[0] == "authenticated" and not is_attached:
        assert "by a user of another identity provider" in body["text"]


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
def test_an_identity_that_comes_any_other_way_counts_for_nothing(route: Route, context: dict[str, Any]) -> None:
    status, body, _ = route.call(_event(requestContext=context))
    assert (status, body["status"], route.iot.attached) == (403, "refused", [])


@pytest.mark.parametrize(
    "body", ["{}", json.dumps({"identityId": _SOMEBODY_ELSE}), " ", "eyJpZGVudGl0eUlkIjogIngifQ=="]
)
def test_a_request_with_a_body_is_refused_whatever_it_says(route: Route, body: str) -> None:
    status, answer, _ = route.call(_event(body=body))
    assert (status, answer["status"], route.iot.attached) == (400, "refused", [])
    assert "must have no body" in answer["text"]


@pytest.mark.parametrize("body", [None, ""])
def test_an_empty_body_is_none(route: Route, body: str | None) -> None:
    route.attached([_POLICY])
    assert route.call(_event(body=body))[0] == 200


def test_what_query_headers_and_cookies_claim_is_not_looked_at(route: Route) -> None:
    claims: dict[str, Any] = {
        "rawQueryString": f"identityId={_SOMEBODY_ELSE}",
        "queryStringParameters": {"identityId": _SOMEBODY_ELSE, "target": _SOMEBODY_ELSE},
        "pathParameters": {"identityId": _SOMEBODY_ELSE},
        "headers": {"x-amz-cognito-identity-id": _SOMEBODY_ELSE, "cookie": f"identityId={_SOMEBODY_ELSE}"},
        "cookies": [f"identityId={_SOMEBODY_ELSE}"],
        "stageVariables": {"identityId": _SOMEBODY_ELSE},
    }
    assert route.call(_event(**claims))[0] == 200
    assert route.iot.attached == [_POLICY]


def test_with_attaching_turned_off_it_says_so_and_attaches_nothing(
    route: Route, capsys: pytest.CaptureFixture[str]
) -> None:
    route.turned_off = True
    status, body, _ = route.call(_event())
    assert (status, body["status"], route.iot.attached) == (503, "failed", [])
    assert "attachment is paused in this deployment" in body["text"]
    line = _line(capsys)
    assert (line["outcome"], line["reason"]) == ("Skipped", "AttachmentPausedError")


_LATER = [
    refusal("ThrottlingException", 429),
    refusal("TooManyRequestsException", 429),
    refusal("InternalFailureException", 500),
    refusal("ServiceUnavailableException", 503),
    ReadTimeoutError(endpoint_url="https://iot.eu-west-1.amazonaws.com"),
    EndpointConnectionError(endpoint_url="https://iot.eu-west-1.amazonaws.com"),
    KeyError("policies"),
]
_NEVER = [
    refusal("AccessDeniedException", 403),
    refusal("ResourceNotFoundException", 404),
    refusal("LimitExceededException", 410),
    refusal("InvalidRequestException", 400),
    NoCredentialsError(),
    RuntimeError(f"about {_IDENTITY}"),
]


@pytest.mark.parametrize("operation", ["list_attached_policies", "attach_policy"])
class TestFailures:
    @pytest.mark.parametrize("error", _LATER, ids=lambda error: type(error).__name__ + str(error)[:60])
    def test_what_passes_by_itself_is_to_be_tried_again(
        self, route: Route, capsys: pytest.CaptureFixture[str], operation: str, error: Exception
    ) -> None:
        status, body, headers = self._call(route, operation, error)
        assert (status, body["check"], body["status"]) == (503, "PS203", "failed")
        assert int(headers["retry-after"]) >= 1
        assert body["text"].endswith("try again shortly")
        _nothing_is_told(body, capsys)

    @pytest.mark.parametrize("error", _NEVER, ids=lambda error: type(error).__name__ + str(error)[:60])
    def test_what_somebody_must_mend_is_not(
        self, route: Route, capsys: pytest.CaptureFixture[str], operation: str, error: Exception
    ) -> None:
        status, body, headers = self._call(route, operation, error)
        assert (status, body["check"], body["status"]) == (500, "PS203", "failed")
        assert "retry-after" not in headers
        assert _REQUEST_ID in body["text"]
        _nothing_is_told(body, capsys)

    def _call(self, route: Route, operation: str, error: Exception) -> tuple[int, dict[str, str], dict[str, str]]:
        route.attached((), **{operation: error})
        return route.call(_event())


def _nothing_is_told(body: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """See that neither answer nor log quotes AWS or names anybody."""
    line = _line(capsys)
    assert line["outcome"] == "Failed"
    for words in (_IDENTITY, "ada", _POOL):
        assert words not in json.dumps(line)
        assert words not in json.dumps(body)
    assert "Exception" not in body["text"]
