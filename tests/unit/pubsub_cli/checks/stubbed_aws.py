"""AWS clients with fixed responses, for states that the local cloud cannot have."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.model import OperationModel
from botocore.session import get_session
from botocore.validate import ParamValidator

from pubsub_cli.aws import Aws
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import DeploymentIds
from pubsub_cli.finding import AwsCommand, Finding
from pubsub_client.outputs import Output

Response = Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]]
"""The response of an operation, or a function from its parameters to the response."""

REGION = "eu-west-1"
USER_POOL = f"{REGION}_AbC"
IDENTITY_POOL = f"{REGION}:00000000-0000-4000-8000-000000000000"
POOL = {"IdentityPoolId": IDENTITY_POOL, "IdentityPoolName": "pool", "AllowUnauthenticatedIdentities": False}
"""The response that describes the identity pool, without its providers."""
CLIENT = "webclient"
TRIGGER = "Trigger"
MANUAL = DeploymentIds(REGION, USER_POOL, IDENTITY_POOL, f"abc-ats.iot.{REGION}.amazonaws.com", "myIoTPolicy")
"""A deployment that is not a stack of this toolkit."""
OUTPUTS = {
    **MANUAL.outputs(),
    Output.USER_POOL_CLIENT_ID.value: CLIENT,
    Output.AUTH_ROLE_ARN.value: "arn:aws:iam::123456789012:role/AuthRole",
    Output.POST_AUTHENTICATION_FUNCTION_NAME.value: TRIGGER,
    Output.TOPICS.value: "*",
}
"""The outputs of a stack that these tests need."""


_CLAIMS = {
    "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC",
    "aud": "client",
    "exp": 1,
    "token_use": "id",
    "cognito:username": "ada",
}


def token(**changes: Any) -> str:
    """Return an ID token; a change to None removes a claim."""
    claims = {name: value for name, value in {**_CLAIMS, **changes}.items() if value is not None}
    return f"head.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.signature"


def error(code: str, status: int = 400) -> dict[str, Any]:
    """Return the response of a failed call."""
    return {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}


def stack(
    functions: Mapping[str, str] | None = None, resources: Mapping[str, str] | None = None, **configuration: Any
) -> dict[str, Response]:
    """Return the responses that describe a stack, whose physical ids are the logical ones.

    Args:
        functions: the handlers of its functions, by name.
        resources: the types of its other resources, by name.
        configuration: the configuration of each function, in addition to the name.
    """
    handlers = functions or {}
    types = {**dict.fromkeys(handlers, "AWS::Lambda::Function"), **(resources or {})}
    template: dict[str, Any] = {
        name: {"Type": kind, "Properties": {"Handler": handlers[name]} if name in handlers else {}}
        for name, kind in types.items()
    }
    return {
        "ListStackResources": {
            "StackResourceSummaries": [
                {"LogicalResourceId": name, "PhysicalResourceId": name, "ResourceType": kind}
                for name, kind in types.items()
            ]
        },
        "GetTemplate": {"TemplateBody": {"Resources": template}},
        "GetFunctionConfiguration": lambda asked: {"FunctionName": asked["FunctionName"], **configuration},
        "GetFunctionConcurrency": {},
    }


class StubbedAws(Aws):
    """AWS clients with the responses of a test. Calling an operation without a response raises KeyError.

    Args:
        responses: the responses, by the operation's name in the API.
    """

    def __init__(self, **responses: Response) -> None:
        super().__init__(region=REGION)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """The operations that were called, with their parameters."""
        self._responses = responses
        self._in_thread = threading.local()  # checks make calls in parallel
        self._session.events.register("before-parameter-build", self._call)
        self._session.events.register("before-call", self._respond)  # type: ignore[arg-type]

    def _call(self, params: dict[str, Any], model: OperationModel, **_: Any) -> None:
        self.calls.append((model.name, params))
        self._in_thread.call = model.name, params

    def _respond(self, **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        name, parameters = self._in_thread.call
        response = self._responses[name]
        parsed = {**(response(parameters) if callable(response) else response)}
        status = parsed.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        return AWSResponse("", status, HTTPHeaders(), None), parsed


async def run_check(
    check: type[Check],
    aws: StubbedAws,
    *,
    outputs: Mapping[str, str] = OUTPUTS,
    fields: Mapping[str, Any] | None = None,
    **options: Any,
) -> Finding:
    """Run a check. The commands of its fix must have the parameters that AWS's APIs define.

    Args:
        check: the check.
        aws: the responses of AWS.
        outputs: the deployment's outputs.
        fields: the fields of the context that earlier checks have set.
        options: more arguments of the context.
    """
    async with AsyncExitStack() as cleanup:
        context = Context(aws=aws, stack="stack", timeout=0, cleanup=cleanup, allow_probes=False, **options)
        context.set_outputs({**outputs})
        for name, value in (fields or {}).items():
            setattr(context, name, value)
        finding = await check().run(context)
    for command in finding.commands:
        if isinstance(command, AwsCommand):
            operation = get_session().get_service_model(command.service).operation_model(command.operation)
            assert operation.input_shape
            report = ParamValidator().validate(command.parameters, operation.input_shape)
            assert not report.has_errors(), report.generate_report()
    return finding
