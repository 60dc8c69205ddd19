"""Creates HTTP APIs with CloudFormation, and calls them with signed requests."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SigningCredentials

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import Credentials, make_stack, physical_id, unique

_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """A response; header names in lower case, None for an empty body."""

    status: int
    headers: dict[str, str]
    body: Any


def call(
    url: str,
    method: str = "POST",
    *,
    credentials: Credentials | None = None,
    region: str = "us-east-1",
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> Answer:
    """Call an address of the local cloud, signed if there are credentials."""
    parts = urlsplit(url)
    request = AWSRequest(method, url, data=body, headers=dict(headers or {}))
    if credentials:
        signing = SigningCredentials(
            credentials.access_key_id, credentials.secret_access_key, credentials.session_token
        )
        SigV4Auth(signing, "execute-api", region).add_auth(request)
    # Names below .localhost are loopback (RFC 6761), even if the system does not resolve them.
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=_SECONDS)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection.request(method, target, body, {**request.headers, "Host": parts.netloc})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    named = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, named, json.loads(text) if text else None)


def preflight(url: str, origin: str) -> Answer:
    """Send the preflight request of a page from this origin."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-amz-date",
    }
    return call(url, "OPTIONS", headers=headers)


@contextmanager
def http_api(cloud: LocalCloud, function_arn: str = "", origins: tuple[str, ...] = ("*",)) -> Iterator[str]:
    """Create an API with the route ``POST /route``, authorized by IAM, and yield the route's address."""
    api = {"Ref": "Api"}
    stack = make_stack(
        cloud,
        Api={
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {
                "Name": unique("api"),
                "ProtocolType": "HTTP",
                "CorsConfiguration": {
                    "AllowOrigins": list(origins),
                    "AllowMethods": ["POST"],
                    "AllowHeaders": ["authorization", "x-amz-date"],
                },
            },
        },
        Integration={
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": api,
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": function_arn,
                "PayloadFormatVersion": "2.0",
            },
        },
        Route={
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": api,
                "RouteKey": "POST /route",
                "AuthorizationType": "AWS_IAM",
                "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "Integration"}]]},
            },
        },
        Stage={
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": api, "StageName": "$default", "AutoDeploy": True},
        },
    )
    api_id = physical_id(cloud, stack, "Api")
    yield f"{cloud.client('apigatewayv2').get_api(ApiId=api_id)['ApiEndpoint']}/route"
    cloud.client("cloudformation").delete_stack(StackName=stack)
