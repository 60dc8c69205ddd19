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

from pubsub_client._credentials import Credentials, CredentialsSource, IdentitySource, RenewingSource
from pubsub_client._endpoint import Endpoint, EndpointName
from pubsub_client._provider import MqttVersion, Operation, Recovery, UpgradeRequest
from pubsub_client._self_attach import SelfAttachingSource
from pubsub_client.exceptions import ConfigurationError, PayloadError, TopicError
from pubsub_client.outputs import LEAST_PRIVILEGE, Output, read_outputs

CLIENT_ID_BYTES = 128
TOPIC_BYTES = 256
TOPIC_SLASHES = 7
PAYLOAD_BYTES = 128 * 1024
SUBSCRIPTIONS = 50
"""Topic filters of one connection."""
KEEP_ALIVE_SECONDS = (30, 1200)
"""AWS IoT replaces a lower value by 30, and a higher one, or none, by 1200."""
# The limits exclude the prefix of Basic Ingest, $aws/rules/<rule name>/.
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


class AwsIot:
    """AWS IoT, for a client with AWS credentials.

        >>> provider = AwsIot(endpoint="wss://abc-ats.iot.eu-west-1.amazonaws.com/mqtt", credentials=SdkCredentials())

    Args:
        endpoint: DescribeEndpoint's answer for ``iot:Data-ATS``, or the same as Amplify's URL, with ``wss://`` and
            ``/mqtt``.
        credentials: asked for each connection: a :class:`CognitoSession`, :class:`SdkCredentials`, or a source of your
            own. If it can self-attach, it does when AWS IoT denies the connection.
        region: the region of the signature; None for the one in the endpoint's name.
        client_id_from_identity: whether a random client id begins with the identity id, which access mode
            ``least-privilege`` requires; the credentials must then come from a :class:`CognitoSession`.

    Raises:
        ConfigurationError: the endpoint is invalid, or there is no region.
    """

    versions = (MqttVersion.MQTT5,)
    flow_control = ExtendedValidationAndFlowControlOptions.AWS_IOT_CORE_DEFAULTS
    """AWS IoT accepts 100 messages and 512 KB a second from one connection; awscrt delays further ones."""
    user_name = None
    password = None

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
            raise ConfigurationError(f"the endpoint {endpoint!r} does not contain its region: give region")
        self._region = signing_region
        self._source = credentials
        self._identity = credentials if client_id_from_identity and isinstance(credentials, IdentitySource) else None
        if client_id_from_identity and self._identity is None:
            raise ConfigurationError("the client id must begin with an identity id, but these credentials have none")

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, str], credentials: CredentialsSource) -> Self:
        """Return the provider for the deployment with these stack outputs.

        Raises:
            ConfigurationError: an output is missing.
        """
        endpoint, region = read_outputs(outputs, Output.PUBSUB_ENDPOINT, Output.REGION)
        # The rule does not apply to clients without an identity, such as services.
        of_identity = outputs.get(Output.ACCESS_MODE) == LEAST_PRIVILEGE and isinstance(credentials, IdentitySource)
        return cls(endpoint=endpoint, credentials=credentials, region=region, client_id_from_identity=of_identity)

    async def upgrade_request(self) -> UpgradeRequest:
        """Return the path with a new signature by current credentials in its query."""
        path = await self._sign(await self._source.credentials())
        return UpgradeRequest(path, client_id_prefix=f"{await self._identity.identity_id()}-" if self._identity else "")

    def check_client_id(self, client_id: str) -> None:
        """Check the length; raises ConfigurationError."""
        size = len(client_id.encode(errors="surrogatepass"))
        if not 0 < size <= CLIENT_ID_BYTES:
            raise ConfigurationError(
                f"the client id {client_id!r} has {size} bytes; AWS IoT takes 1 to {CLIENT_ID_BYTES}"
            )

    @staticmethod
    def check_topic(topic: str) -> None:
        """Check length and depth of a topic or topic filter; raises TopicError."""
        counted = topic.split("/", 3)[-1] if topic.startswith(_BASIC_INGEST) else topic
        if (size := len(counted.encode())) > TOPIC_BYTES:
            raise TopicError(f"{topic!r} has {size} bytes; AWS IoT takes {TOPIC_BYTES}")
        if (slashes := counted.count("/")) > TOPIC_SLASHES:
            raise TopicError(f"{topic!r} has {slashes} slashes; AWS IoT takes {TOPIC_SLASHES}")

    def check_payload(self, payload: bytes) -> None:
        """Check the length; raises PayloadError."""
        if len(payload) > PAYLOAD_BYTES:
            raise PayloadError("$", f"has {len(payload)} bytes; AWS IoT takes {PAYLOAD_BYTES}")

    def check_subscriptions(self, number: int) -> None:
        """Check the number of topic filters of one connection; raises ConfigurationError."""
        if number > SUBSCRIPTIONS:
            raise ConfigurationError(
                f"{number} topic filters are more than the {SUBSCRIPTIONS} that AWS IoT takes of one connection: use "
                "wildcards, or another connection"
            )

    def check_keep_alive(self, seconds: int) -> None:
        """Raise ConfigurationError for a value that AWS IoT would replace."""
        shortest, longest = KEEP_ALIVE_SECONDS
        if not shortest <= seconds <= longest:
            raise ConfigurationError(f"a keep_alive of {seconds} s is not what AWS IoT takes: {shortest} to {longest}")

    def explain_denied_upgrade(self) -> str:
        """Return why AWS IoT's device gateway refuses an upgrade."""
        actual = EndpointName.parse(self.endpoint.authority).region
        if actual is not None and actual != self._region:
            return (
                f"AWS IoT does not accept the signature: it is made for region {self._region}, and the endpoint is in "
                f"{actual}"
            )
        renewal_error = self._source.renewal_error if isinstance(self._source, RenewingSource) else None
        return (
            "AWS IoT does not accept the signature: the credentials are not valid or have expired, the "
            f"endpoint is not in region {self._region}, or this machine's clock is wrong (if you sign by other means "
            "than this client: the session token must be added after the signature is made, not signed with it)"
            + (f". The credentials could not be renewed: {renewal_error}" if renewal_error else "")
        )

    def explain_denial(self, operation: Operation, resource: str) -> str:
        """Return the permission that is missing.

        https://docs.aws.amazon.com/iot/latest/developerguide/cognito-identities.html
        """
        actions, kind = _PERMISSIONS[operation]
        return (
            "the IAM policies of the credentials or, of a Cognito identity, the IoT policies attached to it do not "
            f"allow {actions} on {kind}/{resource} (a new attachment can take minutes to act)"
        )

    async def recover_from_denial(self) -> Recovery | None:
        """Have the IoT policy attached, if the credentials source can."""
        source = self._source
        if not (isinstance(source, SelfAttachingSource) and source.can_self_attach):
            return None
        try:
            attachment = await source.self_attach()
        except Exception as error:  # noqa: BLE001 - an application's own source can raise any error
            return Recovery(f"Self-attach failed: {error}", applied=False)
        return Recovery(f"Self-attach answered {attachment.text}", applied=True)

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
