"""Does API Gateway pass signed requests of self-attach, and only those, to a function that can run?"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from pubsub_cli.checks.arn import arn_prefix
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.deployed_functions import DeployedFunction, Part
from pubsub_cli.checks.functions import changed_since_deployed, why_it_cannot_run
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.resource_policy import allows_service
from pubsub_cli.checks.restoring import RESTORE
from pubsub_cli.checks.stack_resources import named
from pubsub_cli.finding import AwsCommand, Finding, failed, passed, skipped
from pubsub_client.outputs import Output

NO_ROUTE = "the stack is of an older version, which has no self-attach"
_KEY = "POST /self-attach"
_IAM = "AWS_IAM"
_API_GATEWAY = "apigateway.amazonaws.com"
_SO = "users cannot self-attach"


class SelfAttachRouteWorks(Check):
    """The route `POST /self-attach` is authorized by IAM and invokes its function, which can run.

    It serves users whom the trigger cannot attach, such as those with MFA, and everybody with the setting `attachment:
    self-attach`. Without IAM authorization the function does not receive the identity. Its state and configuration
    are checked as PS127 and PS119 check those of the sign-in.
    """

    id = "PS129"
    group = Group.PROVISIONING
    title = "the self-attach route exists and requires IAM authorization"
    depends_on = (OutputsAreComplete,)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK})

    async def run(self, context: Context) -> Finding:
        """Read the route, its integration and the function."""
        if Output.SELF_ATTACH_URL not in context.outputs:
            return skipped(NO_ROUTE)
        return await asyncio.to_thread(_look, context)


def _look(context: Context) -> Finding:
    api_id = named(context, "AWS::ApiGatewayV2::Api", "SelfAttachApi")
    function = next(iter(context.functions_of({Part.SELF_ATTACH})), None)
    if api_id is None or function is None:
        return failed(f"The stack has no API or function of self-attach: {_SO}.", resource=context.stack, fix=RESTORE)
    if wrong := why_it_cannot_run(function) or changed_since_deployed(context, function):
        return wrong
    apis = context.aws.apis
    try:
        routes = apis.get_routes(ApiId=api_id)["Items"]
        integrations = apis.get_integrations(ApiId=api_id)["Items"]
    except apis.exceptions.NotFoundException:
        return failed(f"The HTTP API {api_id} was deleted: {_SO}.", resource=api_id, fix=RESTORE)
    return _wrong_route(api_id, routes, integrations, function) or _invoke(context, api_id, function)


def _wrong_route(
    api_id: str, routes: list[dict[str, Any]], integrations: list[dict[str, Any]], function: DeployedFunction
) -> Finding | None:
    ours = [each for each in integrations if function.name in str(each.get("IntegrationUri"))]
    route = next((each for each in routes if each["RouteKey"] == _KEY), None)
    if not ours:
        return failed(
            f"No integration of the HTTP API {api_id} invokes {function.name}: {_SO}.", resource=api_id, fix=RESTORE
        )
    target = f"integrations/{ours[0]['IntegrationId']}"
    if route is None:
        return failed(
            f"The HTTP API {api_id} has no route {_KEY}: {_SO}.",
            resource=api_id,
            fix=AwsCommand(
                "apigatewayv2",
                "CreateRoute",
                {"ApiId": api_id, "RouteKey": _KEY, "AuthorizationType": _IAM, "Target": target},
                safe=True,
            ),
        )
    where = {"ApiId": api_id, "RouteId": route["RouteId"]}
    if route.get("AuthorizationType") != _IAM:
        return failed(
            f"The route {_KEY} of the HTTP API {api_id} is authorized by {route.get('AuthorizationType')}, not {_IAM}: "
            f"its function does not receive the identity, and {_SO}.",
            resource=api_id,
            fix=AwsCommand("apigatewayv2", "UpdateRoute", {**where, "AuthorizationType": _IAM}, safe=True),
        )
    if route.get("Target") not in [f"integrations/{each['IntegrationId']}" for each in ours]:
        return failed(
            f"The route {_KEY} of the HTTP API {api_id} does not invoke {function.name}: {_SO}.",
            resource=api_id,
            fix=AwsCommand("apigatewayv2", "UpdateRoute", {**where, "Target": target}, safe=True),
        )
    return None


def _invoke(context: Context, api_id: str, function: DeployedFunction) -> Finding:
    """Find out whether API Gateway may invoke the function."""
    source = f"{arn_prefix(context, 'execute-api')}:{api_id}/$default/POST/self-attach"
    functions = context.aws.functions
    try:
        policy = json.loads(functions.get_policy(FunctionName=function.name)["Policy"])
    except functions.exceptions.ResourceNotFoundException:
        policy = {"Statement": []}
    if allows_service(policy, _API_GATEWAY, source):
        return passed(_KEY)
    return failed(
        f"API Gateway may not invoke {function.name}: {_SO}.",
        resource=function.name,
        fix=AwsCommand(
            "lambda",
            "AddPermission",
            {
                "FunctionName": function.name,
                "StatementId": "ApiGatewayInvokes",
                "Action": "lambda:InvokeFunction",
                "Principal": _API_GATEWAY,
                "SourceArn": f"{arn_prefix(context, 'execute-api')}:{api_id}/*/POST/self-attach",
            },
            safe=True,
        ),
    )
