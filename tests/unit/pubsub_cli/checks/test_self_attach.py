"""The self-attach route: missing, changed, without permission, and its response to an unsigned request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pubsub_cli.checks import self_attach
from pubsub_cli.checks.self_attach import SelfAttachRouteWorks, UnsignedSelfAttachIsRejected
from pubsub_cli.finding import AwsCommand, Finding, Status
from pubsub_client.outputs import Output
from tests.unit.pubsub_cli.checks.stubbed_aws import OUTPUTS, StubbedAws, error, run_check, stack

WITH_ROUTE = {**OUTPUTS, Output.SELF_ATTACH_URL: "https://abc.execute-api.eu-west-1.amazonaws.com/self-attach"}
API = {"SelfAttachApi": "AWS::ApiGatewayV2::Api"}
FUNCTION = {"Function": "self_attach.handler"}
ROUTE = {"RouteId": "r", "RouteKey": "POST /self-attach", "AuthorizationType": "AWS_IAM", "Target": "integrations/i"}
INTEGRATION = {"IntegrationId": "i", "IntegrationUri": "arn:aws:lambda:eu-west-1:123456789012:function:Function"}
SOURCE = "arn:aws:execute-api:eu-west-1:123456789012:SelfAttachApi/*/POST/self-attach"
PERMISSION = {
    "Effect": "Allow",
    "Principal": {"Service": "apigateway.amazonaws.com"},
    "Condition": {"ArnLike": {"AWS:SourceArn": SOURCE}},
}


async def check_route(
    *routes: dict[str, Any], integrations: Any = (INTEGRATION,), permissions: Any = (PERMISSION,)
) -> Finding:
    aws = StubbedAws(
        **stack(FUNCTION, API, Handler="self_attach.handler"),
        GetRoutes={"Items": [*routes]},
        GetIntegrations={"Items": [*integrations]},
        GetPolicy={"Policy": json.dumps({"Statement": [*permissions]})},
    )
    return await run_check(SelfAttachRouteWorks, aws, outputs=WITH_ROUTE)


async def test_route_as_deployed_passes() -> None:
    assert (await check_route(ROUTE)).status is Status.PASSED


@pytest.mark.parametrize(
    ("routes", "operation", "parameters"),
    [
        ([], "CreateRoute", {key: value for key, value in ROUTE.items() if key != "RouteId"}),
        ([ROUTE | {"AuthorizationType": "NONE"}], "UpdateRoute", {"RouteId": "r", "AuthorizationType": "AWS_IAM"}),
        ([ROUTE | {"Target": "integrations/other"}], "UpdateRoute", {"RouteId": "r", "Target": "integrations/i"}),
    ],
    ids=["deleted", "without authorization", "other target"],
)
async def test_changed_route_is_restored(
    routes: list[dict[str, Any]], operation: str, parameters: dict[str, Any]
) -> None:
    finding = await check_route(*routes)
    assert "users cannot self-attach" in str(finding.cause)
    (command,) = finding.safe_commands
    assert isinstance(command, AwsCommand)
    assert (command.operation, command.parameters) == (operation, {"ApiId": "SelfAttachApi", **parameters})


@pytest.mark.parametrize(
    "permission",
    [None, PERMISSION | {"Effect": "Deny"}, PERMISSION | {"Condition": {"ArnLike": {"AWS:SourceArn": "x"}}}],
)
async def test_missing_permission_of_api_gateway_is_added(permission: dict[str, Any] | None) -> None:
    finding = await check_route(ROUTE, permissions=[permission] if permission else [])
    assert "API Gateway may not invoke Function" in str(finding.cause)
    (command,) = finding.safe_commands
    assert f"--principal apigateway.amazonaws.com --source-arn '{SOURCE}'" in str(command)


async def test_missing_part_of_the_stack_is_restored() -> None:
    answers = stack(FUNCTION, API, Handler="self_attach.handler")
    for finding in (
        await check_route(ROUTE, integrations=[]),
        await run_check(SelfAttachRouteWorks, StubbedAws(**stack(FUNCTION)), outputs=WITH_ROUTE),
        await run_check(
            SelfAttachRouteWorks, StubbedAws(**answers, GetRoutes=error("NotFoundException")), outputs=WITH_ROUTE
        ),
    ):
        assert finding.status is Status.FAILED
        assert "cdk deploy --revert-drift" in str(finding.fix)


OF_FUNCTION = b'{"check": "PS203"}'
OF_GATEWAY = b'{"message": "no"}'


@pytest.mark.parametrize(
    ("code", "body", "status"),
    [
        (403, OF_GATEWAY, Status.PASSED),
        (401, OF_GATEWAY, Status.PASSED),
        (200, OF_GATEWAY, Status.FAILED),
        (403, OF_FUNCTION, Status.FAILED),
        (404, OF_GATEWAY, Status.UNKNOWN),
        (503, b"", Status.UNKNOWN),
    ],
)
async def test_response_to_an_unsigned_request_shows_what_answered(
    code: int, body: bytes, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_attach, "_post_unsigned", lambda _: (code, body))
    assert (await run_check(UnsignedSelfAttachIsRejected, StubbedAws(), outputs=WITH_ROUTE)).status is status
