"""AWS IoT as a provider: MQTT 5 over a WebSocket whose upgrade is signed with Signature Version 4.

https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Self

from awscrt import auth, http
from awscrt.mqtt5 import ExtendedValidationAndFlowControlOptions

from pubsub_client._aws_iot_limits import (
    check_client_id,
    check_keep_alive,
    check_payload,
    check_subscriptions,
    check_topic,
)
from pubsub_client._credentials import Credentials, CredentialsSource, OfAnIdentity, RenewingSource
from pubsub_client._endpoint import Endpoint
from pubsub_client._endpoint_name import EndpointName
from pubsub_client._provider import MqttVersion, Operation, Remedy, UpgradeRequest
from pubsub_client._self_attach import SelfAttachingSource
from pubsub_client.exceptions import ConfigurationError
from pubsub_client.outputs import LEAST_PRIVILEGE, Output, read_outputs

_SERVICE = "iotdevicegateway"
_PATH = "/mqtt"

# https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
_PERMISSIONS = {
    Operation.CONNECT: ("iot:Connect", "client"),
    Operation.PUBLISH: ("iot:Publish", "topic"),
    Operation.PUBLISH_RETAINED: ("iot:Publish and iot:RetainPublish", "topic"),
    Operation.SUBSCRIBE: ("iot:Subscribe", "topicfilter"),
}


class AwsIot:
    """How to reach AWS IoT as somebody with AWS credentials.

        >>> provider = AwsIot(endpoint="wss://abc-ats.iot.eu-west-1.amazonaws.com/mqtt", credentials=SdkCredentials())

    Args:
        endpoint: what DescribeEndpoint gives for ``iot:Data-ATS``, or ``wss://`` before it and ``/mqtt`` behind, as
            Amplify takes it.
        credentials: asked at each connection; a :class:`CognitoSession`, :class:`SdkCredentials`, or a source of one's
            own. One that can self-attach is asked for that when AWS IoT denies the connection.
        region: the region that the signature is for; the one in the endpoint's name unless given.
        client_id_of_identity: have a client id that is made up begin with the identity id, as access mode
            ``least-privilege`` allows no other; the credentials then have to come from a :class:`CognitoSession`.

    Raises:
        ConfigurationError: the endpoint is none, or tells no region and none is given.
    """

    versions = (MqttVersion.MQTT5,)
    flow_control = ExtendedValidationAndFlowControlOptions.AWS_IOT_CORE_DEFAULTS
    """AWS IoT takes 100 messages and 512 KB a second from one connection, so awscrt holds the rest back."""
    user_name = None
    password = None

    def __init__(
        self,
        *,
        endpoint: str,
        credentials: CredentialsSource,
        region: str | None = None,
        client_id_of_identity: bool = False,
    ) -> None:
        name = EndpointName.parse(endpoint)
        as_amplify_takes_it = name.scheme in (None, "wss") and name.path in ("", "/", _PATH)
        self.endpoint = Endpoint.parse(name.bare if as_amplify_takes_it else endpoint)
        told = region or name.region
        if told is None:
            raise ConfigurationError(f"the endpoint {endpoint!r} does not tell its region: give region")
        self._region = told
        self._source = credentials
        self._identity = credentials if client_id_of_identity and isinstance(credentials, OfAnIdentity) else None
        if client_id_of_identity and self._identity is None:
            raise ConfigurationError("the client id is to begin with an identity id, and these credentials know none")

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, str], credentials: CredentialsSource) -> Self:
        """Reach the deployment whose CloudFormation outputs these are, by name.

        Raises:
            ConfigurationError: an output is missing.
        """
        endpoint, region = read_outputs(outputs, Output.PUBSUB_ENDPOINT, Output.REGION)
        # Who is no identity, a service for instance, is not held to that.
        of_identity = outputs.get(Output.ACCESS_MODE) == LEAST_PRIVILEGE and isinstance(credentials, OfAnIdentity)
        return cls(endpoint=endpoint, credentials=credentials, region=region, client_id_of_identity=of_identity)

    async def upgrade_request(self) -> UpgradeRequest:
        """Return the path with a fresh signature of fresh credentials in its query."""
        path = await self._sign(await self._source.credentials())
        return UpgradeRequest(path, client_id_prefix=f"{await self._identity.identity_id()}-" if self._identity else "")

    def check_client_id(self, client_id: str) -> None:
        """Check the length.

        Raises:
            ConfigurationError: it is too long or empty.
        """
        check_client_id(client_id)

    def check_topic(self, topic: str) -> None:
        """Check length and depth.

        Raises:
            TopicError: it is too long or too deep.
        """
        check_topic(topic)

    def check_payload(self, payload: bytes) -> None:
        """Check the length.

        Raises:
            PayloadError: it is too long.
        """
        check_payload(payload)

    def check_subscriptions(self, number: int) -> None:
        """Check the number.

        Raises:
            ConfigurationError: it is too high.
        """
        check_subscriptions(number)

    def check_keep_alive(self, seconds: int) -> None:
        """Check the figure.

        Raises:
            ConfigurationError: AWS IoT would make another one of it.
        """
        check_keep_alive(seconds)

    def explain_denied_upgrade(self) -> str:
        """Return what AWS IoT's device gateway refuses an upgrade for."""
        actual = EndpointName.parse(self.endpoint.authority).region
        if actual is not None and actual != self._region:
            return (
                f"AWS IoT does not accept the signature: it is made for region {self._region}, and the endpoint is in "
                f"{actual}"
            )
        renewal_error = self._source.renewal_error if isinstance(self._source, RenewingSource) else None
        return (
            "AWS IoT does not accept the signature: the credentials are not valid or have expired, the "
            f"endpoint is not in region {self._region}, or this machine's clock is wrong (who signs by other means "
            "than this client: the session token must be added after the signature is made, not signed with it)"
            + (f". The credentials could not be renewed: {renewal_error}" if renewal_error else "")
        )

    def explain_denial(self, operation: Operation, resource: str) -> str:
        """Return which permission is missing.

        https://docs.aws.amazon.com/iot/latest/developerguide/cognito-identities.html
        """
        actions, kind = _PERMISSIONS[operation]
        return (
            "the IAM policies of the credentials or, of a Cognito identity, the IoT policies attached to it do not "
            f"allow {actions} on {kind}/{resource} (a new attachment can take minutes to act)"
        )

    async def remedy_denial(self) -> Remedy | None:
        """Have the IoT policy attached, if the credentials source can."""
        source = self._source
        if not (isinstance(source, SelfAttachingSource) and source.can_self_attach):
            return None
        try:
            attachment = await source.self_attach()
        except Exception as error:  # noqa: BLE001 - a source of one's own may fail in any way
            return Remedy(f"Self-attach did not help: {error}", applied=False)
        return Remedy(f"Self-attach answered {attachment.text}", applied=True)

    async def _sign(self, credentials: Credentials) -> str:
        request = http.HttpRequest("GET", _PATH, http.HttpHeaders([("Host", self.endpoint.authority)]))
        config = auth.AwsSigningConfig(
            algorithm=auth.AwsSigningAlgorithm.V4,
            signature_type=auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS,
            credentials_provider=auth.AwsCredentialsProvider.new_static(
                credentials.access_key_id, credentials.secret_access_key, credentials.session_token
            ),
            region=self._region,
            service=_SERVICE,
            # AWS IoT wants the session token added to the signed query, not signed with it.
            omit_session_token=True,
        )
        signed = await asyncio.wrap_future(auth.aws_sign_request(request, config))
        return str(signed.path)
