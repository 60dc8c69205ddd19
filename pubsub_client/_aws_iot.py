"""AWS IoT as a provider: MQTT 5 over a WebSocket whose upgrade is signed with Signature Version 4.

https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
Limits: https://docs.aws.amazon.com/general/latest/gr/iot-core.html (message broker and protocol limits)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Self

from awscrt import auth, http
from awscrt.mqtt5 import ExtendedValidationAndFlowControlOptions

from pubsub_client._credentials import (
    Credentials,
    CredentialsSource,
    IdentitySource,
    RenewingSource,
    UserSource,
    UserWatcher,
)
from pubsub_client._endpoint import Endpoint, EndpointName
from pubsub_client._provider import MqttVersion, Operation, Provider, Recovery, UpgradeRequest
from pubsub_client._self_attach import SelfAttachingSource
from pubsub_client.exceptions import ConfigurationError, PayloadError, TopicError
from pubsub_client.outputs import LEAST_PRIVILEGE, Output, require_outputs

CLIENT_ID_BYTES = 128
TOPIC_BYTES = 256
TOPIC_SLASHES = 7
PAYLOAD_BYTES = 128 * 1024
SUBSCRIPTIONS = 50
"""Topic filters of one connection."""
KEEP_ALIVE_SECONDS = (30, 1200)
"""The bounds of the keep alive: AWS IoT changes other values to the nearest bound."""
# The prefix of Basic Ingest, $aws/rules/<rule name>/, does not count against the limits of a topic.
_BASIC_INGEST = "$aws/rules/"

_SERVICE = "iotdevicegateway"
_PATH = "/mqtt"

# https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
_PERMISSIONS = {
    Operation.CONNECT: ("iot:Connect", "client"),
    Operation.PUBLISH: ("iot:Publish", "topic"),
    Operation.PUBLISH_RETAINED: ("iot:Publish and iot:RetainPublish", "topic"),
    Operation.SUBSCRIBE: ("iot:Subscribe", "topicfilter"),
}


class AwsIot(Provider):
    """AWS IoT, for a client with AWS credentials.

        >>> provider = AwsIot(endpoint="wss://abc-ats.iot.eu-west-1.amazonaws.com/mqtt", credentials=SdkCredentials())

    Args:
        endpoint: the ``iot:Data-ATS`` endpoint from DescribeEndpoint, or Amplify's URL of it with ``wss://`` and
            ``/mqtt``.
        credentials: the source of the credentials, called for each connection: a :class:`CognitoSession`,
            :class:`SdkCredentials`, or your own class. A source that can self-attach does so when AWS IoT denies the
            connection.
        region: the region to sign for; None for the region in the endpoint's name.
        client_id_from_identity: whether a random client id begins with the identity id, as access mode
            ``least-privilege`` requires. The credentials must then come from a :class:`CognitoSession`.

    Raises:
        ConfigurationError: the endpoint is invalid, the region is unknown, or the credentials have no identity id.
    """

    versions = (MqttVersion.MQTT5,)
    flow_control = ExtendedValidationAndFlowControlOptions.AWS_IOT_CORE_DEFAULTS
    """AWS IoT accepts 100 messages and 512 KB a second from one connection; awscrt delays messages above that."""

    def __init__(
        self,
        *,
        endpoint: str,
        credentials: CredentialsSource,
        region: str | None = None,
        client_id_from_identity: bool = False,
    ) -> None:
        name = EndpointName.parse(endpoint)
        is_amplify_url = name.scheme in (None, "wss") and name.path in ("", "/", _PATH)
        self.endpoint = Endpoint.parse(name.bare if is_amplify_url else endpoint)
        signing_region = region or name.region
        if signing_region is None:
            raise ConfigurationError(f"the region of the endpoint {endpoint!r} is not known; pass region")
        self._region = signing_region
        self._source = credentials
        self._identity = credentials if client_id_from_identity and isinstance(credentials, IdentitySource) else None
        if client_id_from_identity and self._identity is None:
            raise ConfigurationError(
                "client_id_from_identity requires credentials with an identity id; pass a CognitoSession"
            )

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, str], credentials: CredentialsSource) -> Self:
        """Return the provider for the deployment with these stack outputs.

        Raises:
            ConfigurationError: an output is missing.
        """
        endpoint, region = require_outputs(outputs, Output.PUBSUB_ENDPOINT, Output.REGION)
        # Clients without an identity, such as services, may use any client id.
        of_identity = outputs.get(Output.ACCESS_MODE) == LEAST_PRIVILEGE and isinstance(credentials, IdentitySource)
        return cls(endpoint=endpoint, credentials=credentials, region=region, client_id_from_identity=of_identity)

    async def upgrade_request(self) -> UpgradeRequest:
        """Return the path with a new signature in its query, made with the current credentials."""
        path = await self._sign(await self._source.credentials())
        return UpgradeRequest(path, client_id_prefix=f"{await self._identity.identity_id()}-" if self._identity else "")

    def check_client_id(self, client_id: str) -> None:
        """Raise ConfigurationError if AWS IoT would reject the client id for its length."""
        size = len(client_id.encode(errors="surrogatepass"))
        if not 0 < size <= CLIENT_ID_BYTES:
            raise ConfigurationError(
                f"the client id {client_id!r} has {size} bytes; AWS IoT allows 1 to {CLIENT_ID_BYTES}"
            )

    @staticmethod
    def check_topic(topic: str) -> None:
        """Raise TopicError if a topic or topic filter is longer or deeper than AWS IoT allows."""
        counted = topic.split("/", 3)[-1] if topic.startswith(_BASIC_INGEST) else topic
        if (size := len(counted.encode())) > TOPIC_BYTES:
            raise TopicError(f"the topic {topic!r} has {size} bytes; AWS IoT allows {TOPIC_BYTES}")
        if (slashes := counted.count("/")) > TOPIC_SLASHES:
            raise TopicError(f"the topic {topic!r} has {slashes} slashes; AWS IoT allows {TOPIC_SLASHES}")

    def check_payload(self, payload: bytes) -> None:
        """Raise PayloadError if the payload is longer than AWS IoT allows."""
        if len(payload) > PAYLOAD_BYTES:
            raise PayloadError("$", f"has {len(payload)} bytes; AWS IoT allows {PAYLOAD_BYTES}")

    def check_subscriptions(self, number: int) -> None:
        """Raise ConfigurationError for more topic filters than AWS IoT allows on one connection."""
        if number > SUBSCRIPTIONS:
            raise ConfigurationError(
                f"{number} topic filters exceed AWS IoT's limit of {SUBSCRIPTIONS} per connection; use wildcards or "
                "another connection"
            )

    def check_keep_alive(self, seconds: int) -> None:
        """Raise ConfigurationError for a value that AWS IoT would change."""
        shortest, longest = KEEP_ALIVE_SECONDS
        if not shortest <= seconds <= longest:
            raise ConfigurationError(f"keep_alive is {seconds} s; AWS IoT allows {shortest} to {longest} s")

    def explain_denied_upgrade(self) -> str:
        """Return why AWS IoT rejects the signature of an upgrade, and what to check."""
        actual = EndpointName.parse(self.endpoint.authority).region
        if actual is not None and actual != self._region:
            return f"AWS IoT rejected the signature: it is for region {self._region}, but the endpoint is in {actual}"
        renewal_error = self._source.renewal_error if isinstance(self._source, RenewingSource) else None
        return (
            "AWS IoT rejected the signature: the credentials are invalid or have expired, the endpoint is not in "
            f"region {self._region}, or this machine's clock is wrong (code that signs without this client must add "
            "the session token after signing)"
            + (f". The credentials could not be renewed: {renewal_error}" if renewal_error else "")
        )

    def explain_denial(self, operation: Operation, resource: str) -> str:
        """Return the permission that is missing.

        https://docs.aws.amazon.com/iot/latest/developerguide/cognito-identities.html
        """
        actions, kind = _PERMISSIONS[operation]
        return (
            "the IAM policies of the credentials, or the IoT policies attached to the Cognito identity, do not allow "
            f"{actions} on {kind}/{resource} (a new attachment can take minutes to take effect)"
        )

    async def recover_from_denial(self) -> Recovery | None:
        """Self-attach, if the credentials source can."""
        source = self._source
        if not (isinstance(source, SelfAttachingSource) and source.can_self_attach):
            return None
        try:
            attachment = await source.self_attach()
        except Exception as error:  # noqa: BLE001 - an application's own source can raise any error
            return Recovery(f"Self-attach failed: {error}", applied=False)
        return Recovery(f"Self-attach succeeded: {attachment.text}", applied=True)

    def watch_user(self, watcher: UserWatcher) -> None:
        """Call the watcher when the user of the credentials source changes, if the source has users."""
        if isinstance(self._source, UserSource):
            self._source.watch_user(watcher)

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
            # AWS IoT requires the session token to be added to the signed query, not signed with it.
            omit_session_token=True,
        )
        signed = await asyncio.wrap_future(auth.aws_sign_request(request, config))
        return str(signed.path)
