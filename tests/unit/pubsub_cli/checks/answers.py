"""AWS as a check sees it, where what it answers is written down: for states that the local cloud cannot be in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.model import OperationModel

from pubsub_cli.aws import Aws
from pubsub_cli.checks.check import Check
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import DeploymentIds
from pubsub_cli.finding import Finding
from pubsub_client.outputs import Output

Answer = Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]]
"""What an operation answers, or how it answers its parameters."""

REGION = "eu-west-1"
USER_POOL = f"{REGION}_AbC"
IDENTITY_POOL = f"{REGION}:00000000-0000-4000-8000-000000000000"
CLIENT = "webclient"
TRIGGER = "stack-trigger"
OUTPUTS = {
    **DeploymentIds(REGION, USER_POOL, IDENTITY_POOL, f"abc-ats.iot.{REGION}.amazonaws.com", "myIoTPolicy").outputs(),
    Output.USER_POOL_CLIENT_ID.value: CLIENT,
    Output.AUTH_ROLE_ARN.value: "arn:aws:iam::123456789012:role/AuthRole",
    Output.POST_AUTHENTICATION_FUNCTION_NAME.value: TRIGGER,
    Output.TOPICS.value: "*",
}
"""The outputs of a stack, as far as these tests need them."""


def error(code: str, status: int = 400) -> dict[str, Any]:
    """Return the answer by which AWS refuses."""
    return {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}


def template(**handlers: str) -> dict[str, Any]:
    """Return a stack's template with functions of these handlers, by their logical ids."""
    resources = {
        logical: {"Type": "AWS::Lambda::Function", "Properties": {"Handler": handler}}
        for logical, handler in handlers.items()
    }
    return {"TemplateBody": {"Resources": resources}}


def functions(**names: str) -> dict[str, Any]:
    """Return how CloudFormation lists functions, by their logical ids."""
    listed = [
        {"LogicalResourceId": logical, "PhysicalResourceId": name, "ResourceType": "AWS::Lambda::Function"}
        for logical, name in names.items()
    ]
    return {"StackResourceSummaries": listed}


def resources(**types: str) -> dict[str, Any]:
    """Return how CloudFormation lists resources whose physical ids are the logical ones."""
    return {
        "StackResourceSummaries": [
            {"LogicalResourceId": name, "PhysicalResourceId": name, "ResourceType": each}
            for name, each in types.items()
        ]
    }


class Answers(Aws):
    """The way to an AWS that gives the answers of a test; an operation that has none is an error of the test.

    Args:
        answers: the answers, by the operation's name in the API.
    """

    def __init__(self, **answers: Answer) -> None:
        super().__init__(region=REGION)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """What was called, with its parameters."""
        self._answers = answers
        self._in_thread = threading.local()  # checks ask several things at once
        self._session.events.register("before-parameter-build", self._call)
        self._session.events.register("before-call", self._answer)  # type: ignore[arg-type]

    def _call(self, params: dict[str, Any], model: OperationModel, **_: Any) -> None:
        self.calls.append((model.name, params))
        self._in_thread.call = model.name, params

    def _answer(self, **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        name, parameters = self._in_thread.call
        answer = self._answers[name]
        parsed = {**(answer(parameters) if callable(answer) else answer)}
        status = parsed.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        return AWSResponse("", status, HTTPHeaders(), None), parsed


async def find(check: type[Check], aws: Answers, *, outputs: Mapping[str, str] = OUTPUTS, **run: Any) -> Finding:
    """Let a check look at the answers.

    Args:
        check: the check.
        aws: the answers.
        outputs: the deployment's outputs.
        run: what else the run's context is made with; what checks leave there is taken from ``left``.
    """
    left = run.pop("left", {})
    async with AsyncExitStack() as cleanup:
        context = Context(aws=aws, stack="stack", timeout=0, cleanup=cleanup, allow_probes=False, **run)
        context.set_outputs({**outputs})
        for name, value in left.items():
            setattr(context, name, value)
        return await check().run(context)
