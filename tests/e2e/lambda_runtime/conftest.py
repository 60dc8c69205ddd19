"""Network failures for functions of the deployed stack that run under AWS's runtime client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local_cloud.faults import Fault, Hang
from local_cloud.name_server import NameServer
from local_cloud.process import LocalCloud
from tests.e2e.conftest import Deployment
from tests.e2e.lambda_runtime.forwarder import Forwarder

HANGS = ("a resolver that never answers", "a silent socket", "every call hanging")

_CALLS = (
    "ssm:GetParameters",
    "cognito-idp:AdminInitiateAuth",
    "cognito-idp:AdminRespondToAuthChallenge",
    "cognito-idp:AdminUpdateUserAttributes",
    "cognito-idp:AdminGetUser",
    "kms:GenerateMac",
    "kms:VerifyMac",
    "cognito-identity:GetId",
    "iot:AttachPolicy",
    "iot:ListAttachedPolicies",
    "sqs:ChangeMessageVisibility",
)


@dataclass
class FaultyNetwork:
    """A function's network path to AWS: a name server and sockets that can hang. The queue has its own path."""

    cloud: LocalCloud
    name_server: NameServer
    forwarder: Forwarder
    queue: Forwarder

    def variables(self) -> dict[str, str]:
        """Return the environment variables that route a function through this path."""
        return {
            **self.name_server.variables(),
            "AWS_ENDPOINT_URL": f"http://aws.test:{self.forwarder.port}",
            "AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{self.queue.port}",
        }

    def hang(self, how: str) -> None:
        """Make every call except those to the queue hang."""
        if how == "a resolver that never answers":
            self.name_server.silent = True
            self.forwarder.cut()  # a connection that is kept needs no name
        elif how == "a silent socket":
            self.forwarder.silent = True
        else:
            self.cloud.set_faults([Fault(_CALLS, Hang())])

    def recover(self) -> None:
        """Stop hanging; calls that hang already might stay so."""
        self.name_server.silent = self.forwarder.silent = self.queue.silent = False
        self.cloud.clear_faults()


@pytest.fixture
def network(deployment: Deployment) -> Iterator[FaultyNetwork]:
    cloud = deployment.cloud
    with NameServer() as name_server, Forwarder(cloud.port) as forwarder, Forwarder(cloud.port) as queue:
        made = FaultyNetwork(cloud, name_server, forwarder, queue)
        yield made
        made.recover()
