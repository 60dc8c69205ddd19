"""Checks of self-attach: the route, the attachment of a missing policy, and the rejection of unsigned requests."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from pubsub_cli.checks.check import BlockingCheck, Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.functions import allow_invocation, may_invoke, why_it_cannot_run, why_it_differs
from pubsub_cli.checks.identity import self_attach
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import PolicyExists
from pubsub_cli.checks.rejections import UnattachedIdentityIsRejected
from pubsub_cli.finding import AwsCommand, Finding, Fix, failed, passed, unknown
from pubsub_cli.stack import RESTORE, SELF_ATTACH_API, DeployedFunction, Function
from pubsub_client._endpoint import Endpoint
from pubsub_client.outputs import Output

_KEY = "POST /self-attach"
_IAM = "AWS_IAM"
_API_GATEWAY = "apigateway.amazonaws.com"
_EFFECT = "users cannot self-attach"
_MEMBER_OF_FUNCTION = b'"check"'
"""A member of the function's responses that API Gateway's responses do not have."""


class SelfAttachRouteWorks(BlockingCheck):
    """The route serves users that the trigger cannot attach, such as those with MFA, and all users with `attachment:
    self-attach`. Without IAM authorization its function receives no identity.
    """

    id = "PS129"
    group = Group.PROVISIONING
    title = "the self-attach route exists and requires IAM authorization"
    depends_on = (OutputsAreComplete,)

    def examine(self, context: Context) -> Finding:
        api_id = context.find_resource(SELF_ATTACH_API)
        function = next(iter(context.functions_of({Function.SELF_ATTACH})), None)
        if api_id is None or function is None:
            cause = f"The stack has no API or function for self-attach: {_EFFECT}."
            return failed(cause, resource=context.stack, fix=RESTORE)
        if wrong := why_it_cannot_run(function) or why_it_differs(context, function):
            return wrong
        apis = context.aws.apis
        try:
            routes = apis.get_routes(ApiId=api_id)["Items"]
            integrations = apis.get_integrations(ApiId=api_id)["Items"]
        except apis.exceptions.NotFoundException:
            return failed(f"The HTTP API {api_id} was deleted: {_EFFECT}.", resource=api_id, fix=RESTORE)
        if wrong_route := _wrong_route(api_id, routes, integrations, function):
            cause, fix = wrong_route
            return failed(cause, resource=api_id, fix=fix)
        api = f"{context.arn_prefix('execute-api')}:{api_id}"
        if may_invoke(context, function.name, _API_GATEWAY, f"{api}/$default/POST/self-attach"):
            return passed(_KEY)
        return failed(
            f"API Gateway may not invoke {function.name}: {_EFFECT}.",
            resource=function.name,
            fix=allow_invocation(function.name, "ApiGatewayInvokes", _API_GATEWAY, f"{api}/*/POST/self-attach"),
        )


class SelfAttachRepairs(Check):
    """The test user of PS412 calls `POST /self-attach`."""

    id = "PS204"
    group = Group.SELF_ATTACH
    title = "self-attach attaches a missing IoT policy"
    depends_on = (UnattachedIdentityIsRejected, PolicyExists, SelfAttachRouteWorks)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.TEST_USERS})

    async def run(self, context: Context) -> Finding:
        return await self_attach(context, context.unattached_session)


class UnsignedSelfAttachIsRejected(BlockingCheck):
    """API Gateway must reject the request, because the function relies on the identity that API Gateway verified."""

    id = "PS313"
    group = Group.SELF_ATTACH
    title = "an unsigned self-attach request is rejected"
    depends_on = (OutputsAreComplete, SelfAttachRouteWorks)

    def examine(self, context: Context) -> Finding:
        url = context.output(Output.SELF_ATTACH_URL)
        status, body = _post_unsigned(url)
        by_function = _MEMBER_OF_FUNCTION in body
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED) and not by_function:
            return passed(f"HTTP {status}")
        if not by_function and not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return unknown(
                f"The route answered an unsigned request with HTTP {status}, neither a rejection nor a success.",
                resource=url,
                fix="Run the check again later.",
            )
        return failed(
            f"API Gateway accepted an unsigned request (HTTP {status}). Without IAM authorization the function "
            "receives no identity and attaches no policy.",
            resource=url,
            fix="Set the route's authorization to AWS_IAM in the API Gateway console. `cdk deploy` does not detect a "
            "manual change.",
        )


def _wrong_route(
    api_id: str, routes: list[dict[str, Any]], integrations: list[dict[str, Any]], function: DeployedFunction
) -> tuple[str, Fix] | None:
    """Return what is wrong with the route, and the fix; None if it invokes the function with IAM authorization."""
    api, name = f"the HTTP API {api_id}", function.name
    ours = [f"integrations/{each['IntegrationId']}" for each in integrations if name in str(each.get("IntegrationUri"))]
    if not ours:
        return f"No integration of {api} invokes {name}: {_EFFECT}.", RESTORE
    route = next((each for each in routes if each["RouteKey"] == _KEY), None)
    if route is None:
        new = {"ApiId": api_id, "RouteKey": _KEY, "AuthorizationType": _IAM, "Target": ours[0]}
        create = AwsCommand("apigatewayv2", "CreateRoute", new, safe=True)
        return f"The HTTP API {api_id} has no route {_KEY}: {_EFFECT}.", create
    where = {"ApiId": api_id, "RouteId": route["RouteId"]}
    if route.get("AuthorizationType") != _IAM:
        return (
            f"The route {_KEY} of {api} is authorized by {route.get('AuthorizationType')}, not {_IAM}: its function "
            f"does not receive the identity, and {_EFFECT}.",
            AwsCommand("apigatewayv2", "UpdateRoute", {**where, "AuthorizationType": _IAM}, safe=True),
        )
    if route.get("Target") not in ours:
        update = AwsCommand("apigatewayv2", "UpdateRoute", {**where, "Target": ours[0]}, safe=True)
        return f"The route {_KEY} of {api} does not invoke {name}: {_EFFECT}.", update
    return None


def _post_unsigned(url: str) -> tuple[int, bytes]:
    address = urlsplit(url)
    response = Endpoint.parse(address.netloc).request_http("POST", address.path)
    return response.status, response.body
