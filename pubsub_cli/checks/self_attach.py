"""Does self-attach repair what is missing, and for nobody but who has signed?"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from urllib.parse import urlsplit

from pubsub_cli.checks.attachment import attach_by_route
from pubsub_cli.checks.check import Check, Group
from pubsub_cli.checks.configuration import OutputsAreComplete
from pubsub_cli.checks.context import Context
from pubsub_cli.checks.options import Requirement
from pubsub_cli.checks.provisioning import PolicyExists
from pubsub_cli.checks.refusals import UnattachedIdentityIsRefused
from pubsub_cli.checks.self_attach_route import NO_ROUTE, SelfAttachRouteWorks
from pubsub_cli.finding import Finding, Status, failed, passed, skipped
from pubsub_client._endpoint import Endpoint
from pubsub_client.outputs import Output

_FUNCTION_SAYS = b'"check"'
_OK, _REDIRECTED = 200, 300


class SelfAttachRepairs(Check):
    """A user whose identity lacks the policy has it attached by the route `POST /self-attach`.

    It is the way of users whom the trigger cannot attach, such as those with a second factor, and the only one where
    the setting `attachment` is `self-attach`. Asked by the user who was refused before.
    """

    id = "PS204"
    group = Group.IDENTITY
    title = "self-attach attaches a missing IoT policy"
    depends_on = (UnattachedIdentityIsRefused, PolicyExists, SelfAttachRouteWorks)
    requirements = frozenset({Requirement.OPERATOR, Requirement.STACK, Requirement.TEST_USERS})

    async def run(self, context: Context) -> Finding:
        """Call the route with the user's credentials."""
        if Output.SELF_ATTACH_URL not in context.outputs:
            return skipped(NO_ROUTE)
        return await attach_by_route(context, context.unattached_session)


class UnsignedSelfAttachIsRefused(Check):
    """Who has not signed the request is refused by API Gateway, before the route's function is asked.

    The function takes whose identity it is from API Gateway alone, which knows it only from a signature.
    """

    id = "PS313"
    group = Group.AUTHORIZATION
    title = "an unsigned self-attach request is rejected"
    depends_on = (OutputsAreComplete, SelfAttachRouteWorks)
    requirements = frozenset({Requirement.STACK, Requirement.OPERATOR})

    async def run(self, context: Context) -> Finding:
        """Call the route with no credentials at all."""
        if Output.SELF_ATTACH_URL not in context.outputs:
            return skipped(NO_ROUTE)
        url = context.output(Output.SELF_ATTACH_URL)
        status, body = await asyncio.to_thread(_post_unsigned, url)
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED) and _FUNCTION_SAYS not in body:
            return passed(f"HTTP {status}")
        if _FUNCTION_SAYS not in body and not _OK <= status < _REDIRECTED:
            return Finding(
                Status.UNKNOWN,
                cause=f"The route answered HTTP {status}, which neither refuses the request nor takes it.",
                resource=url,
                fix="Run it again in a while.",
            )
        return failed(
            f"A request that nobody has signed passes API Gateway (HTTP {status}): the route is not authorized by IAM, "
            "so its function is told of no identity and attaches nobody.",
            resource=url,
            fix="Set the route's authorization to AWS_IAM (API Gateway console, Authorization); `cdk deploy` alone "
            "does not see what was changed by hand",
        )


def _post_unsigned(url: str) -> tuple[int, bytes]:
    address = urlsplit(url)
    response = Endpoint.parse(address.netloc).request_http("POST", address.path)
    return response.status, response.body
