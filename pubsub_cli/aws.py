"""The operator's AWS clients: one boto3 session, one client a service, one endpoint if given."""

from __future__ import annotations

import json
import os
import reprlib
import shlex
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from botocore import UNSIGNED, xform_name
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.model import OperationModel

from pubsub_cli.errors import PreconditionError
from pubsub_client._aws_sdk import region_of_environment, sdk_session

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cognito_identity import CognitoIdentityClient
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_iam import IAMClient
    from types_boto3_iot import IoTClient
    from types_boto3_kms import KMSClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_sqs import SQSClient
    from types_boto3_ssm import SSMClient
    from types_boto3_stepfunctions import SFNClient
    from types_boto3_sts import STSClient


_Service = Literal[
    "apigatewayv2",
    "cloudformation",
    "cognito-identity",
    "cognito-idp",
    "events",
    "iam",
    "iot",
    "kms",
    "lambda",
    "logs",
    "sqs",
    "ssm",
    "stepfunctions",
    "sts",
]
"""The services that the operator tool calls."""


_SOURCES_OF_UPDATES = ("DescribeIdentityPool", "DescribeUserPool", "DescribeUserPoolClient", "GetUserPoolMfaConfig")
"""Operations whose responses become the input of updates. An update resets omitted settings, so it must also contain
the members that the SDK does not know."""


class UnreadableResponseError(BotoCoreError):
    """The response is not from AWS, but for example from a proxy or a login page."""

    fmt = "{answer}, which is not JSON"


def _client(service: _Service) -> Any:
    """Return a property of :class:`Aws`: the client of a service, created when it is first used."""
    return cached_property(lambda aws: aws._session.client(service, endpoint_url=aws.endpoint_url))


class Aws:
    """Clients that are created when first used.

    Args:
        profile: a profile of the AWS configuration; None for the default of boto3.
        region: the region; None for that of the environment, or else of the profile.
        endpoint_url: the URL of all services; None for AWS, or ``AWS_ENDPOINT_URL``.

    Raises:
        PreconditionError: the endpoint is not a URL.
        botocore.exceptions.ProfileNotFound: there is no such profile.
    """

    def __init__(self, profile: str | None = None, region: str | None = None, endpoint_url: str | None = None) -> None:
        if endpoint_url is not None and not endpoint_url.startswith(("http://", "https://")):
            raise PreconditionError(f"--endpoint-url: {endpoint_url!r} given; allowed: http://... or https://...")
        named = region or _region_unknown_to_cli()
        self.cli_options = "".join(
            f" --{name} {shlex.quote(value)}"
            for name, value in (("profile", profile), ("region", named), ("endpoint-url", endpoint_url))
            if value
        )
        """The options with which a command reaches the same account and region; empty if it needs none."""
        self._session = sdk_session(profile, region)
        self._session.events.register("before-call", self._record_request)
        self._session.events.register("after-call", self._record_response)
        self.endpoint_url = endpoint_url
        self.last_response: str | None = None
        """The last operation and its response, for messages about unexpected responses."""

    def clear_last_response(self) -> None:
        """Forget the last response before a new check starts."""
        self.last_response = None

    def _record_request(self, model: OperationModel, **_: Any) -> None:
        self.last_response = model.name

    def _record_response(
        self, http_response: AWSResponse, parsed: dict[str, Any], model: OperationModel, **_: Any
    ) -> None:
        """Record the response. If it is not JSON, boto3 would return an empty response.

        Raises:
            UnreadableResponseError: the response is not JSON, but should be.
        """
        answer = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
        self.last_response = f"{model.name} answered {http_response.status_code} {reprlib.repr(answer)}"
        expects_json = model.service_model.protocol in ("json", "rest-json") and not model.has_streaming_output
        if expects_json and http_response.raw and http_response.content:
            try:
                document = json.loads(http_response.content)
            except ValueError:
                body = reprlib.repr(http_response.text)
                self.last_response = f"{model.name} answered {http_response.status_code} {body}"
                raise UnreadableResponseError(answer=self.last_response) from None
            if model.name in _SOURCES_OF_UPDATES and http_response.status_code == HTTPStatus.OK:
                _merge_unknown(document, parsed, model.output_shape)

    @property
    def region(self) -> str | None:
        """The region in effect."""
        return self._session.region_name

    def custom_endpoint_url(self, service: _Service) -> str | None:
        """Return the URL of a service, ending in a slash, if options or environment set it; None if it is AWS's."""
        ignore_custom = Config(ignore_configured_endpoint_urls=True)  # type: ignore[call-arg]
        used, of_aws = (
            self._session.client(service, endpoint_url=url, config=config).meta.endpoint_url
            for url, config in ((self.endpoint_url, None), (None, ignore_custom))
        )
        return None if used == of_aws else f"{used.rstrip('/')}/"

    @property
    def has_credentials(self) -> bool:
        """Whether there are credentials, valid or not.

        Raises:
            botocore.exceptions.BotoCoreError: the profile's credentials cannot be loaded.
        """
        return self._session.get_credentials() is not None

    def call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """Call an operation by its API name.

        Raises:
            botocore.exceptions.ClientError: the call failed.
        """
        client = self._session.client(service, endpoint_url=self.endpoint_url)  # type: ignore[call-overload]
        getattr(client, xform_name(operation))(**parameters)

    cloudformation: CloudFormationClient = _client("cloudformation")
    user_pools: CognitoIdentityProviderClient = _client("cognito-idp")
    identity_pools: CognitoIdentityClient = _client("cognito-identity")
    iam: IAMClient = _client("iam")
    iot: IoTClient = _client("iot")
    apis: Any = _client("apigatewayv2")
    events: Any = _client("events")
    kms: KMSClient = _client("kms")
    functions: LambdaClient = _client("lambda")
    logs: CloudWatchLogsClient = _client("logs")
    queues: SQSClient = _client("sqs")
    ssm: SSMClient = _client("ssm")
    state_machines: SFNClient = _client("stepfunctions")
    sts: STSClient = _client("sts")

    @cached_property
    def identity_pools_unsigned(self) -> CognitoIdentityClient:
        """Amazon Cognito identity pools without AWS credentials, as a front end calls them with a user's token."""
        config = Config(signature_version=UNSIGNED)
        return self._session.client("cognito-identity", endpoint_url=self.endpoint_url, config=config)


def _region_unknown_to_cli() -> str | None:
    """Return the region if only ``AWS_REGION`` has it, because version 1 of the AWS CLI ignores this variable."""
    region = region_of_environment()
    return None if region == os.environ.get("AWS_DEFAULT_REGION") else region


def _merge_unknown(raw: Any, parsed: Any, shape: Any) -> None:
    """Add the members of a raw response that the SDK does not know to the parsed response, also nested ones."""
    if shape.type_name == "structure":
        for name, value in raw.items():
            if name not in shape.members:
                parsed.setdefault(name, value)
            elif name in parsed:
                _merge_unknown(value, parsed[name], shape.members[name])
    elif shape.type_name == "list":
        for raw_each, parsed_each in zip(raw, parsed, strict=True):
            _merge_unknown(raw_each, parsed_each, shape.member)
